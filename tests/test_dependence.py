"""Dependency rules for all lengths against the graphs of n digits, which are enumerated, and against planted errors."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.test_graph import dependencies, operand_ancestors
from tests.test_machine_tasks import machines
from theory.errors import InputError
from theory.graphs import periodic
from theory.graphs.dependence import Low, Product, Serial, dependency_rule
from theory.graphs.dependency import dependency_graph
from theory.graphs.periodic import Periodic
from theory.language.expressions import bounds
from theory.language.tasks import make_task

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def graph_edges(task, digits):
    """The edges of the graph of `digits` digits, as (kind, index) pairs."""
    graph = dependency_graph(task, digits)
    data = {node: (found["kind"], found["index"]) for node, found in graph.nodes(data=True)}
    return {(data[source], data[target]) for source, target in graph.edges}


affine_text = st.builds("{}*a+{}*b+{}".format, st.integers(0, 15), st.integers(0, 15), st.integers(0, 200))
serial_text = (
    affine_text | st.builds("{}//{}".format, st.sampled_from("ab"), st.integers(1, 30)) | st.sampled_from(["max(a,b)", "min(b,a)"])
)
bases = st.sampled_from([2, 3, 4, 7, 10])


@settings(max_examples=60)
@given(serial_text, bases, st.integers(1, 6))
def test_serial_rules_give_every_column_of_every_length(text, base, digits):
    """All columns that hold operand digits; the columns above have only what is left of the carry."""
    task = make_task(expr=text, base=base)
    rule = dependency_rule(task)
    assert isinstance(rule, Serial)
    assert rule.check()
    assert rule.edges(digits) == {edge for edge in graph_edges(task, digits) if edge[1][1] < digits}


@settings(max_examples=60)
@given(machines(), st.integers(1, 7))
def test_the_rule_of_a_machine_is_that_of_its_columns(task, digits):
    """Least significant first, of longer operands: states that only a later column tells apart are one state where there is none."""
    try:
        rule = dependency_rule(task)
    except InputError:  # the states alternate from column to column
        return
    assert isinstance(rule, Serial)
    assert rule.check()
    longer = digits + (len(task.machine.table) if task.machine.direction == "lsd" else 0)
    assert rule.edges(digits) == {edge for edge in graph_edges(task, longer) if edge[1][1] < digits}


@settings(max_examples=60)
@given(machines(), st.integers(1, 3))
def test_every_dependence_of_a_machine_runs_along_its_graph(task, digits):
    assert dependencies(task, digits) <= operand_ancestors(dependency_graph(task, digits))


@pytest.mark.parametrize("base", [2, 3, 10])
def test_the_product_rule_gives_every_column_that_has_all_its_digits(base):
    task = make_task("mul", base=base)
    rule = dependency_rule(task)
    assert isinstance(rule, Product)
    assert rule.check()
    for digits in range(1, 9):
        assert rule.edges(digits) == {edge for edge in graph_edges(task, digits) if edge[1][1] < digits}
    assert [sum(target == ("c", i) for _, target in rule.edges(9)) for i in range(2, 9)] == [2 * i + 3 for i in range(2, 9)]


modular = st.builds(
    "({}*a{}{}*b+{})%{}".format, *[st.integers(0, 12), st.sampled_from("+-"), st.integers(0, 12)], st.integers(0, 9), st.integers(1, 40)
)
periodic_text = modular | st.builds("{}%{}".format, st.sampled_from(["a*b", "(a*a+b)", "(a//3)", "(a*b+a)"]), st.integers(1, 24))


@settings(max_examples=50)
@given(periodic_text | st.just("a%100+b%10"), st.sampled_from([2, 3, 10]))
def test_periodic_rules_are_the_graphs_of_long_numbers(text, base):
    """Never fewer dependencies than n digits show, and no more than enough digits show."""
    task = make_task(expr=text, base=base)
    assume(bounds(task.expression, 1000)[0] >= 0)
    rule = dependency_rule(task)
    if not isinstance(rule, Periodic):
        return  # a constant
    assert rule.check()
    for digits in (1, 3):
        assert graph_edges(task, digits) <= rule.edges(digits)
    long = min(100, rule.tail + rule.cycle * 50)
    assert {edge for edge in graph_edges(task, long) if edge[0][1] < rule.tail + rule.cycle} == rule.edges(rule.tail + rule.cycle)


@pytest.mark.parametrize("text", ["(a+b)%101", "(a+b)%150", "a*b%12", "a%100+b%10", "(a//3)%24", "(a*a+b)%9", "a%7"])
def test_periodic_rules_with_a_planted_error_do_not_check(text):
    rule = dependency_rule(make_task(expr=text))
    assert isinstance(rule, Periodic)
    assert rule.check()
    for node, acted in list(rule.acts.items())[::5]:
        for i in range(rule.width):
            assert not replace(rule, acts=rule.acts | {node: acted ^ {i}}).check()
    assert not replace(rule, width=rule.width - 1).check()
    assert not replace(rule, tail=rule.tail + 1).check()
    assert not replace(rule, modulus=rule.modulus + 1).check()
    assert not replace(rule, task=make_task("add")).check()
    assert not replace(rule, task=make_task(expr=f"({text})*a%97")).check()


def test_the_check_of_a_periodic_rule_does_not_repeat_the_decision(monkeypatch):
    """A decision procedure that goes wrong is not agreed with."""
    monkeypatch.setattr(periodic, "moves", lambda table, rest, step: True)
    rule = periodic.periodic_rule(make_task(expr="(a+b)%150"))
    assert not rule.check()


def test_periodic_rules_against_enumeration():
    for text, base, digits in (("(a+b)%5", 2, 4), ("(a+b)%6", 2, 4), ("a*b%7", 3, 3), ("(3*a+b)%12", 10, 2)):
        task = make_task(expr=text, base=base)
        rule = {(f"{source[0]}{source[1]}", f"{target[0]}{target[1]}") for source, target in dependency_rule(task).edges(digits)}
        assert rule == dependencies(task, digits)


@pytest.mark.parametrize("text", ["a*a", "a*a+b", "a*b+a", "3*a*b", "(a+b)*(a+2*b)"])
def test_low_rules_bound_the_graph(text):
    for base, digits in ((2, 3), (3, 2), (10, 1)):
        task = make_task(expr=text, base=base)
        rule = dependency_rule(task)
        assert isinstance(rule, Low)
        assert not rule.exact
        assert rule.check()
        assert {edge for edge in graph_edges(task, digits) if edge[1][1] < digits} <= rule.edges(digits)


LINES = [
    ("a+b", 10, ["c_i <- a_i, b_i, carry_i", "carry_{i+1} <- a_i, b_i, carry_i", "carry_0 = 0"], "3"),
    ("a", 10, ["c_i <- a_i"], "1"),
    ("2*a", 10, ["c_i <- a_i, carry_i", "carry_{i+1} <- a_i", "carry_0 = 0"], "2"),
    ("100*a", 10, ["c_i <- carry_i", "carry_{i+1} <- a_i, carry_i", "carry_0 = 0"], "1"),
    ("b//2", 10, ["c_i <- b_i, carry_i", "carry_{i-1} <- b_i", "the carry into the top digit = 0"], "2"),
    ("max(a,b)", 10, ["c_i <- a_i, b_i, carry_i", "carry_{i-1} <- a_i, b_i, carry_i"], "3"),
    ("(a+b)%101", 10, ["c_0, c_1, c_2 <- a_j, b_j for every j"], "2n"),
    ("(a+b)%100", 10, ["c_0 <- a_0, b_0", "c_1 <- a_0, a_1, b_0, b_1"], "4"),
    ("(a+b)%150", 10, ["c_0 <- a_0, b_0", "c_1, c_2 <- a_j, b_j for every j"], "2n"),
    ("(a+3*b)%6", 10, ["c_0 <- a_j for every j; b_0"], "n + 1"),
    ("a%100+b%10", 10, ["c_0 <- a_0, b_0", "c_1, c_2 <- a_0, a_1; b_0"], "3"),
    ("a*b", 2, ["c_i <- a_0, ..., a_i, b_0, ..., b_i, carry_i", "carry_{i+1} <- a_0, ..., a_i, b_0, ..., b_i, carry_i"], "2i + 3"),
    ("a*a", 10, ["c_i <- a_0, ..., a_i"], "at most i + 1"),
]


@pytest.mark.parametrize(("text", "base", "lines", "in_degree"), LINES)
def test_lines(text, base, lines, in_degree):
    rule = dependency_rule(make_task(expr=text, base=base))
    assert list(rule.lines)[: len(lines)] == lines
    assert rule.in_degree == in_degree


@pytest.mark.parametrize("name", ["equal", "less", "reversal", "digit-sum", "absdiff"])
def test_no_rule_is_made_up(name):
    assert dependency_rule(make_task(name)) is None


def test_planted_errors_are_found():
    rule = dependency_rule(make_task("add"))
    shown = dict(rule.shown)
    cells = shown.pop(("carry", "c"))
    assert not replace(rule, shown=shown).check()  # a dependence left out
    assert not replace(rule, shown=rule.shown | {("a", "c"): (cells[0], cells[0])}).check()  # one that shows nothing
    assert not replace(rule, shown=rule.shown | {("a", "c"): rule.shown["b", "c"]}).check()  # one of another digit
    assert not replace(rule, carries=frozenset({0})).check()
    assert not replace(rule, early=()).check()
    assert not replace(rule, task=make_task(expr="a+2*b")).check()  # a machine of another task
    double = dependency_rule(make_task("double"))
    assert not replace(double, shown=double.shown | {("carry", "carry"): ((0, 4, 0), (1, 4, 0))}).check()
    third = dependency_rule(make_task("third"))
    assert not replace(third, task=make_task("seventh")).check()
    assert not replace(dependency_rule(make_task("max")), task=make_task("min")).check()
    dense = dependency_rule(make_task("mod-add", modulus=101))
    assert not replace(dense, acts=dense.acts | {("a", 3): frozenset({0, 1})}).check()
    assert not replace(dense, cycle=3).check()
    assert not replace(dense, tail=1).check()


def test_too_large_is_refused():
    with pytest.raises(InputError, match="more than 1000 different weights"):
        dependency_rule(make_task("mod-add", modulus=100003))

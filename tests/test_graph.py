"""Dependency graphs against enumeration over all operands."""

import json
import sys
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from theory.errors import InputError
from theory.graphs.dependency import dependency_graph
from theory.graphs.fingerprints import portrait
from theory.graphs.formats import to_dot, to_json, to_mermaid, to_text
from theory.graphs.pictures import draw
from theory.language.expressions import bounds
from theory.language.tasks import Task, make_task

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def dependencies(task: Task, digits: int) -> set[tuple[str, str]]:
    """(operand digit, result digit) such that changing the one digit alone changes the other, by enumeration."""
    base, size = task.base, task.base**digits
    values = np.array([[task(a, b) for b in range(size)] for a in range(size)])
    found = set()
    for i in range(task.result_width(digits)):
        cube = (values // base**i % base).reshape((base,) * (2 * digits))
        for axis in range(2 * digits):
            if (cube.max(axis) != cube.min(axis)).any():
                name = f"a{digits - 1 - axis}" if axis < digits else f"b{2 * digits - 1 - axis}"
                found.add((name, f"c{i}"))
    return found


def operand_ancestors(graph: nx.DiGraph) -> set[tuple[str, str]]:
    kinds = nx.get_node_attributes(graph, "kind")
    return {(x, c) for c in graph if kinds[c] == "c" for x in nx.ancestors(graph, c) if kinds[x] in "ab"}


inner = st.builds("({}*a{}{}*b+{})".format, st.integers(0, 30), st.sampled_from("+-"), st.integers(0, 30), st.integers(0, 9))
polynomials = st.sampled_from(["a*b", "a*a", "a*a+b", "(a+b)*(a+2*b)", "3*a*b+a"])
modular = st.builds("({})%{}".format, inner | polynomials, st.integers(1, 40))
others = st.sampled_from(["(a//3)%5", "a%4+b", "(a%6)*(b%3)", "a*a+b", "(a+b)//4", "(a+b)%12%5", "a-2*(a//2)+b", "a%100+b%100"])


@settings(max_examples=120)
@given(modular | others, st.sampled_from([(2, 1), (2, 3), (3, 2), (4, 2), (10, 1)]))
def test_digit_edges_against_enumeration(text, size):
    base, digits = size
    task = make_task(expr=text, base=base)
    assume(bounds(task.expression, base**digits)[0] >= 0)
    assert set(dependency_graph(task, digits).edges) == dependencies(task, digits)


@settings(max_examples=40)
@given(st.integers(0, 15), st.integers(0, 15), st.integers(0, 20), st.sampled_from([(2, 2), (2, 3), (3, 2), (10, 1)]))
def test_column_graph_reaches_exactly_the_true_dependencies(alpha, beta, gamma, size):
    """A chain of exact column edges can only overshoot: every true dependency is a path, and addition has no other."""
    base, digits = size
    task = make_task(expr=f"{alpha}*a+{beta}*b+{gamma}", base=base)
    assert dependencies(task, digits) <= operand_ancestors(dependency_graph(task, digits))


@settings(max_examples=30)
@given(
    st.builds("{}//{}".format, st.sampled_from("ab"), st.integers(1, 30)) | st.sampled_from(["max(a,b)", "min(b,a)"]),
    st.sampled_from([(2, 2), (2, 3), (3, 2), (10, 1)]),
)
def test_graphs_from_the_top_digit_reach_the_true_dependencies(text, size):
    base, digits = size
    task = make_task(expr=text, base=base)
    assert dependencies(task, digits) <= operand_ancestors(dependency_graph(task, digits))


def test_division_by_3_from_the_top_digit():
    third = dependency_graph(make_task("third"), 3)
    assert set(third.predecessors("c0")) == {"a0", "carry0"}
    assert set(third.predecessors("carry0")) == {"a1", "carry1"}
    assert set(third.predecessors("c2")) == {"a2"}
    assert operand_ancestors(dependency_graph(make_task("third"), 2)) == dependencies(make_task("third"), 2)
    assert set(dependency_graph(make_task("halve"), 3).predecessors("carry0")) == {"a1"}


@pytest.mark.parametrize(("base", "digits"), [(2, 2), (2, 3), (3, 2), (10, 1)])
def test_addition_and_multiplication_paths_are_the_dependencies(base, digits):
    for name in ("add", "mul"):
        task = make_task(name, base=base)
        assert operand_ancestors(dependency_graph(task, digits)) == dependencies(task, digits)


def test_addition_has_in_degree_three():
    graph = dependency_graph(make_task("add"), 4)
    degrees = dict(graph.in_degree())
    assert [degrees[f"c{i}"] for i in range(5)] == [2, 3, 3, 3, 1]
    assert [degrees[f"carry{i}"] for i in range(1, 5)] == [2, 3, 3, 3]
    assert set(graph.predecessors("carry2")) == {"a1", "b1", "carry1"}
    assert graph.nodes["carry2"] == {"kind": "carry", "index": 2}
    assert nx.is_directed_acyclic_graph(graph)


def test_multiplication_grows_where_plain_ancestors_do_not_tell():
    add, mul = dependency_graph(make_task("add"), 4), dependency_graph(make_task("mul"), 4)
    assert [mul.in_degree(f"c{i}") for i in range(8)] == [2, 5, 7, 9, 7, 5, 3, 1]
    for i in range(4):
        for graph in (add, mul):
            assert sum(kind[0] in "ab" for kind in nx.ancestors(graph, f"c{i}")) == 2 * (i + 1)


def test_known_columns():
    shift = dependency_graph(make_task(expr="10*a"), 2)
    assert set(shift.edges) == {("a0", "carry1"), ("carry1", "c1"), ("a1", "carry2"), ("carry2", "c2")}
    assert set(dependency_graph(make_task(expr="a+9"), 1).edges) == {("a0", "c0"), ("a0", "carry1"), ("carry1", "c1")}
    assert set(dependency_graph(make_task(expr="a"), 2).edges) == {("a0", "c0"), ("a1", "c1")}
    assert not dependency_graph(make_task(expr="5"), 2).edges
    bits = dependency_graph(make_task("mul", base=2), 2)
    assert "carry1" not in bits
    assert set(bits.predecessors("c3")) == {"carry3"}


def test_modular_addition():
    dense = dependency_graph(make_task("mod-add", modulus=101), 6)
    assert dense.number_of_edges() == 12 * 3
    causal = dependency_graph(make_task("mod-add", modulus=100), 4)
    assert set(causal.predecessors("c1")) == {"a0", "b0", "a1", "b1"}
    assert not any(node.startswith("carry") for node in causal)
    assert dependency_graph(make_task("mod-mul", modulus=997), 5).number_of_edges() == 10 * 3


def test_wide_graphs_are_quick():
    for text, digits, edges in (("(a+b)%101", 100, 600), ("a*b%997", 100, 600), ("(a+b)%99991", 30, 300), ("(10*a+b)%1000", 100, 7)):
        assert dependency_graph(make_task(expr=text), digits).number_of_edges() == edges
    assert dependency_graph(make_task(base=300, name="add"), 2).in_degree("c1") == 3


def test_formats():
    found = portrait(make_task("add"), 2)
    graph = found.graph
    again = nx.node_link_graph(json.loads(to_json([found])), edges="links")
    attributes = dict(again.graph)
    again.graph.clear()
    assert nx.utils.graphs_equal(graph, again)
    assert attributes["rule"]["lines"] == ["c_i <- a_i, b_i, carry_i", "carry_{i+1} <- a_i, b_i, carry_i", "carry_0 = 0"]
    assert attributes["fingerprints"]["influence"]["a"] == [["9/10", "33/100", "33/1000"], ["0", "9/10", "33/100"]]
    assert attributes["fingerprints"]["decay"] == {"from_distance": 1, "ratio": "1/10"}
    mermaid, dot = to_mermaid([found]), to_dot([found])
    assert mermaid.startswith("flowchart TD\n")
    assert mermaid.count(" --> ") == graph.number_of_edges()
    assert mermaid.count(":::") == len(graph)
    assert dot.count("constraint=false") == graph.number_of_edges()
    assert dot.count("rank=same") == 3
    assert dot.count("{") == dot.count("}")
    lone = to_dot([portrait(make_task(expr="a%2", base=2), 1)])
    assert "invis" not in lone


def test_formats_of_several_tasks():
    several = [portrait(make_task(name), 2) for name in ("add", "mul")]
    count = sum(one.graph.number_of_edges() for one in several)
    mermaid, dot = to_mermaid(several), to_dot(several)
    assert mermaid.count(" --> ") == dot.count("constraint=false") == count
    assert mermaid.count("subgraph") == mermaid.count("\n  end") == 2
    assert dot.count("cluster_") == 2
    assert "t0_a0" in mermaid
    assert "t1_carry3" in dot
    assert [one["graph"]["task"]["name"] for one in json.loads(to_json(several))] == ["add", "mul"]


def test_text_says_what_is_known_and_what_not():
    known = to_text([portrait(make_task("mod-add", modulus=101), 4)])
    assert "c_0, c_1, c_2 <- a_j, b_j for every j" in known
    assert "sections after 0, 1, ... digits: 1 19 101 101 101 (rule: at most 101)" in known
    assert "repeats every 2 digits" in known
    assert "rule for all lengths: none known" in to_text([portrait(make_task("less"), 2)])
    large = to_text([portrait(make_task("mul"), 9)])
    assert "2 5 7 9 11 13 15 17 19 17 15 13 11 9 7 5 3 1 (rule: 2i + 3)" in large
    assert "at most 100000000 are counted" in large


@pytest.mark.parametrize("form", ["png", "svg"])
def test_pictures(form, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    add, mul, third, wide = (portrait(make_task(name), n) for name, n in (("add", 2), ("mul", 2), ("third", 2), ("mul", 5)))
    first = {"png": b"\x89PNG", "svg": b"<?xml"}[form]
    for name, several in (("one", [third]), ("side", [add, mul, portrait(make_task("mod-add", modulus=7), 2)]), ("large", [wide])):
        draw(several, tmp_path / name, form)
        assert (tmp_path / name).read_bytes().startswith(first)
    draw([third], tmp_path / "again", form)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "one").read_bytes()
    with pytest.raises(InputError, match="cannot write"):
        draw([add], tmp_path / "missing" / "graph", form)
    with pytest.raises(InputError, match="too wide"):
        draw([portrait(make_task("add"), 40)], tmp_path / "wide", form)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"arith-theory\[plots\]"):
        draw([add], tmp_path / "none", form)
    assert {file.name for file in tmp_path.iterdir()} == {"one", "side", "large", "again"}


def test_an_edge_has_the_colour_of_the_strongest_influence_along_it():
    found = portrait(make_task("add"), 3)
    assert found.strength["a0", "c0"] == Fraction(9, 10)
    assert found.strength["b1", "carry2"] == found.strength["carry2", "c2"] == Fraction(33, 100)
    assert found.strength["carry1", "carry2"] == Fraction(33, 1000)


@pytest.mark.parametrize(
    ("text", "digits", "message"),
    [
        ("a+b", 0, "at least 1 digit"),
        ("a-b", 2, "may be negative"),
        ("a*a+b", 4, "take fewer digits"),
        ("a*b%10007", 4, "take fewer digits"),
        ("15000*a", 2, "smaller coefficients"),
        ("a//15000", 2, "smaller coefficients"),
        ("a+b", 101, "at most 100"),
        ("(a+b)%1000003", 100, "take fewer digits"),
    ],
)
def test_bad_input(text, digits, message):
    with pytest.raises(InputError, match=message):
        dependency_graph(make_task(expr=text), digits)

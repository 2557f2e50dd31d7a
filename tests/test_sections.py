"""Sections, the rests of a computation after some low digits, against many high parts, and a table of known counts."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.machines import affine
from theory.automata.machines import TooLarge
from theory.errors import InputError
from theory.language.expressions import Binary, Const, Expression, Var, evaluate, polynomial
from theory.language.tasks import Task, make_task
from theory.proofs.sections import sections

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def ring(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.builds(Binary, st.sampled_from("+-*"), children, children)


LEAVES = st.one_of(st.sampled_from([Var("a"), Var("b")]), st.integers(0, 4).map(Const))
POLYNOMIALS = st.recursive(LEAVES, ring, max_leaves=4)


@settings(max_examples=45)
@given(POLYNOMIALS, st.integers(2, 4), st.integers(0, 2), st.none() | st.integers(2, 12))
def test_sections_against_many_high_parts(expression, base, depth, p):
    assume(p is not None or polynomial(expression) is not None)
    task = Task("expr", expression if p is None else Binary("%", expression, Const(p)), base)
    found, unit = sections(task, depth), base**depth
    assert found.exact
    assert found.check()
    cut = unit if p is None else 1
    values = {
        tuple(evaluate(task.expression, x + unit * high, y + unit * low) // cut for high, low in product(range(8), range(8)))
        for x, y in product(range(unit), range(unit))
    }
    assert found.count == len(values) == len(found.words)
    for word, other in zip(found.words, found.words[1:], strict=False):
        suffix = found.suffix(word, other)
        assert found.rest(word, suffix) != found.rest(other, suffix)
    if found.count > 1:
        assert not replace(found, words=found.words[1:], count=found.count - 1).check()
        assert not replace(found, words=(found.words[1], *found.words[1:])).check()


@settings(max_examples=40)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 30), st.integers(2, 5), st.integers(1, 2))
def test_sections_of_affine_tasks_are_states(alpha, beta, gamma, base, depth):
    """The rests after k digits are the carries that k steps of the minimal machine reach."""
    machine = affine(f"{alpha}*a + {beta}*b + {gamma}", base)
    states = {machine.start}
    for _ in range(depth):
        states = {following for state in states for following, _ in machine.table[state]}
    assert sections(make_task(expr=f"{alpha}*a + {beta}*b + {gamma}", base=base), depth).count == len(states)


@pytest.mark.parametrize(
    ("text", "depth", "count", "exact"),
    [
        ("a*b", 0, 1, True),
        ("a*b", 1, 100, True),
        ("a*b", 2, 10_000, True),
        ("a+b", 1, 2, True),
        ("7*a", 1, 7, True),
        ("a-b", 1, 2, True),
        ("a*a+b", 1, 19, True),
        ("a*a", 1, 10, True),
        ("5", 2, 1, True),
        ("(a+b)%101", 1, 19, True),
        ("(a+b)%101", 2, 101, True),
        ("(3*a+6*b)%9", 1, 3, True),
        ("a*b%101", 1, 100, True),
        ("a*b%4", 1, 7, True),  # xy mod 4 with 2x, 2y mod 4: 2 + 2 + 2 + 1
        ("a*b%2", 1, 2, True),  # xy mod 2
        ("a//3", 1, 10, False),
    ],
)
def test_known_sections(text, depth, count, exact):
    found = sections(make_task(expr=text), depth)
    assert (found.count, found.exact) == (count, exact)
    assert found.check()


def test_sections_name_their_limits():
    with pytest.raises(TooLarge, match="more than 1000000 values"):
        sections(make_task("add"), 3)
    with pytest.raises(TooLarge, match="depth 1000"):
        sections(make_task("add"), 1000)
    with pytest.raises(InputError, match="at least 0"):
        sections(make_task("add"), -1)

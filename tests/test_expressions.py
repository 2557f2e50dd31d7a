"""Expressions: what is read, what is refused, and that the tree means what Python's arithmetic means."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.errors import InputError
from theory.language.expressions import (
    Binary,
    Call,
    Const,
    Expression,
    Var,
    affine,
    bounds,
    evaluate,
    nodes,
    parse,
    polynomial,
    to_text,
    truncate,
)

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

LEAVES = st.one_of(st.sampled_from([Var("a"), Var("b")]), st.integers(0, 30).map(Const))


def _grow(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(
        st.builds(Binary, st.sampled_from("+-*"), parts, parts),
        st.builds(Binary, st.sampled_from(["%", "//"]), parts, st.integers(1, 30).map(Const)),
        st.builds(lambda name, x, y: Call(name, (x, y)), st.sampled_from(["min", "max", "<", "<=", "==", "!="]), parts, parts),
        st.builds(lambda x: Call("abs", (x,)), parts),
    )


TREES = st.recursive(LEAVES, _grow, max_leaves=8)
NUMBERS = st.integers(0, 10**30)


@given(TREES, NUMBERS, NUMBERS)
def test_text_is_read_back_and_means_what_python_means(tree: Expression, a: int, b: int) -> None:
    text = to_text(tree)
    # Python is the oracle of what the text means: eval is the point of the test, sees only text made here, and no builtins but these
    value = eval(text, {"__builtins__": {}, "abs": abs, "min": min, "max": max}, {"a": a, "b": b})
    assert evaluate(parse(text), a, b) == evaluate(tree, a, b) == int(value)


@given(TREES, st.integers(0, 10**6), st.integers(0, 10**6))
def test_bounds_hold_every_value(tree: Expression, a: int, b: int) -> None:
    for node in nodes(tree):
        low, high = bounds(node, 10**6)
        assert low <= evaluate(node, a, b) <= high


@given(TREES, NUMBERS, NUMBERS, st.integers(1, 1000))
def test_truncation_cuts_the_operands(tree: Expression, a: int, b: int, modulus: int) -> None:
    assert evaluate(truncate(tree, modulus), a, b) == evaluate(tree, a % modulus, b % modulus)


@given(TREES, NUMBERS, NUMBERS)
def test_polynomial_and_affine_are_the_same_function(tree: Expression, a: int, b: int) -> None:
    terms, coefficients = polynomial(tree), affine(tree)
    if terms is not None:
        assert sum(c * a**i * b**j for (i, j), c in terms.items()) == evaluate(tree, a, b)
    if coefficients is not None:
        alpha, beta, gamma = coefficients
        assert alpha * a + beta * b + gamma == evaluate(tree, a, b)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not readable"), ("a +", "not readable"), ("a b", "not readable"), ("(a", "not readable"),
        ("(" * 300 + "a" + ")" * 300, "not readable"),
        ("c + 1", "a name"), ("__import__('os')", "a call"), ("open(a)", "a call"), ("max(a)", "a call"), ("max(a, b, a)", "a call"),
        ("abs(x=a)", "a call"), ("a.real", "an attribute"), ("abs.__class__", "an attribute"), ("a[0]", "something"),
        ("'a'", "something"),
        ("1.5", "something"), ("True", "something"), ("lambda: a", "something"), ("[a for a in b]", "something"),
        ("a if b else 0", "something"),
        ("a < b < 3", "something"), ("a and b", "something"), ("(a := 3)", "something"), ("a / b", "something"), ("a << 9", "something"),
        ("9**9**9**9", "a power"), ("a**2", "a power"), ("a % 0", "positive integer"), ("a // b", "positive integer"),
        ("a % -3", "positive integer"),
        ("1" * 1001, "1000"), ("a+" * 600 + "a", "characters"), ("a+" * 50 + "a", "at most 100"),
        ("-" * 900 + "a", "at most 100"), ("a\n+b;c", "not readable"), ("max", "a name"),
    ],
)  # fmt: skip
def test_refused_text(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part) as caught:
        parse(text)
    assert "\n" not in str(caught.value).replace(repr(text), "")


def test_constants_are_given_by_name() -> None:
    assert parse("a % p", constants={"p": 7}) == Binary("%", Var("a"), Const(7))
    with pytest.raises(InputError, match="a name"):
        parse("a % p")

"""z3 proofs for every base, and what they refute: wrong digit rules become counterexamples in plain integers."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.language.expressions import evaluate, parse
from theory.proofs.smt import (
    ADDITION,
    SUBTRACTION,
    AlwaysZero,
    DigitRule,
    EveryBaseLinear,
    NonZero,
    always_zero,
    every_base,
    every_base_linear,
    refute,
    to_z3,
)

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@pytest.mark.parametrize("rule", [ADDITION, SUBTRACTION])
def test_the_rules_are_proven_for_every_base_and_length(rule):
    found = every_base(rule)
    assert found.value is True
    assert found.proof.check()
    assert refute(rule) is None


@pytest.mark.parametrize("rule", [ADDITION, SUBTRACTION])
@pytest.mark.parametrize("base", [2, 3, 5, 7, 10, 12, 16])
def test_the_rules_are_those_of_integers(rule, base):
    for width in range(1, 3):
        for a, b in product(range(min(base**width, 40)), repeat=2):
            *written, carry = rule.run(a, b, base, width)
            assert sum(c * base**i for i, c in enumerate(written)) + rule.sign * carry * base**width == a + rule.sign * b
            assert all(0 <= c < base for c in written)
            assert carry in (0, 1)


def late(x, y, q, base, choose):
    """The carry comes one too late: at B + 1."""
    total = x + y + q
    return choose(total > base, total - base, total), choose(total > base, 1, 0)


def early(x, y, q, base, choose):
    total = x + y + q
    return choose(total >= base - 1, total - base + 1, total), choose(total >= base - 1, 1, 0)


def deaf(x, y, q, base, choose):
    total = x + y
    return choose(total >= base, total - base, total), choose(total >= base, 1, 0)


def ends(x, y, q, base, choose):
    """A carry is not passed on: right on one digit, and on two unless both carry."""
    total = x + y + q
    return choose(total >= base, total - base, total), choose(x + y >= base, 1, 0)


def decimal(x, y, q, base, choose):
    total = x + y + q
    return choose(total >= 10, total - 10, total), choose(total >= 10, 1, 0)


def rare(x, y, q, base, choose):
    """Wrong on one digit pair in one base alone."""
    total = x + y + q
    digit = choose(total >= base, total - base, total)
    return choose(base == 977, choose(x == 500, choose(y == 499, 0, digit), digit), digit), choose(total >= base, 1, 0)


def borrows_late(x, y, q, base, choose):
    rest = x - y - q
    return choose(rest < -1, rest + base, rest), choose(rest < -1, 1, 0)


def borrows_at_zero(x, y, q, base, choose):
    rest = x - y - q
    return choose(rest <= 0, rest + base, rest), choose(rest <= 0, 1, 0)


WRONG = [(1, late), (1, early), (1, deaf), (1, ends), (1, decimal), (1, rare), (-1, borrows_late), (-1, borrows_at_zero)]


@pytest.mark.parametrize(("sign", "step"), [*WRONG, (1, SUBTRACTION.step), (-1, ADDITION.step)])
def test_planted_errors_become_counterexamples_in_integers(sign, step):
    rule = DigitRule(step.__name__, sign, step)
    found = every_base(rule)
    assert found.value is False
    wrong = found.proof
    assert wrong.check()
    *written, carry = rule.run(wrong.a, wrong.b, wrong.base, wrong.width)
    total = sum(c * wrong.base**i for i, c in enumerate(written)) + sign * carry * wrong.base**wrong.width
    assert total != wrong.a + sign * wrong.b or not all(0 <= c < wrong.base for c in written)
    assert f"base {wrong.base}, a = {wrong.a}, b = {wrong.b}" in found.certificate
    assert not replace(wrong, rule=ADDITION if sign == 1 else SUBTRACTION).check()


def test_a_proof_of_a_wrong_rule_does_not_check():
    proof = every_base(ADDITION).proof
    assert not replace(proof, rule=DigitRule("late", 1, late)).check()
    assert not replace(proof, rule=DigitRule("rare", 1, rare)).check()
    assert not replace(proof, rule=replace(ADDITION, sign=-1)).check()
    assert not replace(proof, reset=(1, 1)).check()
    assert not replace(every_base(SUBTRACTION).proof, reset=(0, 0)).check()  # 0 - 0 keeps a borrow


@pytest.mark.parametrize(("alpha", "beta"), [(0, 0), (1, 0), (1, 1), (7, 0), (12, 5), (0, 100)])
def test_linear_tasks_in_every_base(alpha, beta):
    found = every_base_linear(alpha, beta)
    assert found.value is True
    assert found.proof.top == max(alpha + beta - 1, 0)
    if found.proof.top:
        assert not EveryBaseLinear(alpha, beta, found.proof.top - 1).check()


PIECES = ["max(a, b)", "min(a, 3*b)", "abs(a - b)", "(a < b) + (a == b)", "a % 7 - a // 3", "(a != 2) * (a <= b)"]
EXPRESSIONS = [*PIECES, "(a - b) // 4", "(a - 9) % 5"]


@settings(max_examples=15)
@given(st.sampled_from(EXPRESSIONS), st.integers(0, 60), st.integers(0, 60))
def test_terms_have_the_values_of_the_expression(text, a, b):
    import z3

    expression = parse(text)
    term = z3.simplify(z3.substitute(to_z3(expression), (z3.Int("a"), z3.IntVal(a)), (z3.Int("b"), z3.IntVal(b))))
    assert term.as_long() == evaluate(expression, a, b)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("max(a, b) + min(a, b) - a - b", True),
        ("abs(a - b) - max(a, b) + min(a, b)", True),
        ("max(10*a, 10*b) - 10*max(a, b)", True),
        ("(a < b) + (a == b) + (b < a) - 1", True),
        ("abs(a - b) - a + b", False),
        ("(a < b) * (a % 1000 == 999) * (b == a + 5000)", False),
        ("digitsum(a) - digitsum(a)", None),
    ],
)
def test_identities(text, value):
    found = always_zero(parse(text))
    assert found.value is value
    assert found.proof is None if value is None else found.proof.check()
    if value is False:
        assert evaluate(parse(text), found.proof.a, found.proof.b) != 0


def test_a_wrong_identity_does_not_check():
    assert not AlwaysZero((parse("a - b"),)).check()
    assert AlwaysZero((parse("a - b"),), parse("a == b")).check()
    assert not AlwaysZero((parse("a - b"), parse("a"))).check()
    assert not AlwaysZero((parse("reverse(a)"),)).check()
    assert not NonZero(parse("a - b"), 3, 3).check()
    assert not NonZero(parse("a"), -3, 0).check()

"""Closed forms against exact counts, their limits, and their bounds."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import called, refused
from theory.exact import closed_forms
from theory.exact.accuracy import modular_mul_limit, truncation_accuracy
from theory.exact.closed_forms import NoClosedForm, closed_form
from theory.language.domains import DOMAINS
from theory.language.tasks import CATALOGUE, Task, make_task, needs_modulus

bases = st.sampled_from((2, 3, 5, 7, 10, 12, 16))
domains = st.sampled_from(sorted(DOMAINS))


def holds(task: Task, trained: int, domain: str, span: int) -> None:
    """The form, as sympy evaluates the text that is printed, is the exact count at every length of a span, and the bound holds."""
    first = trained + 1
    found = closed_form(task, trained, domain, range(first, first + span))
    m = sympy.Symbol("m", integer=True, positive=True)
    for length in range(first, first + span):
        exact = truncation_accuracy(task, trained, length, domain)
        assert exact is not None
        if length >= found.start and found.period is not None:
            shown = found.classes[length % found.period].expression().subs(m, length)
            assert found.at(length) == exact == Fraction(int(shown.p), int(shown.q))
            assert abs(exact - found.limit) <= found.bound.at(length)


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != "digit-sum-mod"])
@pytest.mark.parametrize("base", [2, 10, 12])
def test_every_catalogue_task_but_one_has_a_closed_form(name: str, base: int) -> None:
    task = make_task(name, base=base, modulus=18 if needs_modulus(name) else None)
    for domain in DOMAINS:
        holds(task, 2, domain, 12)


@settings(max_examples=60, deadline=None)
@given(bases, st.tuples(*[st.integers(-30, 30)] * 3), st.integers(1, 120), st.integers(1, 3), domains)
def test_linear_functions_mod_p(base: int, c: tuple[int, int, int], p: int, trained: int, domain: str) -> None:
    holds(make_task(expr=f"({c[0]}*a + {c[1]}*b + {c[2]}) % {p}", base=base), trained, domain, 8)


@settings(max_examples=25, deadline=None)
@given(bases, st.integers(1, 40), st.integers(1, 3), domains)
def test_products_mod_p(base: int, p: int, trained: int, domain: str) -> None:
    holds(make_task("mod-mul", base=base, modulus=p) if p > 1 else make_task("parity", base=base), trained, domain, 5)


@settings(max_examples=15, deadline=None)
@given(bases, st.sampled_from(("(a*a + b) % 6", "a % 4 * (b % 3)", "a*a % 12 + b % 5", "max(a % 3, b % 4)")), domains)
def test_functions_of_residues(base: int, text: str, domain: str) -> None:
    holds(make_task(expr=text, base=base), 1, domain, 6)


@settings(max_examples=15, deadline=None)
@given(bases, st.integers(1, 10**6), domains)
def test_quotients_hold_from_the_length_of_the_divisor_on(base: int, q: int, domain: str) -> None:
    holds(make_task(expr=f"a // {q}", base=base), 2, domain, 25)


@settings(max_examples=100, deadline=None)
@given(bases, st.integers(2, 5000), st.integers(1, 3), st.integers(1, 20), domains)
def test_the_distance_of_addition_mod_p_from_its_limit(base: int, p: int, trained: int, k: int, domain: str) -> None:
    """|accuracy * p' - 1| <= (p'/B^k)^2 * slack. On D_n the slack is 1 / (2 (1 - B^-2)), which for B = 2 would be too small on D_abn."""
    task = make_task("mod-add", base=base, modulus=p)
    found = closed_form(task, trained, domain)
    reduced = found.limit.denominator
    if reduced == 1:
        return
    slack = {
        "both": Fraction(base**2, 4 * (base - 1) ** 2),
        "either": Fraction(base**2, 2 * (base**2 - 1)),
        "sampler": Fraction(base, 4 * (base - 1)),
    }
    exact = truncation_accuracy(task, trained, trained + k, domain)
    assert exact is not None
    assert found.bound.at(trained + k) * reduced == Fraction(reduced, base**k) ** 2 * slack[domain]
    assert abs(exact - found.limit) <= found.bound.at(trained + k)


def test_limits() -> None:
    assert closed_form(make_task("mod-add", modulus=150), 4, "both").limit == Fraction(1, 3)
    product = closed_form(make_task("mod-mul", modulus=51), 3, "either", [4])
    assert product.uniform == modular_mul_limit(51)
    assert product.limit != product.uniform
    assert abs(product.limit - modular_mul_limit(51)) < Fraction(1, 10**4)
    assert closed_form(make_task("less"), 2, "both").limit == Fraction(1, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("digitsum(a) % 7", "roots of unity"),
        ("a*a - b", "both signs"),
        ("a // 2 + b", "order"),
        ("a*b % 1000000000000000000000000000000", "10000"),
        ("a*a*b % 100003", "4000000"),
    ],
)
def test_where_there_is_none_the_reason_is_said(text: str, reason: str) -> None:
    with pytest.raises(NoClosedForm, match=reason):
        closed_form(make_task(expr=text), 4, "either", range(5, 9))


def test_digit_sums_that_are_remainders_have_one() -> None:
    assert closed_form(make_task("digit-sum-mod", modulus=9), 4, "both", [7]).at(7) == Fraction(1, 9)


def test_a_long_period_leaves_limit_and_bound() -> None:
    found = closed_form(make_task("mod-add", modulus=10**9 + 7), 4, "either", [5, 20])
    assert (found.period, found.classes, found.limit) == (None, {}, Fraction(1, 10**9 + 7))


# --- planted errors: the check at run time finds each


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("_order", lambda base, modulus: 3),
        ("_preperiod", lambda base, modulus: -1),
        ("_through", lambda base, points: closed_forms.Terms(base, points[0][1], Fraction(0), Fraction(0))),
        ("_limit", lambda task, trained, found: Fraction(1, 100)),
        ("_bound", lambda task, trained, domain, found, classes: closed_forms.Terms(10, Fraction(0), Fraction(0), Fraction(0))),
    ],
)
def test_a_planted_error_is_found_at_run_time(name: str, wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_forms, name, wrong)
    with pytest.raises(RuntimeError):
        closed_form(make_task("mod-add", modulus=1616), 2, "either", range(3, 20))


# --- the command


def test_the_command_prints_per_digit_per_region_and_closed_form() -> None:
    line = "accuracy --task mod-add --modulus 101 --lengths 3-9 --per-digit --closed-form --json"
    found = json.loads(called("theory", *line.split()).out)
    upward = [Fraction(row["exact"]) for row in found["accuracy"] if row["region"] == "upward"]
    assert found["regions"][2] == {
        "region": "upward", "lengths": [5, 6, 7, 8, 9], "exact": str(sum(upward) / 5), "value": float(sum(upward) / 5),
    }  # fmt: skip
    shares = [[Fraction(share) for share in row["shares"]] for row in found["digits"] if row["region"] == "upward"]
    assert all(len(row) == 3 for row in shares)
    assert found["digit_regions"][2]["shares"] == [str(sum(column) / 5) for column in zip(*shares, strict=True)]
    form = found["closed_form"]
    assert (form["exact_from"], form["period"], form["limit"], form["first_right"]) == (5, 4, "1/101", 6)
    m = sympy.Symbol("m")
    for length, exact in zip(range(5, 10), upward, strict=True):
        text = form["classes"][length % 4]["expression"]
        assert sympy.sympify(text, {"m": m}).subs(m, length) == sympy.Rational(exact.numerator, exact.denominator)


def test_the_command_says_what_it_prints() -> None:
    out = called("theory", "accuracy", "--task", "copy", "--per-digit", "--closed-form").out
    assert "accuracy(m) = 10**(5 - m)/11" in out
    assert "exact for every m >= 5; limit 0" in out
    assert "per digit (0 is the least significant)" in out
    assert "closed form: none" in called("theory", "accuracy", "--pe", "relative", "--closed-form").out


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("accuracy --task mod-mul --modulus 1000000000000000000000000000000", "10000"),
        ("accuracy --task mod-add --modulus 1000000000000000000000000000001 --per-digit", "2000"),
        ("accuracy --task mod-mul --modulus 3001 --per-digit --lengths 5", "1000"),
        ("accuracy --lengths 1-1000 --per-digit", "20000"),
        ("accuracy --expr digitsum(a)%100003 --base 100000", "10000"),
    ],
)
def test_beyond_a_limit_the_limit_is_named(line: str, part: str) -> None:
    refused(called("theory", *line.split()), part)

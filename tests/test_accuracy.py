"""Exact accuracies against plain enumeration, and against known numbers."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_domains import BOXED
from theory.exact import counting
from theory.exact.accuracy import box_agreements, modular_mul_limit, modular_threshold, truncation_accuracy, uncounted
from theory.language.domains import DOMAINS, boxes
from theory.language.expressions import evaluate
from theory.language.tasks import Task, make_task

Range = tuple[int, int]

bases = st.sampled_from((2, 3, 5, 7, 10, 12, 16))
coefficients = st.integers(-30, 30)
moduli = st.integers(1, 70)

LINEAR = st.tuples(coefficients, coefficients, coefficients).map(lambda c: f"{c[0]}*a + {c[1]}*b + {c[2]}")
MONOTONE = ("a*b", "5*a*b", "-3*a*b + 4", "a*a", "a*a*b + 2", "a*b + b", "-a - b - b*a", "a*a + b")
CELLS = ("a*a + 5*b*b + a*b", "a*a*b + a", "a*b + a + b", "(a % 8 + b) * 3", "a*a - b*b", "a*b*b*b + 7*b", "a*a + 3", "b*b*b")
SHAPES = {
    "linear": LINEAR,
    "line with many points": st.tuples(st.integers(-4, 4), st.integers(-4, 4)).map(lambda c: f"{c[0]}*a + {c[1]}*b"),
    "monotone": st.sampled_from(MONOTONE),
    "linear mod p": st.tuples(LINEAR, moduli).map(lambda t: f"({t[0]}) % {t[1]}"),
    "product mod p": st.tuples(coefficients, coefficients, moduli).map(lambda t: f"({t[0]}*a*b + {t[1]}) % {t[2]}"),
    "vanishing terms": st.tuples(moduli, coefficients).map(lambda t: f"({t[1]}*a*b + {2 * t[0]}*a*a - {t[0]}*b) % {t[0]}"),
    "cells": st.tuples(st.sampled_from(CELLS), st.integers(1, 24)).map(lambda t: f"({t[0]}) % {t[1]}"),
    "closed by inner mods": st.tuples(st.integers(1, 12), st.integers(1, 9)).map(lambda t: f"a*a % {t[0]} - 2*((a*b + 1) % {t[1]})"),
    "enumerated": st.sampled_from(("a // 3 + b", "a*a - b", "(a + b // 7) % 5", "a*(b - a)", "(a + b) % 9 - b")),
}


def enumerated(task: Task, trained: int, a: Range, b: Range) -> int:
    """The oracle: both functions at every pair, through the expression of the truncated function."""
    grid_a, grid_b = np.arange(*a)[:, None], np.arange(*b)
    same = task(grid_a, grid_b) == evaluate(task.truncated(trained), grid_a, grid_b)
    return int(np.broadcast_to(same, (len(grid_a), len(grid_b))).sum())


def enumerated_accuracy(task: Task, trained: int, length: int, domain: str) -> Fraction:
    total = Fraction(0)
    for box in boxes(domain, length, task.base):
        a, b = box.a.range(task.base), box.b.range(task.base)
        total += box.weight * Fraction(enumerated(task, trained, a, b), (a[1] - a[0]) * (b[1] - b[0]))
    return total


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_box_agreements_are_what_enumeration_counts(shape: str, data: st.DataObject) -> None:
    base, trained = data.draw(bases), data.draw(st.integers(1, 3))
    task = make_task(expr=data.draw(SHAPES[shape]), base=base)
    largest = min(3 * base**trained, 150)
    a, b = (data.draw(st.tuples(st.integers(0, largest), st.integers(0, 90)).map(lambda t: (t[0], t[0] + t[1]))) for _ in "ab")
    assert box_agreements(task, trained, a, b) == enumerated(task, trained, a, b)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_accuracy_on_a_domain_is_what_enumeration_gives(shape: str, data: st.DataObject) -> None:
    base = data.draw(bases)
    length = data.draw(st.integers(1, {2: 7, 3: 4, 5: 3, 7: 2, 10: 2, 12: 2, 16: 2}[base]))
    trained, domain = data.draw(st.integers(1, 4)), data.draw(st.sampled_from(sorted(BOXED)))
    task = make_task(expr=data.draw(SHAPES[shape]), base=base)
    assert truncation_accuracy(task, trained, length, domain) == enumerated_accuracy(task, trained, length, domain)


#: every p up to 40, prime powers and numbers with three primes: the projective lines of all their divisors
@pytest.mark.parametrize("p", [*range(2, 41), 49, 60, 64, 72, 81, 90, 100, 120, 121])
def test_multiplication_mod_every_small_p(p: int) -> None:
    for base, trained, a, b in ((3, 2, (0, 81), (4, 70)), (7, 1, (5, 90), (3, 59))):
        task = make_task("mod-mul", base=base, modulus=p)
        assert box_agreements(task, trained, a, b) == enumerated(task, trained, a, b)


@pytest.mark.parametrize("e", range(1, 31))
def test_projective_line_has_one_vector_for_each_class(e: int) -> None:
    units = [u for u in range(e) if np.gcd(u, e) == 1]
    primitive = {(s, t) for s, t in product(range(e), repeat=2) if np.gcd.reduce((s, t, e)) == 1}
    classes = {frozenset((u * s % e, u * t % e) for u in units) for s, t in primitive}
    vectors = list(counting.projective_line(e))
    assert {next(c for c in classes if (s % e, t % e) in c) for s, t in vectors} == classes
    assert len(vectors) == len(classes)
    for members in classes:
        assert len({counting.canonical(s, t, e) for s, t in members}) == 1


# --- known numbers


@pytest.mark.parametrize("domain", BOXED)
@pytest.mark.parametrize("length", range(5, 10))
def test_addition_mod_150_trained_on_4_digits_is_right_one_time_in_three(domain: str, length: int) -> None:
    assert truncation_accuracy(make_task("mod-add", modulus=150), 4, length, domain) == Fraction(1, 3)


@pytest.mark.parametrize("base", [2, 3, 10])
@pytest.mark.parametrize(("trained", "length"), [(1, 2), (2, 3), (2, 6), (4, 100)])
def test_truncated_multiplication_is_right_for_a_zero_operand_only(base: int, trained: int, length: int) -> None:
    task = make_task("mul", base=base)
    assert truncation_accuracy(task, trained, length, "either") == Fraction(2, base ** (length - 1) * (base + 1))
    assert truncation_accuracy(task, trained, length, "both") == 0


#: agreements in the boxes of the papers' released evaluation: operands from B^n (or B^(m-1)) to B^m - 1
RELEASED = [
    ("mod-add", 151, 4, (10**4, 10**7), 658_800_000_000, 99_800_100_000_000),
    ("mod-add", 201, 4, (10**4, 10**7), 496_600_000_000, 99_800_100_000_000),
    ("mod-mul", 51, 3, (10**3, 10**4), 1_942_585, 81_000_000),
]


@pytest.mark.parametrize(("name", "p", "trained", "r", "agreements", "pairs"), RELEASED)
def test_released_counts(name: str, p: int, trained: int, r: Range, agreements: int, pairs: int) -> None:
    assert (r[1] - r[0]) ** 2 == pairs
    assert box_agreements(make_task(name, modulus=p), trained, r, r) == agreements


FACTS = [
    ("a + b", 4, 6, "either", Fraction(0)),
    ("a - b", 3, 4, "either", Fraction(1, 11)),
    ("(a + b) % 16", 3, 4, "either", Fraction(49, 99)),
    ("(a + b) % 16", 3, 4, "both", Fraction(41, 81)),
    ("(a + b) % 16", 3, 9, "both", Fraction(1, 2)),
    ("(a + b) % 100", 2, 1000, "sampler", Fraction(1)),
    ("(3*a + 3*b) % 30", 1, 50, "either", Fraction(1)),
    ("a*b % 1000", 3, 77, "both", Fraction(1)),
    ("5 - 3*a*b", 4, 100, "either", Fraction(2, 11 * 10**99)),
    ("a*a % 20 + b % 10", 1, 100, "either", Fraction(1)),
    ("a*a % 100003 + b % 7", 4, 8, "either", None),
    ("a // 2 + b", 4, 5, "either", None),
    ("a*b % 100003", 4, 30, "either", None),
    ("a*a - b", 4, 5, "either", None),
    ("a // 2 + b", 4, 3, "either", Fraction(1)),
]


@pytest.mark.parametrize(("text", "trained", "length", "domain", "expected"), FACTS)
def test_known_accuracies(text: str, trained: int, length: int, domain: str, expected: Fraction | None) -> None:
    assert truncation_accuracy(make_task(expr=text), trained, length, domain) == expected


@pytest.mark.parametrize(("text", "name"), [("(997*a*b*b + 5*a + 5*b) % 997", "mod-add"), ("(997*a*a + 7*a*b - 8) % 997", "mod-mul")])
def test_terms_and_factors_that_vanish_mod_p_change_nothing(text: str, name: str) -> None:
    expected = truncation_accuracy(make_task(name, modulus=997), 4, 100, "both")
    assert expected is not None
    assert truncation_accuracy(make_task(expr=text), 4, 100, "both") == expected


def test_values_beyond_64_bits_are_exact() -> None:
    task = make_task(expr=f"({'*'.join('a' * 13)} + 3*b) % 30")
    a, b = (10**20, 10**20 + 40), (10**30 + 7, 10**30 + 47)
    truth = sum(task(x, y) == task(x % 100, y % 100) for x, y in product(range(*a), range(*b)))
    assert box_agreements(task, 2, a, b) == truth
    huge = make_task(expr="a*a - b")
    box = (10**40, 10**40 + 30)
    assert box_agreements(huge, 40, box, (0, 900)) == 0
    assert box_agreements(huge, 50, box, (0, 900)) == 27_000


@settings(max_examples=150, deadline=None)
@given(bases, st.integers(1, 3), st.integers(2, 400), st.sampled_from(sorted(DOMAINS)), st.sampled_from((1, -1, 2, 15)))
def test_modular_threshold_is_the_first_length_ever_right(base: int, trained: int, p: int, domain: str, factor: int) -> None:
    task = make_task(expr=f"({factor}*a + {factor}*b + 3) % {p}", base=base)
    threshold = modular_threshold(task, trained)
    assert threshold is not None
    for length in range(trained + 1, threshold + 5):
        assert bool(truncation_accuracy(task, trained, length, domain)) == (length >= threshold)


def test_modular_threshold_is_for_addition_only() -> None:
    for text in ("(a - b) % 7", "a + b", "a*b % 7", "(a + b) // 7"):
        assert modular_threshold(make_task(expr=text), 2) is None
    assert [modular_threshold(make_task("mod-add", modulus=p), 4) for p in (17, 18, 19, 197, 198, 199, 100)] == [5, 5, 6, 6, 6, 7, 5]


@pytest.mark.parametrize("p", range(1, 13))
def test_modular_mul_limit_counts_solutions(p: int) -> None:
    x = np.arange(p)
    products = np.bincount((x[:, None] * x % p).ravel(), minlength=p)
    assert modular_mul_limit(p) == Fraction(int(sum(products[r] * products[-r % p] for r in range(p))), p**4)


@pytest.mark.parametrize(("p", "p_prime"), [(27, 27), (49, 49), (51, 51), (201, 201), (108, 27), (600, 3), (320, 1)])
def test_modular_mul_limit_is_the_accuracy_when_all_four_parts_are_long(p: int, p_prime: int) -> None:
    found = truncation_accuracy(make_task("mod-mul", modulus=p), 60, 120, "either")
    assert found is not None
    assert abs(found - modular_mul_limit(p_prime)) < Fraction(1, 10**50)


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("a*b % 99991", "here p' = 99991"),
        ("digitsum(a) % 100003", "here p = 100003"),
        ("(a*a + b) % 100003", "here the residues are mod 100003"),
        ("reverse(a) * b", "no formula covers the task"),
    ],
)
def test_the_limit_that_a_task_is_beyond_is_named(expr: str, said: str) -> None:
    assert said in uncounted(make_task(expr=expr), 3)

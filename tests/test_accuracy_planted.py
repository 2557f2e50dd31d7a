"""Errors planted into exact counting, one at a time: the comparison with enumeration must find each of them.

`hypothesis.find` raises where it finds no case; tests/test_accuracy.py shows that without a planted error there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from math import gcd
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from tests.test_accuracy import LINEAR, Range, enumerated
from theory.exact import counting, ordering
from theory.exact.accuracy import box_agreements
from theory.exact.counting import congruent_points, divisors, floor_sum, multiples, size
from theory.language.tasks import Task, make_task

accuracy = import_module("theory.exact.accuracy")  # theory.exact.accuracy is the function
Case = tuple[Task, int, Range, Range]

RANGES = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda t: (t[0], t[0] + t[1]))
TEXTS = {
    "lines": st.tuples(st.integers(-4, 4), st.integers(-4, 4)).map(lambda c: f"{c[0]}*a + {c[1]}*b"),
    "sums mod p": st.tuples(LINEAR, st.integers(1, 40)).map(lambda t: f"({t[0]}) % {t[1]}"),
    "products mod p": st.integers(2, 40).map(lambda p: f"a*b % {p}"),
    "products": st.sampled_from(("a*b", "a*a", "a + b", "a*b + b")),
    "order": st.sampled_from(("max(a, b)", "min(a, b)", "abs(a - b)", "a < b", "a == b")),
}


def cases(texts: str) -> st.SearchStrategy[Case]:
    bases = st.sampled_from((2, 3, 5, 7, 10, 12, 16))
    return st.tuples(st.builds(lambda text, base: make_task(expr=text, base=base), TEXTS[texts], bases), st.integers(1, 2), RANGES, RANGES)


def steady(examples: int) -> settings:
    """The same cases in every run, and no time spent on making a case small."""
    return settings(max_examples=examples, phases=[Phase.generate], database=None, derandomize=True, deadline=None)


def wrong(case: Case) -> bool:
    return box_agreements(*case) != enumerated(*case)


# --- the line count


def without_gcd(alpha: int, beta: int, r: Range, s: Range) -> int:
    if alpha and beta:
        return size(counting.common(multiples(r, beta), multiples(s, -alpha)))
    return counting.line_points(alpha, beta, r, s)


def without_sign(alpha: int, beta: int, r: Range, s: Range) -> int:
    return counting.line_points(alpha, abs(beta), r, s)


def off_the_axes(alpha: int, beta: int, r: Range, s: Range) -> int:
    return counting.line_points(alpha or 1, beta or 1, r, s)


def without_whole_periods(alpha: int, beta: int, modulus: int, r: Range, s: Range) -> int:
    return congruent_points(alpha, beta, modulus, r, (s[0], s[0] + size(s) % modulus))


def one_short(count: int, modulus: int, slope: int, offset: int) -> int:
    return floor_sum(max(count - 1, 0), modulus, slope, offset)


# --- the grouping by unit classes


def without_units(s: int, t: int, e: int) -> tuple[int, int]:
    divisor = gcd(s, e)
    return divisor, t % (e // divisor)


def one_chart(e: int) -> Iterator[tuple[int, int]]:
    """Only the points (1 : t)."""
    yield from ((1, t) for t in range(e))


def unlifted(e: int) -> Iterator[tuple[int, int]]:
    """t as it is, though it may share a factor with s; and with e."""
    yield from ((s, t) for s in divisors(e) for t in range(e // s))


# --- the overlap of intervals


def one_too_many(r: Range, s: Range) -> Range:
    return max(r[0], s[0]), min(r[1], s[1]) + 1


def larger_ends(r: Range, s: Range) -> Range:
    return max(r[0], s[0]), max(r[1], s[1])


PLANTED: list[tuple[str, Any, str, Callable[..., Any]]] = [
    ("lines", accuracy, "line_points", without_gcd),
    ("lines", accuracy, "line_points", without_sign),
    ("lines", accuracy, "line_points", off_the_axes),
    ("sums mod p", accuracy, "congruent_points", without_whole_periods),
    ("sums mod p", counting, "floor_sum", one_short),
    ("products mod p", accuracy, "canonical", without_units),
    ("products mod p", accuracy, "projective_line", one_chart),
    ("products mod p", accuracy, "projective_line", unlifted),
    ("products mod p", accuracy, "moebius", lambda n: 1),
    ("lines", counting, "common", one_too_many),
    ("lines", counting, "common", larger_ends),
    ("products", accuracy, "common", one_too_many),
    ("products", accuracy, "common", larger_ends),
    ("order", ordering, "common", one_too_many),
    ("order", ordering, "common", larger_ends),
]


@pytest.mark.parametrize(("texts", "module", "name", "error"), PLANTED, ids=[f"{row[0]}-{row[3].__name__}" for row in PLANTED])
def test_a_planted_error_is_found(texts: str, module: Any, name: str, error: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, name, error)
    assert wrong(find(cases(texts), wrong, settings=steady(2000)))


@pytest.mark.parametrize("texts", TEXTS)
def test_nothing_is_found_where_nothing_is_planted(texts: str) -> None:
    with pytest.raises(NoSuchExample):
        find(cases(texts), wrong, settings=steady(150))

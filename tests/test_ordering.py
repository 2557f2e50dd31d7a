"""Functions of order and of digits: agreement counts against enumeration, arrays against integers, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.exact.accuracy import box_agreements, truncation_accuracy
from theory.exact.counting import Range
from theory.exact.ordering import less_points
from theory.language.tasks import CATALOGUE, make_task, needs_modulus

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

RANGES: st.SearchStrategy[Range] = st.tuples(st.integers(0, 40), st.integers(0, 50)).map(lambda pair: (pair[0], pair[0] + pair[1]))
FUNCTIONS = [
    "abs(a - b)", "abs(b - a)", "max(a, b)", "min(a, b)", "min(b, a)", "a < b", "a <= b", "a > b", "a >= b", "a == b", "a != b",
    "digitsum(a)", "digitsum(b) % 3", "digitsum(a) % 10", "digitsum(a) % 40", "reverse(a)", "reverse(b)",
    "a // 3", "b // 50", "max(a % 7, b) % 5",
]  # fmt: skip


@given(st.sampled_from(FUNCTIONS), st.sampled_from([2, 3, 4, 5, 7, 10, 12, 16]), st.integers(1, 3), RANGES, RANGES)
def test_agreements_equal_enumeration(text: str, base: int, trained: int, a: Range, b: Range) -> None:
    task, power = make_task(None, text, base), base**trained
    expected = sum(task(x, y) == task(x % power, y % power) for x in range(*a) for y in range(*b))
    assert box_agreements(task, trained, a, b) == expected


@given(RANGES, RANGES)
def test_less_points(r: Range, s: Range) -> None:
    assert less_points(r, s) == sum(x < y for x in range(*r) for y in range(*s))


@given(st.sampled_from(FUNCTIONS), st.integers(2, 12), st.lists(st.tuples(*[st.integers(0, 999)] * 2), min_size=1, max_size=5))
def test_arrays_are_evaluated_like_integers(text: str, base: int, pairs: list[tuple[int, int]]) -> None:
    task = make_task(None, text, base)
    a, b = np.array(pairs).T
    assert task(a, b).tolist() == [task(x, y) for x, y in pairs]


@pytest.mark.parametrize(
    ("text", "a", "b", "value"),
    [
        ("abs(a - b)", 3, 10, 7), ("max(a, b)", 3, 10, 10), ("min(a, b)", 3, 10, 3), ("a < b", 3, 10, 1), ("a >= b", 3, 10, 0),
        ("a == b", 4, 4, 1), ("a != b", 4, 4, 0), ("digitsum(a * b)", 99, 1, 18), ("reverse(a)", 120, 0, 21), ("reverse(a)", 0, 0, 0),
    ],
)  # fmt: skip
def test_values(text: str, a: int, b: int, value: int) -> None:
    assert make_task(None, text)(a, b) == value


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("length", [5, 1000])
def test_every_catalogue_task_is_counted_at_any_length(name: str, length: int) -> None:
    task = make_task(name, modulus=101 if needs_modulus(name) else None)
    for domain in ("either", "both", "sampler"):
        assert truncation_accuracy(task, 4, length, domain) is not None


def test_truncated_difference_is_right_an_eleventh_of_the_time() -> None:
    """theory: about 1/11 at n + 1 on D_m in base 10; exactly so for copies, and a little more for |a - b|, where |A - C| = 1 can agree."""
    assert truncation_accuracy(make_task("copy"), 4, 5, "either").__str__() == "1/11"

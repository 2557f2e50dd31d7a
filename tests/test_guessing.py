"""What guessing is worth where a layout is not causal, against the best predictor, found by search."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_domains import BOXED
from theory.language.domains import boxes
from theory.language.layouts import make_layout
from theory.language.tasks import Task, make_task
from theory.local import guessing
from theory.local.guessing import guess_bounds

Line = tuple[tuple[tuple[int, int], ...], tuple[int, ...], Fraction]  # groups, result digits, weight

SHAPES = st.one_of(
    st.sampled_from(
        ("a == b", "a < b", "max(a, b)", "min(a, 2*b)", "abs(a - b)", "abs(2*a - b)", "a // 3", "digitsum(a)", "a*b % 5", "a*b // 3")
    ),
    st.tuples(*[st.integers(0, 5)] * 3, st.integers(2, 30)).map(lambda c: f"({c[0]}*a + {c[1]}*b + {c[2]}) % {c[3]}"),
    st.tuples(*[st.integers(0, 13)] * 3).map(lambda c: f"{c[0]}*a + {c[1]}*b + {c[2]}"),
)


def best(lines: list[Line], place: int) -> Fraction:
    """Groups are told apart, then all lines behind one past get the same digit; those with another one are lost."""
    if place == len(lines[0][1]):
        return sum((weight for _, _, weight in lines), Fraction(0))
    behind: dict[tuple[int, int], dict[int, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        behind[line[0][place]][line[1][place]].append(line)
    return sum((max(best(kept, place + 1) for kept in answers.values()) for answers in behind.values()), Fraction(0))


def searched(task: Task, direction: str, domain: str, length: int) -> Fraction:
    base, width = task.base, max(length, task.result_width(length))
    places = range(width) if direction == "lsd" else range(width)[::-1]
    weights: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for box in boxes(domain, length, base):
        pairs = [(a, b) for a in range(*box.a.range(base)) for b in range(*box.b.range(base))]
        for pair in pairs:
            weights[pair] += box.weight / len(pairs)

    def line(a: int, b: int) -> Line:
        groups = tuple((a // base**i % base, b // base**i % base) for i in places)
        return groups, tuple(task(a, b) // base**i % base for i in places), weights[a, b]

    return best([line(a, b) for a, b in weights], 0)


@settings(max_examples=150, deadline=None)
@given(SHAPES, st.sampled_from(((2, 2), (2, 3), (2, 4), (3, 2), (5, 1))), st.sampled_from(("lsd", "msd")), st.sampled_from(sorted(BOXED)))
def test_the_best_predictor_is_within_the_bounds(expr: str, size: tuple[int, int], direction: str, domain: str) -> None:
    task = make_task(expr=expr, base=size[0])
    low, high = guess_bounds(task, make_layout("interleaved", 1, direction), domain, size[1])
    assert low <= searched(task, direction, domain, size[1]) <= high


@pytest.mark.parametrize("expr", ["a + b", "2*a", "5*a + 9*b + 7", "12*a", "25*a"])
def test_overflow_digits_are_guessed_before_the_longer_operand_is_known(expr: str) -> None:
    """Most significant first of D_n. Were it known, 7/12 of the sums of two binary digits could be right, and only 1/2 can."""
    layout = make_layout("interleaved", 1, "msd")
    for base, length in ((2, 1), (2, 2), (2, 3), (3, 2), (4, 2)):
        task = make_task(expr=expr, base=base)
        share = searched(task, "msd", "either", length)
        assert guess_bounds(task, layout, "either", length) == (share, share)
    assert guess_bounds(make_task("add", base=2), layout, "either", 2)[0] == Fraction(1, 2)


def test_bounds_that_say_something() -> None:
    """Base 10, length 5: 1/101 and little more; a == b guessed right at least half of the time, in fact nearly always."""
    layout = make_layout("interleaved", 1)
    assert guess_bounds(make_task("mod-add", modulus=101), layout, "either", 5)[1] < Fraction(2, 101)
    assert guess_bounds(make_task("equal"), layout, "either", 5) == (Fraction(1, 2), 1)
    assert guessing._candidates(make_task(expr="(3*a + b) % 24"), "lsd", 5) == 12

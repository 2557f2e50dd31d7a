"""Ordered operands (a >= b) by lists of every pair."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import product

from theory.language.layouts import encode, make_layout
from theory.language.tasks import Task, digit_count


@cache
def law(length: int, base: int) -> dict[tuple[int, int], Fraction]:
    """Pairs of D_n, swapped where a < b."""
    found: Counter[tuple[int, int]] = Counter()
    for a, b in product(range(base**length), repeat=2):
        if digit_count(max(a, b), base) == length:
            found[max(a, b), min(a, b)] += 1
    return {pair: Fraction(n, found.total()) for pair, n in found.items()}


def lines(task: Task, direction: str, length: int) -> dict[tuple[int, ...], Fraction]:
    """Every line of ordered operands of this length, with its probability."""
    layout = make_layout("interleaved", 1, direction)
    return {tuple(encode(layout, task, a, b, length)): weight for (a, b), weight in law(length, task.base).items()}

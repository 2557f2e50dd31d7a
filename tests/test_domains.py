"""Domains: the boxes are the law that the docstrings state, checked by listing every pair."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product

import pytest

from theory.errors import InputError
from theory.language.domains import DOMAINS, boxes, make_training, parse_lengths
from theory.language.tasks import digit_count

#: domains that are made of boxes, with some of a short b
BOXED = (*DOMAINS, "by-1", "by-2")


def law(domain: str, length: int, base: int) -> dict[tuple[int, int], Fraction]:
    """The probability of each pair, from the boxes."""
    out: Counter[tuple[int, int]] = Counter()
    for box in boxes(domain, length, base):
        a, b = range(*box.a.range(base)), range(*box.b.range(base))
        for pair in product(a, b):
            out[pair] += box.weight / (len(a) * len(b))
    return dict(out)


def stated(domain: str, length: int, base: int) -> dict[tuple[int, int], Fraction]:
    """The law as the docstrings of DOMAINS state it."""
    numbers = range(base**length)
    exact = [x for x in numbers if digit_count(x, base) == length]
    if domain == "sampler" and length > 1:
        out: Counter[tuple[int, int]] = Counter()
        for x, y in product(exact, numbers):
            share = Fraction(1, 2 * len(exact) * len(numbers))
            out[x, y] += share
            out[y, x] += share
        return dict(out)
    rule = all if domain == "both" else any
    pairs = [pair for pair in product(numbers, numbers) if rule(digit_count(x, base) == length for x in pair)]
    if domain.startswith("by-"):
        pairs = [(a, b) for a, b in product(exact, numbers) if digit_count(b, base) <= int(domain[3:])]
    return dict.fromkeys(pairs, Fraction(1, len(pairs)))


@pytest.mark.parametrize("domain", BOXED)
@pytest.mark.parametrize(("base", "length"), [(2, 1), (2, 2), (2, 4), (3, 1), (3, 3), (5, 2), (10, 1), (10, 2)])
def test_boxes_are_the_stated_law(domain: str, base: int, length: int) -> None:
    found = law(domain, length, base)
    assert sum(found.values()) == 1
    assert found == stated(domain, length, base)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [("4", (4,)), ("1-3", (1, 2, 3)), ("2,4", (2, 4)), (" 5 , 1-2 ", (1, 2, 5)), ("3,1-3", (1, 2, 3)), ("1000", (1000,))],
)
def test_lengths(text: str, lengths: tuple[int, ...]) -> None:
    assert parse_lengths(text) == lengths


@pytest.mark.parametrize("text", ["", ",", "3-1", "0", "0-3", "-1", "1-", "a", "1.5", "1001", "1-99999999", "²", "1 2", "٣", "n+1"])
def test_refused_lengths(text: str) -> None:
    with pytest.raises(InputError):
        parse_lengths(text)


def test_regions() -> None:
    training = make_training("either", "2,4")
    assert [training.region(length) for length in range(1, 6)] == ["downward", "id", "downward", "id", "upward"]
    with pytest.raises(InputError, match="domain"):
        make_training("some", "1")
    for name in ("by-0", "by-", "by-1000", "by-\u0661", "by-1 ", "BY-1"):
        with pytest.raises(InputError, match=r"by-K"):
            make_training(name, "1")

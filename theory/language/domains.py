"""Domains of operand pairs: which pairs of which lengths, and with what law.

The only definition of D_n in the project: exact accuracies sum over these boxes, and training and test pairs
are drawn from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from theory.errors import InputError

DOMAINS = {
    "either": "D_n: the longer operand has exactly n digits, uniform over such pairs",
    "both": "D_abn: both operands have exactly n digits, uniform",
    "sampler": "the papers' sampler: a coin chooses which operand has exactly n digits, the other is uniform below B^n",
}
MAX_LENGTH = 1000


@dataclass(frozen=True)
class Operand:
    """Numbers of up to `digits` digits; with `full`, of exactly that many. 0 is a one-digit number."""

    digits: int
    full: bool

    @property
    def nonzero_top(self) -> bool:
        """Whether the most significant digit must not be 0."""
        return self.full and self.digits > 1

    def range(self, base: int) -> tuple[int, int]:
        """Half-open range [low, high) of the values."""
        return (base ** (self.digits - 1) if self.nonzero_top else 0), base**self.digits

    def at(self, place: int, base: int) -> Sequence[int]:
        """The values of the digit at a place, each as often and whatever the other digits are."""
        if place >= self.digits:
            return range(1)
        return range(1 if self.nonzero_top and place == self.digits - 1 else 0, base)


def digits_at(operand: Operand, place: int, base: int) -> range:
    """What the digit at a place can be; given the operand, the digits of different places are independent and uniform."""
    if place >= operand.digits:
        return range(1)
    return range(1 if operand.nonzero_top and place == operand.digits - 1 else 0, base)


@dataclass(frozen=True)
class Box:
    """Independent, uniform operands; `weight` is the probability of the box within its domain."""

    weight: Fraction
    a: Operand
    b: Operand


def boxes(domain: str, length: int, base: int) -> tuple[Box, ...]:
    """The law of a domain at one length, as a mixture of disjoint or overlapping boxes; weights sum to 1.

    >>> [str(box.weight) for box in boxes("either", 4, 10)]
    ['10/11', '1/11']
    >>> [box.a.range(10) for box in boxes("either", 4, 10)]
    [(1000, 10000), (0, 1000)]
    """
    exact, upto = Operand(length, True), Operand(length, False)
    if length == 1 or domain == "both":
        return (Box(Fraction(1), exact, exact),)
    if domain == "sampler":
        return (Box(Fraction(1, 2), exact, upto), Box(Fraction(1, 2), upto, exact))
    if domain == "either":  # exact x upto, and shorter x exact
        return (Box(Fraction(base, base + 1), exact, upto), Box(Fraction(1, base + 1), Operand(length - 1, False), exact))
    raise InputError(f"unknown domain {domain!r}: choose from {', '.join(DOMAINS)}")


@dataclass(frozen=True)
class Training:
    """A training domain: equal parts of the given lengths, each with the domain's law."""

    domain: str
    lengths: tuple[int, ...]

    @property
    def longest(self) -> int:
        return max(self.lengths)

    def region(self, length: int) -> str:
        """Where a test length lies: `id`, `downward` or `upward`.

        A length between two trained ones that is not trained itself counts as downward.
        """
        if length in self.lengths:
            return "id"
        return "upward" if length > self.longest else "downward"


def make_training(domain: str, lengths: str | tuple[int, ...]) -> Training:
    """A training domain from its names: `domain` one of either, both and sampler, lengths in digits; see `parse_lengths`.

    Raises:
        InputError: unknown domain, bad lengths.

    >>> make_training("either", "1-3").longest
    3
    >>> make_training("either", "4").region(7)
    'upward'
    """
    if domain not in DOMAINS:
        raise InputError(f"unknown domain {domain!r}: choose from {', '.join(DOMAINS)}")
    return Training(domain, parse_lengths(lengths) if isinstance(lengths, str) else lengths)


def parse_lengths(text: str) -> tuple[int, ...]:
    """Lengths from text such as '4', '1-9' or '1,3,5-7', ascending.

    Raises:
        InputError: not of that form, empty, reversed, 0, or above 1000.

    >>> parse_lengths("1,3,5-7")
    (1, 3, 5, 6, 7)
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip(), re.ASCII)
        if match is None:
            raise InputError(f"lengths {text!r}: write them like 4, 1-9 or 1,3,5-7")
        first = int(match[1])
        last = int(match[2] or first)
        if last < first:
            raise InputError(f"lengths {text!r}: the range {part.strip()} is reversed, write {last}-{first}")
        if first < 1 or last > MAX_LENGTH:
            raise InputError(f"lengths {text!r}: lengths run from 1 to {MAX_LENGTH}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))

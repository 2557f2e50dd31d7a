"""What the checks of statements do with plain integers alone, before they ask the package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import product

Function = Callable[[int, int], int]
Pair = tuple[int, int]
Map = tuple[int, ...]


def pairs(domain: str, length: int, base: int) -> list[Pair]:
    """D_m (`either`: the longer operand has m digits) and D_abm (`both` have)."""
    low, high = base ** (length - 1) if length > 1 else 0, base**length
    if domain == "both":
        return list(product(range(low, high), repeat=2))
    return [(a, b) for a, b in product(range(high), repeat=2) if max(a, b) >= low]


def agreement(f: Function, base: int, trained: int, cases: list[Pair]) -> Fraction:
    """The share of the cases that truncation gets right."""
    size = base**trained
    return Fraction(sum(f(a, b) == f(a % size, b % size) for a, b in cases), len(cases))


def sum_agreement(p: int, base: int, trained: int, length: int, domain: str) -> Fraction:
    """The same for (a + b) mod p, length > trained: low parts cancel, so the high parts A, C alone are enumerated, by residue."""
    low, high = base ** (length - trained - 1), base ** (length - trained)

    def right(values: range) -> int:
        law = Counter(A * base**trained % p for A in values)
        return sum(count * law[-r % p] for r, count in law.items())

    if domain == "both":
        return Fraction(right(range(low, high)), (high - low) ** 2)
    return Fraction(right(range(high)) - right(range(low)), high**2 - low**2)  # all pairs, less those of shorter operands


def closure(letters: set[Map]) -> set[Map]:
    """All products of one or more maps of 0, 1, .., and the identity."""
    found = {tuple(range(len(next(iter(letters)))))}
    frontier = set(found)
    while frontier:
        frontier = {tuple(letter[s] for s in x) for x in frontier for letter in letters} - found
        found |= frontier
    return found


def permutes(x: Map) -> bool:
    """Whether some power of the map moves states in a cycle of two or more."""
    power = x
    for _ in x:
        power = tuple(x[s] for s in power)  # after len(x) steps every state is on its cycle
    return any(x[s] != s for s in power)


def unlike(f: Function, low: list[Pair], high: list[Pair], base: int, depth: int) -> int:
    """How many low words leave different results above their digits, on these high parts: states that any machine needs."""
    unit = base**depth
    return len({tuple(f(x + unit * A, y + unit * C) // unit for A, C in high) for x, y in low})


def words(base: int, depth: int) -> list[Pair]:
    return list(product(range(base**depth), repeat=2))

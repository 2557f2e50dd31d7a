"""Counting in integer ranges: lattice points on lines, solutions of linear congruences, projective lines mod e.

Every function works on integers of any size, and none enumerates a range it is given, except `residues`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import gcd

Range = tuple[int, int]  # half-open
Piece = tuple[Range, Range]  # high parts, low parts: every combination occurs once


def size(r: Range) -> int:
    """Number of integers in r; a reversed range is empty."""
    return max(r[1] - r[0], 0)


def common(r: Range, s: Range) -> Range:
    """The integers in both."""
    return max(r[0], s[0]), min(r[1], s[1])


def multiples(r: Range, d: int) -> Range:
    """The range of z with d*z in r, for d != 0."""
    if d < 0:
        r, d = (1 - r[1], 1 - r[0]), -d
    return -(-r[0] // d), -(-r[1] // d)


def pieces(r: Range, base_power: int) -> list[Piece]:
    """The range as blocks of M: a first part block, whole blocks, a last part block, those that are not empty."""
    (first, start), (last, stop) = divmod(r[0], base_power), divmod(r[1], base_power)
    if first >= last:
        found = [((first, first + 1), (start, stop))] if first == last else []
    elif start == 0:
        found = [((first, last), (0, base_power)), ((last, last + 1), (0, stop))]
    else:
        found = [((first, first + 1), (start, base_power)), ((first + 1, last), (0, base_power)), ((last, last + 1), (0, stop))]
    return [(high, low) for high, low in found if size(high) and size(low)]


def folded(r: Range, period: int) -> list[tuple[int, Range]]:
    """(count, part): as many copies of each part, which is at most a period long, have the residues that r has."""
    rounds, rest = divmod(size(r), period)
    first = r[0] % period
    return [(count, part) for count, part in ((rounds, (0, period)), (1, (first, first + rest))) if count and size(part)]


def residues(r: Range, modulus: int) -> Iterator[tuple[int, int]]:
    """(residue, count) of the residues that occur in r."""
    rounds, rest = divmod(size(r), modulus)
    for i in range(min(size(r), modulus)):
        yield (r[0] + i) % modulus, rounds + (i < rest)


def line_points(alpha: int, beta: int, r: Range, s: Range) -> int:
    """#{(A, C) in r x s: alpha*A + beta*C = 0}; away from the axes (A, C) = z*(beta, -alpha)/gcd over the integers z.

    >>> line_points(1, -1, (0, 10), (5, 20))  # A = C
    5
    """
    if alpha and beta:
        g = gcd(alpha, beta)
        return size(common(multiples(r, beta // g), multiples(s, -alpha // g)))
    only_zero = (0, 1)
    return size(common(r, only_zero) if alpha else r) * size(common(s, only_zero) if beta else s)


def congruent_points(alpha: int, beta: int, modulus: int, r: Range, s: Range) -> int:
    """#{(A, C) in r x s: alpha*A + beta*C = 0 mod modulus}, in O(log modulus).

    With g = gcd(beta, modulus), A must be a multiple step*z, step = g/gcd(g, alpha), and then C = slope*z mod m, m = modulus/g.
    Whole periods of C and of z are counted at once, so that only numbers below m remain: in [low, high) the residue class
    of v mod m has floor((high-1-v)/m) - floor((low-1-v)/m) members, which makes two floor sums.

    >>> congruent_points(1, 1, 10**30, (0, 10**40), (0, 10**30)) == 10**40
    True
    """
    g = gcd(beta, modulus)
    step = g // gcd(g, alpha)
    m = modulus // g
    first, last = multiples(r, step)
    count, low = max(last - first, 0), s[0] % m
    periods, rest = divmod(size(s), m)
    total = count * periods
    if count and rest:
        high = low + rest
        slope = -(alpha * step // g) * pow(beta // g, -1, m) % m
        periods, count = divmod(count, m)
        h = gcd(slope, m)
        total += periods * h * size(multiples((low, high), h))
        start = slope * first % m
        total += floor_sum(count, m, -slope, high - 1 - start) - floor_sum(count, m, -slope, low - 1 - start)
    return total


def floor_sum(count: int, modulus: int, slope: int, offset: int) -> int:
    """Sum of floor((slope*i + offset) / modulus) for 0 <= i < count, by Euclid's algorithm."""
    total = 0
    while count:
        quotient, slope = divmod(slope, modulus)
        base, offset = divmod(offset, modulus)
        total += quotient * (count * (count - 1) // 2) + base * count
        count, offset = divmod(slope * count + offset, modulus)
        slope, modulus = modulus, slope
    return total


def projective_line(e: int) -> Iterator[tuple[int, int]]:
    """One vector (s, t) for each point of the projective line over Z/e, s a divisor of e and gcd(s, t) = 1."""
    for s in divisors(e):
        for t in range(e // s):
            if gcd(s, t, e // s) == 1:
                yield s, next(lift for lift in range(t, e, e // s) if gcd(lift, s) == 1)


def canonical(s: int, t: int, e: int) -> tuple[int, int]:
    """The same pair for all multiples of (s, t) by a unit mod e: s is made a divisor of e, then t counts mod e/s."""
    divisor = gcd(s, e)
    rest = e // divisor
    return divisor, t * pow(s // divisor, -1, rest) % rest


def divisors(n: int) -> list[int]:
    """All divisors, ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]


def moebius(n: int) -> int:
    """0 when a square above 1 divides n, else 1 or -1 by the parity of the number of primes."""
    powers = factors(n).values()
    return 0 if any(k > 1 for k in powers) else (-1) ** len(powers)


def factors(n: int) -> Counter[int]:
    """Prime factors with their powers, by trial division."""
    found: Counter[int] = Counter()
    q = 2
    while q * q <= n:
        while n % q == 0:
            found[q] += 1
            n //= q
        q += 1
    if n > 1:
        found[n] += 1
    return found

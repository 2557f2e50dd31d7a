"""Digits of a*b against those of the truncated product x*y, for a = A*M + x, b = C*M + y below powers of the base, M = B^n.

Digit i is right for i < n. Above, with operands that are uniform mod B^(i+1):

    i >= 2n        x*y has no such digit. For gcd(b, N) = g, N = B^(i+1), the product runs through the multiples of g mod N alike, so
                   g*ceil(B^i/g) of the N values of a give the digit 0: B^i of them if g divides B^i, and few g do not.
    n <= i < 2n    with j = i - n and L = B^(j+1): x and y given, z + A*y + C*x mod L runs through z + h*Z alike, z = floor(x*y/M) and
                   h = gcd(x, y, L). If h divides B^j, one in B has the digit of z. Else B^j = q*h + s, and q or q + 1 of the L/h values
                   have it: q + 1 iff (z mod B^j) mod h < s, which is counted over the few x and y that such h divide.

Operands below B^m are uniform mod B^(i+1) for i < m, so these digits are counted at any length. The digits from place m on (m - 1 where a
leading digit is not 0) ask how many lattice points lie between hyperbolas a*b = const, for which no method is known that is polynomial in
the digits. They are counted by floor sums over one operand for i >= 2n, and pair by pair for i < 2n.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from theory.exact.counting import Range, divisors, factors, moebius, pieces, size
from theory.language.domains import Box, Operand

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

    Vector = NDArray[int64]

MAX_BASE = 10**6  # is factored
MAX_FLOOR_SUMS = 4_000_000  # floor sums
MAX_PRODUCTS = 120_000_000  # pairs, one by one
CHUNK = 2_000_000


def product_agreements(base: int, trained: int, box: Box, i: int) -> int | None:
    """Pairs of the box for which digit i of a*b is digit i of (a mod B^n)*(b mod B^n); None beyond the limits above.

    >>> from theory.language.domains import boxes
    >>> [product_agreements(10, 1, box, 50) for box in boxes("both", 52, 10)][0] / 81e102  # one in ten, and a little
    0.1
    """
    a, b = box.a.range(base), box.b.range(base)
    if i < trained or max(a[1], b[1]) <= base**trained:
        return size(a) * size(b)
    if base <= MAX_BASE and i < min(map(_periods, (box.a, box.b))):
        share: Fraction | None = zero_share(base, i) if i >= 2 * trained else middle_share(base, trained, i)
        if share is not None:
            return int(share * size(a) * size(b))
    if i >= 2 * trained:
        return zeros(base, i, *sorted((a, b), key=size))
    return _one_by_one(base, trained, i, a, b)


def _periods(operand: Operand) -> int:
    """The range of the operand is made of whole periods mod B^k for k up to this."""
    return operand.digits - operand.nonzero_top


# ---------------------------------------------------------------------------------------------------------- any length: residues


@lru_cache(4096)
def zero_share(base: int, i: int) -> Fraction:
    """P(digit i of a*b is 0) for a and b uniform mod N = B^(i+1).

    It is 1/B, and phi(N/g)*((-B^i) mod g)/N^2 more for each g | N with d = g/gcd(g, B^i) > 1. The exponents of g exceed those of B^i at
    the primes of d, which divides B, and only there; at the others B^i*d/g has the power q^t for t = 0, 1, .. So the term is 1/N times
    ((-prod q^t) mod d)/d times prod(1 - 1/q) over the primes q of N/g, and all are written over B*rad(B).

    >>> zero_share(10, 0)  # of 100 pairs of digits 27 have a product that ends in 0
    Fraction(27, 100)
    """
    primes, over = factors(base), 0
    for excess in product(*(range(e + 1) for e in primes.values())):
        if d := prod(q**k for q, k in zip(primes, excess, strict=True)):
            rests = Counter({1 % d: 1})
            for (q, e), k in zip(primes.items(), excess, strict=True):
                powers = _powers(q, e * i + 1, d) if not k else Counter({1 % d: 1})
                rests = _products(rests, powers, d)
            units = prod(q - (k < e) for (q, e), k in zip(primes.items(), excess, strict=True))
            over += units * (base // d) * sum(-rest % d * number for rest, number in rests.items())
    return Fraction(1, base) + Fraction(over, base * prod(primes) * base ** (i + 1))


def _powers(q: int, count: int, d: int) -> Counter[int]:
    """How often each residue mod d occurs among 1, q, q^2, .. q^(count-1), for q prime to d."""
    found, power = Counter[int](), 1 % d
    for _ in range(count):
        found[power] += 1
        power = power * q % d
    return found


def _products(one: Counter[int], two: Counter[int], d: int) -> Counter[int]:
    found = Counter[int]()
    for (x, i), (y, j) in product(one.items(), two.items()):
        found[x * y % d] += i * j
    return found


@lru_cache(256)
def middle_share(base: int, trained: int, i: int) -> Fraction | None:
    """P(digit i of a*b is that of x*y), n <= i < 2n, for a and b uniform mod B^(i+1); None beyond 4 million floor sums or 64 bits.

    >>> middle_share(10, 4, 4)  # as for any n: A*y + C*x = 0 mod 10
    Fraction(29, 200)
    """
    power, lower = base**trained, base ** (i - trained)
    modulus, primes = power * lower, factors(base)
    if modulus * power >= 2**62:
        return None
    exponents = product(*(range(e * (i - trained + 1) + 1) for e in primes.values()))
    divided = [h for at in exponents if lower % (h := prod(map(pow, primes, at)))]
    thinned = [(h, f, -(-power // (h * f))) for h in divided for f in divisors(prod(q for q in primes if lower * base // h % q == 0))]
    if sum(k * (lower // h + 1) for h, _, k in thinned if k > 1) > MAX_FLOOR_SUMS:
        return None
    over = 0
    for h, f, k in thinned:
        sign, q, s = moebius(f), lower // h, lower % h
        over += sign * (h * _in_classes((h * f) ** 2, k, modulus, h * power, s * power, q) - s * k * k)
    return Fraction(1, base) + Fraction(over, lower * base * power**2)


def _in_classes(slope: int, k: int, modulus: int, step: int, wide: int, last: int) -> int:
    """#{0 <= x, y < k: slope*x*y mod modulus lies in [r*step, r*step + wide) for an r = 0..last}."""
    import numpy as np

    if k == 1:
        return 1
    slopes = np.arange(k) * (slope % modulus) % modulus
    return sum(_in_window(k, modulus, slopes, np.zeros_like(slopes), r * step, r * step + wide) for r in range(last + 1))


# ------------------------------------------------------------------------------------------------------ short lengths: one operand


def zeros(base: int, i: int, a: Range, b: Range) -> int | None:
    """Pairs whose product has digit i = 0, by a floor sum for each number of the smaller range."""
    import numpy as np

    modulus = base ** (i + 1)
    if max(size(a), size(b)) > MAX_FLOOR_SUMS or modulus * b[1] >= 2**62:
        return None
    total = 0
    for first in range(*a, CHUNK):
        slopes = np.arange(first, min(first + CHUNK, a[1]))
        total += _in_window(size(b), modulus, slopes % modulus, slopes * b[0] % modulus, 0, base**i)
    return total


def _in_window(count: int, modulus: int, slopes: Vector, starts: Vector, low: int, high: int) -> int:
    """#{(u, y): (u*y + start of u) mod modulus in [low, high)} for 0 <= y < count, 0 <= low <= high <= modulus."""
    one, two = (floor_sums(count, modulus, slopes, starts + modulus - end) for end in (low, high))
    return int((one - two).sum())


def floor_sums(count: int, modulus: int, slopes: Vector, offsets: Vector) -> Vector:
    """theory.exact.counting.floor_sum for many slopes in 0..modulus-1 at once; values must stay within 64 bits."""
    import numpy as np

    total = np.zeros_like(slopes)
    counts, moduli = np.full_like(slopes, count), np.full_like(slopes, modulus)
    at = np.arange(len(slopes))
    while len(at):
        quotient, slopes = np.divmod(slopes, moduli)
        whole, offsets = np.divmod(offsets, moduli)
        total[at] += quotient * (counts * (counts - 1) // 2) + whole * counts
        counts, offsets = np.divmod(slopes * counts + offsets, moduli)
        slopes, moduli = moduli, slopes
        left = counts > 0
        at, counts, offsets, slopes, moduli = at[left], counts[left], offsets[left], slopes[left], moduli[left]
    return total


def _one_by_one(base: int, trained: int, i: int, a: Range, b: Range) -> int | None:
    """All pairs: with z = floor(x*y/M) and w = A*y + C*x + M*A*C, digit j = i - n of z + w is that of z iff z mod B^j + w mod B^(j+1)
    lies in one of [0, B^j), [L, L + B^j), [2L, 2L + B^j), L = B^(j+1). Unsigned numbers wrap, so a difference is one comparison."""
    import numpy as np

    if size(a) * size(b) > MAX_PRODUCTS or a[1] * b[1] >= 2**62:
        return None
    power, lower = base**trained, base ** (i - trained)
    modulus, total = lower * base, 0
    dtype = np.min_scalar_type(3 * modulus)
    for (high_a, low_a), (high_b, low_b) in product(pieces(a, power), pieces(b, power)):
        x, y = np.arange(*low_a)[:, None], np.arange(*low_b)
        kept = (x * y // power % lower).astype(dtype)
        for A, C in product(range(*high_a), range(*high_b)):
            moved = kept + (A * y % modulus).astype(dtype) + ((C * x + power * A * C) % modulus).astype(dtype)
            total += sum(int(np.count_nonzero(moved - dtype.type(k * modulus) < lower)) for k in range(3))
    return total

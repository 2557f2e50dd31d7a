"""Digits of functions of residues: f(a, b) depends on a mod L and b mod L, f^ on x mod L and y mod L.

For a set T of pairs of residues (those at which f has a certain digit) the pairs of operands with (a, b) and (x, y) in T number

    sum over (u, y) of  #{(A, x): A*M + x = u, (x, y) in T}  *  #{C: (u, C*M + y) in T}.

As A runs through a range, u - A*M runs through consecutive places of an orbit of the residues under adding M, and so does y + C*M. So both
factors are differences of sums along orbits, and all of them together cost O(L^2).
"""

from __future__ import annotations

from itertools import product
from math import gcd
from typing import TYPE_CHECKING, Any

from theory.exact.accuracy import MAX_PAIRS_BIG, fits
from theory.exact.counting import Range, folded, pieces, size
from theory.language.expressions import Expression, evaluate

if TYPE_CHECKING:
    from numpy import integer
    from numpy.typing import NDArray

    Table = NDArray[integer[Any]]

MAX_LCM = 1000  # of mods: the work grows with its square; sums stay below L^4 < 2^53

Part = tuple[int, Range, Range]  # its number of copies, high parts, low parts: at most a period of each


def residue_digits(expression: Expression, period: int, base: int, trained: int, a: Range, b: Range, width: int) -> list[int] | None:
    """Per digit, the number of pairs in a x b where f and f^ agree, for f of this period in each operand; None beyond the limits."""
    import numpy as np

    inside = fits(expression, period)
    if period > MAX_LCM or (not inside and period**2 > MAX_PAIRS_BIG):
        return None
    rest = np.arange(period).astype(np.int64 if inside else object)
    values = np.broadcast_to(evaluate(expression, rest[:, None], rest), (period, period))
    digits = [(values // base**i % base).astype(np.int64) for i in range(width)]
    return [sum(_agreeing(of == d, base**trained, a, b) for d in range(min(base, int(of.max()) + 1))) for of in digits]


def _agreeing(where: Table, power: int, a: Range, b: Range) -> int:
    """Pairs in a x b with (a, b) and (x, y) in T, which is given as a table of truth values."""
    import numpy as np

    period = len(where)
    copies_a, first = zip(*((i, window(where * _mask(x, period), -power, A).T) for i, A, x in _parts(a, power, period)), strict=True)
    copies_b, second = zip(*((j, window(where.T, power, C) * _mask(y, period)) for j, C, y in _parts(b, power, period)), strict=True)
    joint = np.stack(first).reshape(len(first), -1).astype(np.float64) @ np.stack(second).reshape(len(second), -1).astype(np.float64).T
    return sum(i * j * int(pairs) for i, row in zip(copies_a, joint, strict=True) for j, pairs in zip(copies_b, row, strict=True))


def _parts(r: Range, power: int, period: int) -> list[Part]:
    """The high parts count mod L/gcd(M, L), the low ones mod L."""
    orbit = period // gcd(power, period)
    return [(i * j, A, x) for high, low in pieces(r, power) for (i, A), (j, x) in product(folded(high, orbit), folded(low, period))]


def _mask(r: Range, period: int) -> Table:
    """A column of 1 for the residues that occur in the range, 0 for the others."""
    import numpy as np

    mask = np.zeros((period, 1), dtype=np.int16)
    mask[np.arange(*r) % period] = 1
    return mask


def window(table: Table, step: int, r: Range) -> Table:
    """Row k of the result is the sum over A in r of row (k + step*A) mod L, for |r| up to the orbit's length L/gcd(step, L)."""
    import numpy as np

    period = len(table)
    classes = gcd(step, period)
    orbit = period // classes
    places = (np.arange(classes)[:, None] + step % period * np.arange(orbit)) % period
    sums = np.cumsum(table[places], axis=1, dtype=np.int16)
    last = (np.arange(orbit) + r[1] - 1) % orbit
    out = np.empty(table.shape, dtype=np.int16)
    out[places] = sums[:, last] - sums[:, (last - size(r)) % orbit] + sums[:, -1:] * (last < size(r)).astype(np.int16)[:, None]
    return out

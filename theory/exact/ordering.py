"""Agreement counts for functions of order and of digits: |a - b|, min, max, comparisons, a // q, digit sums, reversal.

As in theory.exact.accuracy, a = A*M + x and b = C*M + y with A, x, C, y in independent ranges. With [A ? C] for the order of A and C:

    |a - b|         A = C, or |A - C| = 1 and y - x = (A - C)*M/2
    max(a, b)       A = C = 0 (else the larger operand exceeds every truncated one)
    min(a, b)       A = 0 and x <= y, or C = 0 and y <= x
    a < b           A = C, or A < C and x < y, or A > C and x >= y; a <= b alike
    a == b          A = C, or x != y
    a // q          a < max(M, q)
    max(a, c)       A = 0 or a <= c; min(a, c): A = 0 or x >= c; a < c: A = 0, a < c or x >= c
    digitsum(a)     A = 0
    digitsum(a)%p   p divides the digit sum of A
    reverse(a)      A = 0: the digits of A add to the reversal, and those of x only move up
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate, product

from theory.exact.counting import Range, common, pieces, size
from theory.language.expressions import Binary, Call, Const, Expression, Var
from theory.language.tasks import digit_count

ZERO: Range = (0, 1)
MAX_DIGIT_SUM = 10_000  # largest p of digitsum(a) % p that is counted


def difference_points(r: Range, s: Range, d: int) -> int:
    """#{(x, y) in r x s: y - x = d}."""
    return size(common((r[0] + d, r[1] + d), s))


def less_points(r: Range, s: Range) -> int:
    """#{(x, y) in r x s: x < y}: y - 1 - r0 of the x lie below y, at least 0 and at most |r|."""
    length = size(r)
    rising = common((r[0] + 1, r[1] + 1), s)  # these y have y - r0 smaller x
    full = size((max(s[0], r[1] + 1), s[1]))
    first, last = rising[0] - r[0], rising[1] - r[0]
    return full * length + (size(rising) * (first + last - 1) // 2 if size(rising) else 0)


def order_agreements(expression: Expression, base: int, base_power: int, a: Range, b: Range) -> int | None:
    """Number of pairs in a x b where the truncated function agrees; None for other expressions.

    >>> from theory.language.expressions import parse
    >>> order_agreements(parse("max(a, b)"), 10, 10, (0, 100), (0, 100))  # of 10000 pairs: those below 10
    100
    """
    blocks = list(product(pieces(a, base_power), pieces(b, base_power)))
    match expression:
        case Call("abs", (Binary("-", Var(one), Var(two)),)) if one != two:
            return sum(_difference(A, x, C, y, base_power) for (A, x), (C, y) in blocks)
        case Call("digitsum" | "reverse", (Var(name),), digits) if digits == base:
            return _single(name, a, b, base_power, lambda high: size(common(high, ZERO)))
        case Binary("%", Call("digitsum", (Var(name),), digits), Const(p)) if digits == base:
            if p > (base - 1) * digit_count(max(a[1], b[1]), base):  # no digit sum but 0 is divisible
                return _single(name, a, b, base_power, lambda high: size(common(high, ZERO)))
            if p > MAX_DIGIT_SUM:
                return None
            return _single(name, a, b, base_power, digit_sums(base, p).zero)
        case Binary("//", Var(name), Const(q)):
            own, other = (a, b) if name == "a" else (b, a)
            return size(common(own, (0, max(q, base_power)))) * size(other)
        case Call(name, (Var(one), Const(c)) | (Const(c), Var(one)) as args) if name in ("min", "max") or not name.isalpha():
            own, other = (a, b) if one == "a" else (b, a)
            strict = (name == "<") is isinstance(args[0], Var)  # c < a is where a <= c is not
            return _bounded(name, c if strict or name in ("min", "max", "==", "!=") else c + 1, own, base_power) * size(other)
        case Call(name, (Var(one), Var(two))) if one != two and (name in ("min", "max") or not name.isalpha()):
            flipped = one == "b"
            return sum(_ordered(name, *((C, y, A, x) if flipped else (A, x, C, y))) for (A, x), (C, y) in blocks)
    return None


def _single(name: str, a: Range, b: Range, base_power: int, agreeing: Callable[[Range], int]) -> int:
    """A function of one operand that agrees for `agreeing` of the high parts, whatever the low part."""
    own, other = (a, b) if name == "a" else (b, a)
    return sum(agreeing(high) * size(low) for high, low in pieces(own, base_power)) * size(other)


def _bounded(name: str, c: int, r: Range, base_power: int) -> int:
    """min(a, c), max(a, c), a == c or a < c for the numbers a of a range: where A > 0, x is smaller, and c must not lie between."""
    cut = (base_power, r[1])
    whole, low = size(common(r, (0, base_power))), common(r, cut)

    def parts(lows: Range) -> int:
        return sum(size(common(high, (1, high[1]))) * size(common(rest, lows)) for high, rest in pieces(r, base_power))

    match name:
        case "max":
            return whole + size(common(low, (0, c + 1)))
        case "min":
            return whole + parts((c, base_power))
        case "==" | "!=":
            return whole + size(low) - size(common(low, (c, c + 1))) - parts((c, c + 1))
        case _:
            return whole + size(common(low, (0, c))) + parts((c, base_power))


def _difference(A: Range, x: Range, C: Range, y: Range, base_power: int) -> int:
    found = difference_points(A, C, 0) * size(x) * size(y)
    if base_power % 2 == 0:
        half = base_power // 2
        found += difference_points(A, C, -1) * difference_points(x, y, half) + difference_points(A, C, 1) * difference_points(x, y, -half)
    return found


def _ordered(name: str, A: Range, x: Range, C: Range, y: Range) -> int:
    pairs, less, equal = size(x) * size(y), less_points(x, y), difference_points(x, y, 0)
    same, below = difference_points(A, C, 0), less_points(A, C)
    above = size(A) * size(C) - same - below
    zero_a, zero_c = size(common(A, ZERO)), size(common(C, ZERO))
    match name:
        case "max":
            return zero_a * zero_c * pairs
        case "min":  # where both are 0 and x = y, both cases hold
            return zero_a * size(C) * (less + equal) + size(A) * zero_c * (pairs - less) - zero_a * zero_c * equal
        case "<":
            return same * pairs + below * less + above * (pairs - less)
        case "<=":
            return same * pairs + below * (less + equal) + above * (pairs - less - equal)
        case _:  # == and !=
            return same * pairs + (below + above) * (pairs - equal)


@lru_cache(1)
def digit_sums(base: int, p: int) -> DigitSums:
    return DigitSums(base, p)


class DigitSums:
    """How many numbers of a range have a digit sum of a given residue mod p, digit by digit."""

    def __init__(self, base: int, p: int) -> None:
        self.base, self.p = base, p
        # rows[k][i]: words of k digits whose sum is 0, 1, .. or i-1 mod p, counted cyclically for i <= 2p
        self.rows = {0: list(accumulate([1, *[0] * (p - 1)] * 2, initial=0))}

    def zero(self, r: Range) -> int:
        """Numbers in r with a digit sum divisible by p."""
        return self.law(r, range(1))[0]

    def law(self, r: Range, wanted: range) -> list[int]:
        """Numbers in r whose digit sum is w mod p, for each w."""
        if not size(r):
            return [0] * len(wanted)
        return [high - low for high, low in zip(self._below(r[1], wanted), self._below(r[0], wanted), strict=True)]

    def _row(self, k: int) -> list[int]:
        """Built up from the nearest row below; rows are large, so besides row 0 only the last three built are kept."""
        at = max(i for i in self.rows if i <= k)
        while at < k:
            row = [self._words(self.rows[at], self.base, r) for r in range(self.p)]
            at += 1
            self.rows[at] = list(accumulate(row * 2, initial=0))
            for old in list(self.rows)[1:-3]:
                del self.rows[old]
        return self.rows[k]

    def _words(self, row: list[int], first: int, r: int) -> int:
        """Words of one digit 0..first-1 and then those of the row, whose sum is r mod p."""
        rounds, rest = divmod(first, self.p)
        last = self.p + r % self.p + 1
        return rounds * row[self.p] + row[last] - row[last - rest]

    def _below(self, bound: int, wanted: range) -> list[int]:
        """The numbers below the bound agree with it down to some place, and have a smaller digit there."""
        digits = []
        while bound:
            bound, digit = divmod(bound, self.base)
            digits.append(digit)
        above = list(accumulate(reversed(digits), initial=0))[::-1]  # above[k]: sum of the digits from place k on
        found = [0] * len(wanted)
        for place, digit in enumerate(digits):
            if digit:
                row = self._row(place)
                found = [count + self._words(row, digit, w - above[place + 1]) for count, w in zip(found, wanted, strict=True)]
        return found

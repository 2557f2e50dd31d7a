"""Exact accuracy of each digit: the probability that digit i of f^(a, b) = f(a mod B^n, b mod B^n) is digit i of f(a, b).

Digit 0 is the least significant; above its own digits a number has zeros, up to the width of the largest result at this length. Digits
of an operand are independent (theory.language.domains), and so are its high and low part. Methods, by the shape of f:

    alpha*a + beta*b + gamma >= 0    bimachine (below): carries from the digits below
    a // q                           bimachine: remainders of the digits above
    max, min, |a - b|                bimachine: the order of the digits above, and for |a - b| of those below
    a task given by a machine        bimachine: its own states
    (alpha*a + beta*b + gamma) mod p law of f^ and, apart from it, of f - f^ = M*(alpha*A + beta*C) mod p, p up to 2000
    digitsum(a), digitsum(a) mod p   law of the sums of x and, apart from it, of A
    reverse(a)                       digits at places that differ are independent: O(1) for each number of digits of a
    every operand below a mod, no // sums over (a, y) mod L, L = lcm of the mods up to 1000 (theory.exact.residue_digits); products mod p
    one-digit results                the accuracy of the whole
    a * b                            see theory.exact.products
    + - * only, digit i < n          1: f = f^ mod B^n
    + - * only, digit n              the accuracy of f mod B^(n+1), as the digits below agree
    anything else                    pairs of residue cells, or of operands, up to 4e6
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

from theory.automata.machines import TooLarge
from theory.automata.transducers import affine_transducer, quotient_transducer
from theory.exact.accuracy import MAX_PAIRS, Same, box_agreements, cell_agreements, exchangeable, operand_period
from theory.exact.counting import Range, folded, pieces, size
from theory.exact.ordering import MAX_DIGIT_SUM, DigitSums
from theory.exact.products import MAX_PRODUCTS, product_agreements
from theory.exact.residue_digits import MAX_LCM, residue_digits
from theory.language.domains import Box, Operand, boxes, check_signs, digits_at
from theory.language.expressions import Binary, Call, Const, Var, affine, nodes, polynomial
from theory.language.tasks import Task, digit_count
from theory.proofs.properties import short

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

    Vector = NDArray[int64]

MAX_STEPS = 2_000_000  # steps of a bimachine beside its twin
MAX_SUMS = 4_000_000  # pairs of digit sums

Kind = tuple[Sequence[int], Sequence[int], bool]  # what x_i and y_i can be, and whether truncation cuts place i
Pair = tuple[Any, Any]  # a state of the machine and one of its twin


def digit_accuracies(task: Task, trained: int, length: int, domain: str) -> tuple[Fraction | None, ...]:
    """P(digit i of f^ = digit i of f) on a domain at one length, i = 0, 1, .. up to the width of the largest result.

    Returns:
        Exact probabilities; None at the digits that no method of the module's table counts: of ordered operands those of tasks in
        which their order matters (f^ of a - b has no digits where the cut operands are out of order).

    Raises:
        InputError: the value may be negative, which has no digits.
    """
    check_signs(task, {"--domain": domain})
    width = task.result_width(length)
    if domain == "ordered":
        if length <= trained:
            return (Fraction(1),) * width
        return (None,) * width if task.needs_order or not exchangeable(task) else digit_accuracies(task, trained, length, "either")
    total: list[Fraction | None] = [Fraction(0)] * width
    for box in boxes(domain, length, task.base):
        shares = _box_shares(task, trained, box, width)
        total = [None if old is None or share is None else old + box.weight * share for old, share in zip(total, shares, strict=True)]
    return tuple(total)


def uncounted_digits(task: Task) -> str:
    """Why `digit_accuracies` may answer None: the limit that the task is beyond."""
    if task.machine is not None:
        return f"more than {MAX_STEPS} steps of the machine beside its twin"
    if task.modulus is not None and affine(task.inner) is not None:
        return f"laws of residues are computed mod p up to {isqrt(MAX_PAIRS)}, and here p = {short(task.modulus)}"
    if polynomial(task.expression) == {(1, 1): 1}:
        high = "the digits of a product from the operands' length on count points between hyperbolas: up to values near 2^62"
        return f"{high} from digit 2n on, and among up to {MAX_PRODUCTS} pairs below"
    if polynomial(task.expression) is not None and affine(task.expression) is None:
        return f"no exact law of the higher digits of such polynomials is known, and pairs of operands are enumerated up to {MAX_PAIRS}"
    if (period := operand_period(task.expression)) is not None:
        return f"laws of residues are computed mod L = lcm of the mods up to {MAX_LCM}, and here L = {short(period)}"
    return f"no law of the digits is known here, and pairs of operands are enumerated up to {MAX_PAIRS}"


def _box_shares(task: Task, trained: int, box: Box, width: int) -> Sequence[Fraction | None]:
    if max(box.a.digits, box.b.digits) <= trained:
        return [Fraction(1)] * width
    if (machine := bimachine(task)) is not None:
        try:
            return Twins(machine, task, trained, box).shares(width)
        except TooLarge:
            if task.machine is not None:
                return [None] * width
    a, b = box.a.range(task.base), box.b.range(task.base)
    counts = _counts(task, trained, box, width)
    return [None if count is None else Fraction(count, size(a) * size(b)) for count in counts]


def _counts(task: Task, trained: int, box: Box, width: int) -> Sequence[int | None]:
    """Per digit, the number of pairs of the box that agree."""
    base, expression = task.base, task.expression
    a, b = box.a.range(base), box.b.range(base)
    if width == 1:
        return [box_agreements(task, trained, a, b)]
    linear = affine(task.inner)
    if task.modulus is not None and linear is not None and task.modulus**2 <= MAX_PAIRS:
        return _linear_mod(linear, task.modulus, base, trained, a, b, width)
    match expression:
        case Call("digitsum", (Var(name),), digits) | Binary("%", Call("digitsum", (Var(name),), digits), Const(_)) if digits == base:
            own, other = (a, b) if name == "a" else (b, a)
            found = _digit_sums(task.modulus, base, trained, own, width)
            return [None if found is None else found[i] * size(other) for i in range(width)]
        case Call("reverse", (Var(name),), digits) if digits == base:
            operand, others = (box.a, size(b)) if name == "a" else (box.b, size(a))
            return [count * others for count in _reversed_digits(base, trained, operand, width)]
    if (period := operand_period(expression)) is not None and (sums := residue_digits(expression, period, base, trained, a, b, width)):
        return sums
    terms = polynomial(expression)
    if terms == {(1, 1): 1}:
        return [product_agreements(base, trained, box, i) for i in range(width)]
    counts: list[int | None] = []
    for i in range(width):
        if terms is not None and i < trained:
            counts.append(size(a) * size(b))
        elif terms is not None and i == trained:
            low = replace(task, expression=Binary("%", expression, Const(base ** (trained + 1))))
            counts.append(box_agreements(low, trained, a, b))
        else:
            counts.append(cell_agreements(expression, base**trained, a, b, same_digit(i, base)))
    return counts


def same_digit(i: int, base: int) -> Same:
    """Whether two values have the same digit i."""
    return lambda f, g: f // base**i % base == g // base**i % base


# ------------------------------------------------------------------------------------------------------------------------ bimachines


@dataclass(frozen=True)
class Bimachine:
    """c_i = write(low, x_i, y_i, high): `low` is a state that has read the digits below i, `high` one that has read those above."""

    low: Any
    below: Callable[[Any, int, int], Any]
    high: Any
    above: Callable[[Any, int, int], Any]
    write: Callable[[Any, int, int, Any], int]


def bimachine(task: Task) -> Bimachine | None:
    """The bimachine of the task; None where this version knows none, or one that is too large."""

    def stays(state: Any, x: int, y: int) -> Any:
        return state

    def order(state: int, x: int, y: int) -> int:
        """The sign of a - b on the digits so far, most significant first."""
        return state or (x > y) - (x < y)

    def later(state: int, x: int, y: int) -> int:
        """The same, least significant first."""
        return (x > y) - (x < y) or state

    def extreme(low: None, x: int, y: int, high: int) -> int:
        return x if order(high, x, y) * sign > 0 else y

    def difference(low: int, x: int, y: int, high: int) -> int:
        whole = order(high, x, y) or low
        return ((x - y) * whole - (whole * low < 0)) % task.base

    given = task.machine and task.machine.transducer
    if (carries := given or affine_transducer(task)) is not None and carries.direction == "lsd":
        step = carries.step
        return Bimachine(carries.start, lambda s, x, y: step(s, x, y)[0], None, stays, lambda s, x, y, _: step(s, x, y)[1])
    if (remainders := given or quotient_transducer(task)) is not None:
        divide = remainders.step
        return Bimachine(None, stays, remainders.start, lambda r, x, y: divide(r, x, y)[0], lambda _, x, y, r: divide(r, x, y)[1])
    match task.expression:
        case Call("max" | "min" as name, (Var(one), Var(two))) if one != two:
            sign = 1 if name == "max" else -1
            return Bimachine(None, stays, 0, order, extreme)
        case Call("abs", (Binary("-", Var(one), Var(two)),)) if one != two:
            return Bimachine(0, later, 0, order, difference)
    return None


class Twins:
    """A bimachine on the operands of a box, beside its twin on the operands cut to the trained length."""

    def __init__(self, machine: Bimachine, task: Task, trained: int, box: Box) -> None:
        self.machine, self.task, self.trained, self.box = machine, task, trained, box
        self.read = {node.name for node in nodes(task.expression) if isinstance(node, Var)}
        self.steps = 0
        self.known: dict[Any, Counter[Any]] = {}

    def shares(self, width: int) -> list[Fraction]:
        """Per digit, the share of pairs of operands on which the two write the same.

        Digits at different places are independent, hence so are what is read below a place, at it, and above it.

        Raises:
            TooLarge: more than 2 million steps.
        """
        machine = self.machine
        kinds = [self._kind(i) for i in range(max(width, self.box.a.digits, self.box.b.digits))]
        lows = self._laws(kinds, machine.low, machine.below)
        highs = self._laws(kinds[::-1], machine.high, machine.above)[::-1]
        pairs = prod(len(xs) * len(ys) for xs, ys, _ in kinds)
        return [Fraction(self._agreeing(*place), pairs) for place in list(zip(kinds, lows, highs, strict=True))[:width]]

    def _kind(self, i: int) -> Kind:
        """An operand that the task does not read is taken as 0."""
        operands = (("a", self.box.a), ("b", self.box.b))
        xs, ys = (digits_at(operand, i, self.task.base) if name in self.read else range(1) for name, operand in operands)
        return xs, ys, i >= self.trained

    def _laws(self, kinds: list[Kind], start: Any, step: Callable[[Any, int, int], Any]) -> list[Counter[Pair]]:
        """Before each place, how many digits read so far lead to each pair of states."""
        laws = [Counter({(start, start): 1})]
        for kind in kinds[:-1]:
            after: Counter[Pair] = Counter()
            for pair, number in laws[-1].items():
                for following, ways in self._both(step, pair, kind).items():
                    after[following] += number * ways
            laws.append(after)
        return laws

    def _agreeing(self, kind: Kind, lows: Counter[Pair], highs: Counter[Pair]) -> int:
        total = 0
        for (low, i), (high, j) in product(lows.items(), highs.items()):
            written = self._both(self._write, ((low[0], high[0]), (low[1], high[1])), kind)
            total += i * j * sum(ways for (c, d), ways in written.items() if c == d)
        return total

    def _write(self, state: Pair, x: int, y: int) -> int:
        low, high = state
        return self.machine.write(low, x, y, high)

    def _both(self, function: Callable[[Any, int, int], Any], pair: Pair, kind: Kind) -> Counter[Pair]:
        """The values at the two states of the pair, over all digits of this kind: the twin reads 0 at a place that is cut."""
        key = function, pair, kind
        if key not in self.known:
            xs, ys, cut = kind
            self.steps += len(xs) * len(ys)
            if self.steps > MAX_STEPS:
                raise TooLarge(f"more than {MAX_STEPS} steps of two machines")
            one, two = pair
            kept = 0 if cut else 1
            self.known[key] = Counter((function(one, x, y), function(two, kept * x, kept * y)) for x, y in product(xs, ys))
        return self.known[key]


# --------------------------------------------------------------------------------------------------------- laws of f^ and of f - f^


def _linear_mod(linear: tuple[int, int, int], p: int, base: int, trained: int, a: Range, b: Range, width: int) -> list[int]:
    """With v = f^ and d = f - f^ mod p independent: the pairs (v, d) for which (v + d) mod p has the digit of v, each with its weight."""
    import numpy as np

    alpha, beta, gamma = linear
    base_power = base**trained
    v = np.arange(p)
    f = (v[:, None] + v) % p  # f[v, d]
    agree = [same_digit(i, base)(f, v[:, None]).astype(np.int64) for i in range(width)]
    counts = [0] * width
    for (high_a, low_a), (high_b, low_b) in product(pieces(a, base_power), pieces(b, base_power)):
        truncated = [(weight, np.roll(law, gamma % p)) for weight, law in _sum_law(alpha, low_a, beta, low_b, p)]
        shift = _sum_law(alpha * base_power, high_a, beta * base_power, high_b, p)
        for i in range(width):
            for weight, law in shift:
                seen = agree[i] @ law
                counts[i] += sum(weight * other * int(by_value @ seen) for other, by_value in truncated)
    return counts


def _sum_law(alpha: int, r: Range, beta: int, s: Range, p: int) -> list[tuple[int, Vector]]:
    """The numbers of (x, y) in r x s with each residue of alpha*x + beta*y mod p, as a sum of multiples of vectors of small numbers."""
    import numpy as np

    parts = []
    for (i, one), (j, two) in product(_multiple_law(alpha, r, p), _multiple_law(beta, s, p)):
        full = np.convolve(one, two)
        full[: p - 1] += full[p:]
        parts.append((i * j, full[:p]))
    return parts


def _multiple_law(slope: int, r: Range, p: int) -> list[tuple[int, Vector]]:
    """The same for slope*x mod p: so many whole periods, and a rest."""
    import numpy as np

    found = []
    for count, part in folded(r, p):
        found.append((count, np.bincount(slope % p * (np.arange(*part) % p) % p, minlength=p)))
    return found


def _digit_sums(p: int | None, base: int, trained: int, r: Range, width: int) -> list[int] | None:
    """digitsum(a) mod p, or the digit sum itself: the sums s of x and t of A are independent, f^ = s and f = s + t, both mod p."""
    largest = (base - 1) * (digit_count(r[1], base) + trained)
    modulus = min(p or largest + 1, largest + 1)
    if modulus > MAX_DIGIT_SUM:
        return None
    sums, counts = DigitSums(base, modulus), [0] * width
    for high, low in pieces(r, base**trained):
        above, below = ([(s, n) for s, n in enumerate(sums.law(part, range(modulus))) if n] for part in (high, low))
        if len(above) * len(below) > MAX_SUMS:
            return None
        for i in range(width):
            same = same_digit(i, base)
            counts[i] += sum(n * sum(m for t, m in above if same((s + t) % modulus, s)) for s, n in below)
    return counts


def _reversed_digits(base: int, trained: int, operand: Operand, width: int) -> list[int]:
    """Of the numbers a of an operand, per digit those whose reversal has the digit that the reversal of x = a mod B^n has.

    Let a have l > n digits. Above them both reversals are 0. Digit 0 is the leading digit of a, and that of x: they are independent and not
    0, but x = 0 has none. Digit i between is digit p = l-1-i of a: one x in B has it in its place, except that both are 0 wherever x has
    at most i digits, which for i <= p < n adds the (B-1)*B^(i-1) of the x that have i digits exactly.
    """
    power, counts = base**trained, [0] * width
    for digits in range(operand.digits if operand.nonzero_top else 1, operand.digits + 1):
        if digits <= trained:
            inside = range(base ** (digits - 1) if digits > 1 else 0, base**digits)
            counts = [count + len(inside) for count in counts]
            continue
        above = base ** (digits - trained - 1)  # high parts, for each leading digit
        for i in range(width):
            if i == 0:
                counts[i] += above * (power - 1)
            elif i >= digits:
                counts[i] += above * (base - 1) * power
            else:
                more = (base - 1) * base ** (i - 1) if i <= digits - 1 - i < trained else 0
                counts[i] += above * (base - 1) * (power // base + more)
    return counts

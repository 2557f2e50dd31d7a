"""Decidable properties of a task, each with a certificate or a counterexample in plain words.

The engine is the finite test-set theorem, sharpened per operand. For an expression E over + - * % // let d_a be its degree in a, with
degree 0 for E % q, and let D_a be the product of the divisors along nesting (only where the part below has a positive degree in a), lcm
across + - *; the same for b. Then on every residue class mod (D_a, D_b) the expression is a polynomial of degrees (d_a, d_b), so it is
identically 0 iff it is 0 on the grid [0, D_a(d_a+1)) x [0, D_b(d_b+1)). And for a polynomial P, the function P % p is identically 0 iff it
is 0 on [0, d_a] x [0, d_b]: the forward differences there are the coefficients of P in the basis C(a, i) C(b, j), and P vanishes mod p iff
they all do. This second test does not grow with p.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from math import gcd, lcm

from theory.expressions import Binary, Const, Expression, Var, affine, bounds, evaluate, polynomial, substitute
from theory.layouts import Layout
from theory.tasks import Task, digit_count

GRID_LIMIT = 2_500_000  # points of an exact test


@dataclass(frozen=True)
class Property:
    """A decided or undecided property.

    Attributes:
        value: True or False, both proven; None where it does not apply or this version does not decide it.
        certificate: one sentence: the proof, the counterexample, or why it is undecided.
        digits: the least number of digits, for properties that have one and hold.
    """

    value: bool | None
    certificate: str
    digits: int | None = None


class Undecided(Exception):
    """An exact test would need a larger grid than GRID_LIMIT."""


OUTSIDE = Property(None, "outside the class of expressions that this version decides")
NEGATIVE = Property(None, "undecided: the value may be negative, which has no digits")


# ---------------------------------------------------------------------------------------------------------------- finite test sets


def degrees(expression: Expression) -> tuple[int, int]:
    """Upper bounds of the degrees in a and b on a residue class; (0, 0) implies a bounded, periodic function."""
    match expression:
        case Var(name):
            return (1, 0) if name == "a" else (0, 1)
        case Const() | Binary("%"):
            return 0, 0
        case Binary("//", left):
            return degrees(left)
        case Binary(op, left, right):
            (i, j), (k, m) = degrees(left), degrees(right)
            return (i + k, j + m) if op == "*" else (max(i, k), max(j, m))


def period(expression: Expression) -> tuple[int, int]:
    """(D_a, D_b): the function is polynomial on every residue class mod these, of the degrees above."""
    match expression:
        case Binary("%" | "//", left, Const(q)):
            (i, j), (k, m) = degrees(left), period(left)
            return (k * q if i else k), (m * q if j else m)
        case Binary(_, left, right):
            (i, j), (k, m) = period(left), period(right)
            return lcm(i, k), lcm(j, m)
    return 1, 1


def magnitude(expression: Expression, largest: int) -> int:
    """A bound of every intermediate value for 0 <= a, b <= largest."""
    own = max(abs(bound) for bound in bounds(expression, largest))
    match expression:
        case Binary(_, left, right):
            return max(own, magnitude(left, largest), magnitude(right, largest))
    return own


@cache
def _samples() -> tuple[tuple[int, int], ...]:
    rng = random.Random(0)
    small = [(a, b) for a in range(12) for b in range(12)]
    return (*small, *((rng.getrandbits(rng.randint(1, 14)), rng.getrandbits(rng.randint(1, 14))) for _ in range(400)))


def nonzero_point(expression: Expression) -> tuple[int, int] | None:
    """A point (a, b) with a value other than 0; None where the expression is identically 0, which is then proven.

    Raises:
        Undecided: no such point among the samples, and the exact test is too large.
    """
    for a, b in _samples():
        if evaluate(expression, a, b):
            return a, b
    inner = polynomial(expression.left) if isinstance(expression, Binary) and expression.op == "%" else polynomial(expression)
    d, e = (max((key[k] for key in inner), default=0) for k in (0, 1)) if inner is not None else degrees(expression)
    rows, columns = (1, 1) if inner is not None else period(expression)
    rows, columns = rows * (d + 1), columns * (e + 1)
    if rows * columns > GRID_LIMIT:
        raise Undecided(f"the exact test needs a grid of {rows} x {columns} points")
    import numpy as np

    dtype = np.int64 if magnitude(expression, max(rows, columns)) < 2**62 else object
    grid = np.arange(rows).astype(dtype)[:, None], np.arange(columns).astype(dtype)[None, :]
    hits = np.argwhere(np.broadcast_to(evaluate(expression, *grid) != 0, (rows, columns)))
    return (int(hits[0][0]), int(hits[0][1])) if len(hits) else None


def shift_witness(expression: Expression, shift: int) -> tuple[str, int, int] | None:
    """(operand, a, b) where adding `shift` to the operand changes the value, or None where shift is proven a period in both operands.

    Raises:
        Undecided: see nonzero_point.
    """
    for name, degree, step in zip("ab", degrees(expression), period(expression), strict=True):
        moved = Binary("+", Var(name), Const(shift if degree else shift % step))
        moves: dict[str, Expression] = {other: moved if other == name else Var(other) for other in "ab"}
        match expression:
            case Binary("%", inner, Const(p)) if polynomial(inner) is not None:
                change = Binary("%", Binary("-", substitute(inner, moves), inner), Const(p))
            case _:
                change = Binary("-", substitute(expression, moves), expression)
        point = nonzero_point(change)
        if point is not None:
            return (name, *point)
    return None


# ---------------------------------------------------------------------------------------------------------- translation invariance


def translation_invariance(task: Task) -> Property:
    """Whether a finite digit-serial machine with finite delay computes f and can always come back to its start state.

    The machine reads one digit pair and writes one result digit per step, with a delay of d steps; it sees the number between unlimited
    zeros, so it is not told where the number ends. Either direction makes the property true; see translation_by_direction.
    """
    lsd, msd = translation_by_direction(task).values()
    first, last = f"least significant first: {lsd.certificate}", f"most significant first: {msd.certificate}"
    if lsd.value or msd.value:
        return Property(True, first if lsd.value else last)
    if lsd.value is None or msd.value is None:
        return lsd if lsd.value is None else msd
    return Property(False, lsd.certificate if lsd == msd else f"{first}; {last}")


def translation_by_direction(task: Task) -> dict[str, Property]:
    """Translation invariance with a machine that reads the least (`lsd`) or the most (`msd`) significant digit first.

    Two facts decide most tasks. Read lsd, a machine that is back at its start after t steps treats the rest as a fresh problem:
    f(u + B^t*v) = w + B^t*f(v) with w < B^t. Read msd with delay d, the digits of f(B^m*v) above m >= d were written before the machine
    could tell the m zeros from the end of v: f(v) = floor(f(B^m*v) / B^m).

    - Bounded and not identically 0, f(v) > 0: lsd, any long prefix can be prolonged to a u back at the start, and then
      f(u + B^t*v) >= B^t for arbitrarily large t; msd, floor(f(B^m*v) / B^m) = 0 for large m. Both contradict the facts, so False.
    - Polynomial of degree >= 2: lsd, one derivative, say in a, takes unboundedly many values f_a(x) on low words x, and f_a(x) is the
      linear coefficient of the rest of the computation after x, so no finite number of states will do; msd, f(B^m*v) / B^m grows with m.
    - alpha*a + beta*b + gamma, all >= 0: see _affine_lsd and _affine_msd. a//q: see _quotient_lsd; msd the remainder is the state.
    """
    expression, base = task.expression, task.base
    coefficients, terms = affine(expression), polynomial(expression)
    if coefficients is not None:
        return _both(NEGATIVE) if min(coefficients) < 0 else {"lsd": _affine_lsd(*coefficients), "msd": _affine_msd(*coefficients, base)}
    if terms is not None:
        too_long = "an operand of n digits can give more than n + d digits, whatever the delay d"
        return {"lsd": _sections(expression, terms, base), "msd": Property(False, too_long)}
    match expression:
        case Binary("//", Var(name), Const(q)):
            division = f"long division of {name}: the state is one of {_short(q)} remainders, and from each some digits lead back to 0"
            return {"lsd": _quotient_lsd(q, base), "msd": Property(True, division)}
    if degrees(expression) != (0, 0):
        return _both(OUTSIDE)
    if _may_be_negative(expression):
        return _both(NEGATIVE)
    try:
        point = nonzero_point(expression)
    except Undecided as reason:
        return _both(Property(None, f"undecided: {reason}"))
    if point is None:
        return _both(Property(True, "the value is always 0: one state"))
    bound = f"{_value(expression, *point)}, but f never exceeds {_short(bounds(expression, max(period(expression)))[1])}"
    return _both(Property(False, f"{bound}: operands moved up by many digits do not move the result up, so the machine must stop for good"))


def _both(found: Property) -> dict[str, Property]:
    return {"lsd": found, "msd": found}


def _affine_lsd(alpha: int, beta: int, gamma: int) -> Property:
    """The carry machine, which is minimal; zeros lead any carry to 0, and from 0 exactly the carries below alpha + beta are reachable."""
    top = max(alpha + beta - 1, 0)
    if gamma > top:
        return Property(False, f"the start carry {gamma} never recurs: zeros bring the carry to 0, and from there it stays <= {top}")
    return Property(True, f"the carry machine with carries 0..{top}: zeros bring any carry to 0, and from 0 the start carry {gamma} recurs")


def _affine_msd(alpha: int, beta: int, gamma: int, base: int) -> Property:
    """alpha*a needs the carry floor(alpha * 0.xyz...) from below: d digits decide it for every input iff alpha divides B^d.

    With two operands alpha*u + beta*v passes B^d inside the cell of u = (B^d - 1) // alpha, v = 0, for every d.
    """
    if gamma:
        return Property(False, f"the constant {gamma} has to be added at the last digit, which the machine cannot recognise")
    if alpha and beta:
        return Property(False, "a carry can come from any distance below, so no finite delay is enough")
    slope = alpha or beta or 1
    if base ** slope.bit_length() % slope == 0:
        return Property(True, f"the next few digits fix the carry, because {slope} divides a power of {base}")
    return Property(False, f"{slope} does not divide a power of {base}: the carry can depend on a digit at any distance below")


def _quotient_lsd(q: int, base: int) -> Property:
    """floor(a / q) mod B has the period B*q and none that is a power of B, unless q divides some B^m: floor((a + B^m) / q) - floor(a / q)
    takes two consecutive values otherwise, and one of them is not 0 mod B. If q divides B^m, digit i is fixed by the digits i..i+m."""
    if base ** q.bit_length() % q == 0:
        return Property(True, f"a window of a few digits is the state, because {q} divides a power of {base}")
    return Property(False, f"{q} does not divide a power of {base}: the last digit depends on operand digits at any distance above")


def _sections(expression: Expression, terms: dict[tuple[int, int], int], base: int) -> Property:
    """The machine's lower bound: low words x, y of k digits leave the function (f(x + B^k*A, y + B^k*C) - f(x, y) mod B^k) / B^k."""
    if terms.keys() == {(1, 1)}:
        return Property(False, f"the {base}^(2k) pairs of k-digit low words leave {base}^(2k) different rests, for every k")
    size = base if base**2 <= 256 else 16
    rests = set()
    for x in range(size):
        for y in range(size):
            moved = {name: Binary("+", Const(low), Binary("*", Const(base), Var(name))) for name, low in (("a", x), ("b", y))}
            rest = polynomial(substitute(expression, moved)) or {}
            rest[0, 0] = rest.get((0, 0), 0) // base
            rests.add(frozenset(rest.items()))
    seen = f"after one digit pair {len(rests)} different rests among {size}^2"
    return Property(False, f"the number of different rests of the computation grows without bound with the digits read: {seen}")


# ---------------------------------------------------------------------------------------------------------------- base and support


def base_compatibility(task: Task) -> Property:
    """Whether p divides a power of the base, and the least power; None for a task without an outermost mod p."""
    p, base = task.modulus, task.base
    if p is None:
        return Property(None, f"{task.text} has no outermost modulus")
    if base ** p.bit_length() % p == 0:
        m = next(m for m in range(p.bit_length() + 1) if base**m % p == 0)
        return Property(True, f"{_short(p)} divides {base}^{m}", m)
    rest = p
    while (common := gcd(rest, base)) > 1:
        rest //= common
    return Property(False, f"{_short(p)} never divides a power of {base}: its factor {_short(rest)} is prime to {base}")


def low_support(task: Task) -> Property:
    """Whether f depends only on the low m digits of each operand, and the least m.

    It does iff B^m is a period in both operands. A function that is periodic in a at all has a minimal period that divides D_a, and a
    divisor of D that divides some power of B divides B^(bit length of D): one witness against that power rules out every m.
    """
    return _low_support(task.expression, task.base)


def _low_support(expression: Expression, base: int) -> Property:
    modulus = max(period(expression))
    top = modulus.bit_length()
    try:
        witness = shift_witness(expression, base**top)
        if witness is not None:
            no_help = f"more digits do not help either (finite test-set theorem, D = {_short(modulus)})"
            return Property(False, f"{_clash(expression, witness, base, top)}; {no_help}")
        below = ""
        for m in range(top + 1):
            witness = shift_witness(expression, base**m)
            if witness is None:
                enough = f"f depends on the low {_count(m)} only" if m else "f is constant"
                return Property(True, f"{enough}, by an exact finite test{below}", m)
            below = f"; {_count(m)} would not do: {_clash(expression, witness, base, m)}"
    except Undecided as reason:
        return Property(None, f"undecided: {reason}")
    raise AssertionError("base**top passed the test above")


def _clash(expression: Expression, witness: tuple[str, int, int], base: int, digits: int) -> str:
    """The witness against `digits` low digits in words."""
    name, a, b = witness
    shift = base**digits
    c, d = (a + shift, b) if name == "a" else (a, b + shift)
    moved = f"{_short(a)} + {base}^{digits}, {_short(b)}" if name == "a" else f"{_short(a)}, {_short(b)} + {base}^{digits}"
    return f"{_value(expression, a, b)} but f({moved}) = {_short(evaluate(expression, c, d))}"


def _count(digits: int) -> str:
    return "1 digit" if digits == 1 else f"{digits} digits"


def _short(value: int) -> str:
    """The number, cut in the middle where it is long."""
    if value.bit_length() < 80:
        return str(value)
    size = digit_count(abs(value), 10)
    return f"{value // 10 ** (size - 6)}...{abs(value) % 10**6:06} ({size} digits)"


def _value(expression: Expression, a: int, b: int) -> str:
    return f"f({_short(a)}, {_short(b)}) = {_short(evaluate(expression, a, b))}"


def identifiability(task: Task, longest: int) -> Property:
    """Whether some pair of operands of up to `longest` digits reaches the modulus; if none does, mod p cannot be learned from the data."""
    terms = polynomial(task.inner)
    if task.modulus is None or terms is None or min(terms.values(), default=0) < 0:
        return Property(None, "decided only for a polynomial with coefficients >= 0 under an outermost modulus")
    top = task.base**longest - 1
    largest = evaluate(task.inner, top, top)
    if largest >= task.modulus:
        return Property(True, f"the pair ({top}, {top}) reaches {largest} >= {task.modulus} before the modulus is taken")
    return Property(False, f"no pair of up to {longest} digits exceeds {largest} < {task.modulus}: the modulus never acts")


# ------------------------------------------------------------------------------------------------------------------------ causality


def causality(task: Task, layout: Layout) -> Property:
    """Whether every result digit is a function of the operand digits that stand before its query (the token before it).

    Only the interleaved layout can fail: c_i sees the digits 0..i (lsd) or i and above (msd). The index i is taken as known.
    """
    if layout.name != "interleaved":
        return Property(True, "all operand digits stand before the first result digit")
    return _causal_lsd(task.expression, task.base) if layout.direction == "lsd" else _causal_msd(task.expression, task.base)


def _causal_lsd(expression: Expression, base: int) -> Property:
    """f mod B^j may depend on the low j digits only, for every j >= 1."""
    if _lipschitz(expression, base):
        return Property(True, f"sums, products and remainders mod powers of {base} never move information to a lower digit")
    match expression:
        case Binary("%", inner, Const(p)) if (coefficients := affine(inner)) is not None:
            return _causal_affine(expression, coefficients, p, base)
    support = _low_support(expression, base)
    if support.digits is None and degrees(expression) == (0, 0):
        return Property(support.value, f"causal would mean that finitely many low digits fix f: {support.certificate}")
    longest = support.digits if support.digits is not None else digit_count(max(period(expression)), base) + 1
    reason = "no counterexample among small operands"
    for j in range(1, longest + 1):
        try:
            witness = shift_witness(Binary("%", expression, Const(base**j)), base**j)
        except Undecided as limit:
            support, reason = OUTSIDE, str(limit)
            continue
        if witness is not None:
            return _not_causal(expression, witness, base, j)
    if support.digits is None:
        return Property(None, f"undecided: {reason}")
    return Property(True, f"the low j digits of f need the low j operand digits only, for j = 1..{longest}, by exact finite tests")


def _not_causal(expression: Expression, witness: tuple[str, int, int], base: int, j: int) -> Property:
    clash = _clash(expression, witness, base, j)
    return Property(False, f"{clash}: a change below {base}^{j} that the operands below {base}^{j} do not show")


def _lipschitz(expression: Expression, base: int) -> bool:
    """Whether the form of the expression shows causality from the least significant digit."""
    match expression:
        case Binary("%", left, Const(p)):
            return _lipschitz(left, base) and p in {base**k for k in range(p.bit_length() + 1)}
        case Binary(op, left, right):
            return op != "//" and _lipschitz(left, base) and _lipschitz(right, base)
    return True


def _causal_affine(expression: Expression, coefficients: tuple[int, int, int], p: int, base: int) -> Property:
    """(alpha*a + beta*b + gamma) mod p: causal iff for each j either B^j divides p, or p / gcd(p, alpha, beta) divides B^j.

    A shift of a by B^j adds s = alpha*B^j mod p to the value, or s - p where it wraps; if s > 0 both happen: so B^j must divide s and p.
    """
    alpha, beta, gamma = coefficients
    essential = p // gcd(p, alpha, beta)
    for j in range(1, p.bit_length() + 1):
        if base**j % essential == 0:
            break
        if p % base**j:
            name, slope = ("a", alpha) if alpha * base**j % p else ("b", beta)
            common = gcd(slope, p)
            for value in (gamma % common, p - common + gamma % common):  # the first does not wrap, the second does
                x = (value - gamma) // common * pow(slope // common, -1, p // common) % (p // common)
                a, b, c, d = (x, 0, x + base**j, 0) if name == "a" else (0, x, 0, x + base**j)
                if (evaluate(expression, a, b) - evaluate(expression, c, d)) % base**j:
                    return _not_causal(expression, (name, a, b), base, j)
    return Property(True, f"for each j, {base}^j divides {_short(p)} or {_short(essential)} divides {base}^j: low digits need low digits")


def _causal_msd(expression: Expression, base: int) -> Property:
    """floor(f / B^i) may depend on floor(a / B^i) and floor(b / B^i) only, for every i."""
    coefficients = affine(expression)
    if coefficients in ((1, 0, 0), (0, 1, 0)) or (coefficients is not None and coefficients[:2] == (0, 0)):
        return Property(True, "every result digit is the operand digit itself, or constant")
    match expression:
        case Binary("//", Var(name)):
            return Property(True, f"long division of {name}: the remainder of the digits above and digit i fix the quotient digit")
    if _may_be_negative(expression):
        return NEGATIVE
    bounded = degrees(expression) == (0, 0)
    highest = bounds(expression, max(period(expression)))[1] if bounded else evaluate(expression, 0, 0)
    longest = digit_count(highest, base) + (-1 if bounded else 2)
    try:
        for i in range(1, longest + 1):
            size, top = Const(base**i), base**i - 1
            cut: dict[str, Expression] = {name: Binary("-", Var(name), Binary("%", Var(name), size)) for name in "ab"}
            change = Binary("-", Binary("//", expression, size), Binary("//", substitute(expression, cut), size))
            corners = (point for point in ((top, top), (top, 0), (0, top)) if evaluate(change, *point))
            point = next(corners, None) or nonzero_point(change)
            if point is not None:
                a, b = point
                seen = f"{_value(expression, a, b)} and {_value(expression, a - a % base**i, b - b % base**i)}"
                return Property(False, f"{seen} differ in digit {i} or above, but their operands only below digit {i}")
    except Undecided as reason:
        return Property(None, f"undecided: {reason}")
    if not bounded:
        return Property(None, "undecided: no counterexample among small operands")
    return Property(True, f"digit i needs digits i and above only, for the {_count(longest + 1)} of the result, by exact finite tests")


def _may_be_negative(expression: Expression) -> bool:
    """Whether the bounds of the expression leave room for a negative value."""
    return bounds(expression, max(*period(expression), 10**6))[0] < 0

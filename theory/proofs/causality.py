"""Causality: whether each result digit needs only operand digits that stand before it, which a layout must grant."""

from __future__ import annotations

from functools import lru_cache
from math import gcd

from theory.language.expressions import Binary, Call, Const, Expression, Var, affine, bounds, evaluate, substitute
from theory.language.layouts import Layout
from theory.language.tasks import Task, digit_count
from theory.proofs.properties import NEGATIVE, OUTSIDE, Property, clash, low_support_of, may_be_negative, short, value_at
from theory.proofs.testsets import Undecided, degrees, nonzero_point, period, shift_witness
from theory.words import counted


@lru_cache(256)
def causality(task: Task, layout: Layout) -> Property:
    """Whether every result digit is a function of the operand digits that stand before its query (the token before it).

    Only the interleaved layouts can fail: c_i sees the digits 0..i (lsd) or i and above (msd). The index i is taken as known.

    >>> from theory.language.layouts import make_layout
    >>> from theory.language.tasks import make_task
    >>> causality(make_task("mod-add", modulus=101), make_layout("interleaved", 4)).certificate
    'f(100, 0) = 100 but f(100 + 10^1, 0) = 9: a change below 10^1 that the operands below 10^1 do not show'
    """
    if not layout.interleaved:
        return Property(True, "all operand digits stand before the first result digit")
    if task.machine is not None:
        from theory.automata.machine_tasks import machine_causality

        return machine_causality(task.machine, layout.direction)
    if layout.direction == "lsd":
        return _causal_lsd(task.expression, task.base)
    return _borrowing(task) if task.needs_order else _causal_msd(task.expression, task.base)


@lru_cache(256)  # one task meets many layouts and encodings
def _causal_lsd(expression: Expression, base: int) -> Property:
    """f mod B^j may depend on the low j digits only, for every j >= 1."""
    if lipschitz(expression, base):
        return Property(True, f"sums, products and remainders mod powers of {base} never move information to a lower digit")
    match expression:
        case Binary("%", inner, Const(p)) if (coefficients := affine(inner)) is not None:
            return _causal_affine(expression, coefficients, p, base)
    support = low_support_of(expression, base)
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
    found = clash(expression, witness, base, j)
    return Property(False, f"{found}: a change below {base}^{j} that the operands below {base}^{j} do not show")


def lipschitz(expression: Expression, base: int) -> bool:
    """Whether the form of the expression shows causality from the least significant digit."""
    match expression:
        case Binary("%", left, Const(p)):
            return lipschitz(left, base) and p in {base**k for k in range(p.bit_length() + 1)}
        case Binary(op, left, right):
            return op != "//" and lipschitz(left, base) and lipschitz(right, base)
        case Call():
            return False
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
    return Property(True, f"for each j, {base}^j divides {short(p)} or {short(essential)} divides {base}^j: low digits need low digits")


def _borrowing(task: Task) -> Property:
    """Of a task that needs order, alpha*B^i + gamma and alpha*B^i + beta*b + gamma < alpha*B^i, both for a = B^i > b."""
    coefficients = affine(task.expression)
    assert coefficients is not None
    b = coefficients[2] // -coefficients[1] + 1
    i = digit_count(b, task.base)
    a = task.base**i
    seen = f"{value_at(task.expression, a, 0)} and {value_at(task.expression, a, b)}"
    return Property(False, f"{seen} differ in digit {i} or above, but their operands only below digit {i}")


@lru_cache(256)
def _causal_msd(expression: Expression, base: int) -> Property:
    """floor(f / B^i) may depend on floor(a / B^i) and floor(b / B^i) only, for every i."""
    coefficients = affine(expression)
    if coefficients in ((1, 0, 0), (0, 1, 0)) or (coefficients is not None and coefficients[:2] == (0, 0)):
        return Property(True, "every result digit is the operand digit itself, or constant")
    match expression:
        case Binary("//", Var(name)):
            return Property(True, f"long division of {name}: the remainder of the digits above and digit i fix the quotient digit")
    if may_be_negative(expression):
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
                seen = f"{value_at(expression, a, b)} and {value_at(expression, a - a % base**i, b - b % base**i)}"
                return Property(False, f"{seen} differ in digit {i} or above, but their operands only below digit {i}")
    except Undecided as reason:
        return Property(None, f"undecided: {reason}")
    if not bounded:
        return Property(None, "undecided: no counterexample among small operands")
    asked = counted(longest + 1, "digit")
    return Property(True, f"digit i needs digits i and above only, for the {asked} of the result, by exact finite tests")

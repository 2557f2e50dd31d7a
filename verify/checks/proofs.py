"""Live proofs about tasks and layouts: which digits a result depends on, and by what rule."""

from __future__ import annotations

from math import gcd
from typing import Annotated, Any, Literal

from pydantic import Field

from theory.language.domains import Operand, boxes
from theory.language.expressions import affine, polynomial
from theory.language.layouts import LAYOUTS, Layout
from theory.language.tasks import Task, make_task
from verify.checks.registry import Base, Bases, CheckResult, Digits, Moduli, check, flipped, proven

Expr = Annotated[str, Field(min_length=1, max_length=100)]
TwoOrMore = Annotated[int, Field(ge=2, le=50)]
Widths = Annotated[list[Digits], Field(min_length=1, max_length=20)]
Operation = Literal["add", "mul"]


@check(wrong=flipped)
def translation_invariant(expr: Expr, bases: Bases, expected: bool) -> CheckResult:
    """Is the task a finite digit-serial transducer whose start is reachable from every reachable state?

    alpha*a + beta*b + gamma: z3 proves the induction step, and the carries, found by exhausting all digits, are the
    states. a*b: no finite transducer in either direction; see `_product_has_no_transducer`.
    """
    details, examined, found = [], 0, set()
    for base in bases:
        task = make_task(expr=expr, base=base)
        linear = affine(task.expression)
        if linear is not None and min(linear) >= 0:
            invariant, detail, cases = _carry_machine(*linear, base)
        elif polynomial(task.expression) == {(1, 1): 1}:
            invariant, detail, cases = _product_has_no_transducer(base)
        else:
            raise ValueError(f"{expr}: only alpha*a + beta*b + gamma with coefficients >= 0 and a*b can be proved here")
        _agree_with_theory(task, invariant)
        found.add(invariant)
        examined += cases
        details.append(f"base {base}: {detail}")
    return proven(found == {expected}, "; ".join(details), examined)


def _agree_with_theory(task: Task, invariant: bool) -> None:
    """The theory engine answers the same question by another route; a disagreement is a bug in one of the two."""
    from theory.proofs.properties import translation_invariance

    said = translation_invariance(task).value
    if said is not invariant:
        raise RuntimeError(f"theory.proofs.properties says {said} for {task.text} in base {task.base}, the proof says {invariant}")


def _carry_machine(alpha: int, beta: int, gamma: int, base: int) -> tuple[bool, str, int]:
    """The least-significant-first machine of alpha*a + beta*b + gamma: the recursion is that of every base, the carries are this one's."""
    from theory.proofs.smt import EveryBaseLinear

    if not EveryBaseLinear(alpha, beta, max(alpha + beta - 1, gamma)).check():
        raise RuntimeError(f"z3 does not prove the digit recursion of {alpha}*a + {beta}*b")
    after: dict[int, set[int]] = {}
    todo = [gamma]
    while todo:  # ends: a carry is at most gamma or alpha + beta
        state = todo.pop()
        if state not in after:
            after[state] = {(alpha * x + beta * y + state) // base for x in range(base) for y in range(base)}
            todo.extend(after[state])
    returns = {gamma}
    while grown := {state for state in after if after[state] & returns} - returns:
        returns |= grown
    invariant = returns == set(after)
    detail = f"digit recursion proven by z3, carries {sorted(after)}, start {'reachable from all' if invariant else 'not reachable again'}"
    return invariant, detail, len(after) * base * base


def _product_has_no_transducer(base: int) -> tuple[bool, str, int]:
    """a*b is no finite transducer of finite delay d.

    Least significant first: after k digits (x, y), M = B^k, what remains to be written is a function of the digits to
    come. One more at a = 1 changes it by B^d*y, at b = 1 by B^d*x: all B^(2k) prefixes need different states, for every k.
    Most significant first: with b = B^i the lowest digit of a is digit i of the product, for every i, so no finite
    delay is enough.
    """
    import sympy

    x, y, m, low = sympy.symbols("x y M a0", integer=True, nonnegative=True)
    steps = sympy.expand((x + m) * y - x * y - m * y), sympy.expand(x * (y + m) - x * y - m * x)
    top = sympy.expand(low * m - m * low)
    if any(steps) or top:
        raise RuntimeError("the identities behind the state count do not hold")
    depth = 2 if base <= 10 else 1
    size = base**depth
    sections = {
        tuple((u + size * s) * (v + size * t) // size for s, t in ((0, 0), (1, 0), (0, 1))) for u in range(size) for v in range(size)
    }
    if len(sections) != size * size:
        raise RuntimeError(f"{len(sections)} sections at depth {depth}, not {size * size}")
    detail = f"B^(2k) states are needed after k digits ({len(sections)} counted at k = {depth}); no delay is enough the other way"
    return False, detail, size * size


@check(wrong=lambda params: {**params, "moduli": [params["base"] + 1]})
def depends_on_low_digits(operation: Operation, moduli: Moduli, base: Base, digits: Digits) -> CheckResult:
    """f mod p depends on the low `digits` digits of each operand alone.

    If B^m = p*t then f(A*B^m + x, C*B^m + y) - f(x, y) is p times an integer polynomial (sympy); if not, the digit
    above the low ones changes the result, and the witness is shown.
    """
    import sympy

    high_a, high_b, x, y, p, t = sympy.symbols("A C x y p t", integer=True)
    a, b = high_a * p * t + x, high_b * p * t + y
    difference = sympy.expand(a + b - (x + y) if operation == "add" else a * b - x * y)
    quotient, rest = sympy.div(difference, p, p)
    if rest != 0 or sympy.denom(sympy.together(quotient)) != 1:
        raise RuntimeError("the difference is not divisible by p")
    power = base**digits
    for modulus in moduli:
        low = _low_support(operation, modulus, base)
        if (low is not None and low <= digits) != (power % modulus == 0):
            raise RuntimeError(f"theory.proofs.properties says low support {low} for {operation} mod {modulus} in base {base}")
        if power % modulus:
            other = 0 if operation == "add" else 1
            return proven(False, f"p = {modulus}: a = {power}, b = {other} gives {power % modulus}, a = 0 gives 0", len(moduli))
    shown = ", ".join(map(str, moduli))
    return proven(True, f"p divides {base}^{digits} for p = {shown}; the difference is p times a polynomial", len(moduli))


@check(wrong=lambda params: {**params, "moduli": [params["base"]]})
def needs_every_digit(operation: Operation, moduli: Moduli, base: Base) -> CheckResult:
    """No number of low digits is enough: a prime of p does not divide B, so p divides no power of B."""
    for modulus in moduli:
        rest = modulus
        while (common := gcd(rest, base)) > 1:
            rest //= common
        low = _low_support(operation, modulus, base)
        if (low is None) != (rest > 1):
            raise RuntimeError(f"theory.proofs.properties says low support {low} for {operation} mod {modulus} in base {base}")
        if rest == 1:
            return proven(False, f"p = {modulus} divides {base}^{low}: the digits above are not needed", len(moduli))
    detail = f"p = {', '.join(map(str, moduli))} divide no power of {base}: digit m of a alone changes the result, for every m"
    return proven(True, detail, len(moduli))


def _low_support(operation: str, modulus: int, base: int) -> int | None:
    from theory.proofs.properties import low_support

    found = low_support(make_task(f"mod-{operation}", base=base, modulus=modulus))
    if found.value is None or (found.value and found.digits is None):
        raise RuntimeError(f"theory.proofs.properties does not decide the low support of {operation} mod {modulus} in base {base}")
    return found.digits if found.value else None


@check(wrong=flipped)
def top_digit_zero_is_trained(domain: Literal["either", "both"], base: Base, digits: TwoOrMore, expected: bool) -> CheckResult:
    """Does an operand with top digit 0 occur in the training domain? A shorter operand needs that digit there."""
    law = boxes(domain, digits, base)
    lowest = {kind: min(_operand(box, kind).range(base)[0] for box in law) for kind in "ab"}
    zero = {kind: low < base ** (digits - 1) for kind, low in lowest.items()}
    found = all(zero.values())
    detail = f"least operands {lowest['a']} and {lowest['b']}: top digit 0 {'occurs for both' if found else 'never occurs for both'}"
    return proven(found is expected and zero["a"] is zero["b"], detail, 2 * len(law))


def _operand(box: Any, kind: str) -> Operand:
    operand: Operand = box.a if kind == "a" else box.b
    return operand


@check(wrong=flipped)
def relative_offsets_constant(
    layout: Literal["padded", "aligned", "interleaved"], base: Base, widths: Widths, expected: bool
) -> CheckResult:
    """Is the distance from the token before c_i to a_i, and to b_i, the same for all i below the width? (addition)"""
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout}")
    task, examined, constant = make_task("add", base=base), 0, True
    shown = ""
    for width in widths:
        form = Layout(layout, width)
        place = {slot: index for index, slot in enumerate(form.slots(form.widths(task, width)))}
        for kind in "ab":
            distances = [place[slot] - 1 - place[slot._replace(kind=kind)] for slot in place if slot.kind == "c" and slot.place < width]
            examined += len(distances)
            if len(set(distances)) > 1 and constant:
                constant, shown = False, f"; width {width}: distances to {kind}_i are {distances[:4]}"
    return proven(constant is expected, f"{layout}: distances {'constant' if constant else 'vary'} over i{shown}", examined)

"""Guessing: bounds on the share of lines that any predictor can get right where the layout is not causal for the task.

No network is exact there, and that is all that causality proves: a == b is 0 on nearly every line, and who says 0 is right there. A lower
bound by the pigeonhole principle: where one of k functions, each causal, is right on every line, one of them is right on 1/k of the lines.
An upper bound for (alpha*a + beta*b + gamma) mod p, least significant first: all its w digits are written before the digits of a from w on
arrive. Given all else they are one of R numbers A in a row, uniform, and the value moves by alpha*B^w*A mod p, which takes no value more
than ceil(R / q) times, q = p / gcd(p, alpha*B^w). The same for b.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd

from theory.language.domains import Operand, boxes
from theory.language.expressions import Call, affine, bounds
from theory.language.layouts import Layout
from theory.language.tasks import Task
from theory.local.lookahead import lookahead, looks_ahead
from theory.proofs.causality import lipschitz


def guess_bounds(task: Task, layout: Layout, domain: str, length: int) -> tuple[Fraction, Fraction]:
    """(low, high): the best predictor is right on a share between them of a domain's lines, in an interleaved layout."""
    counted = lookahead(task, layout.result_direction, 0) if looks_ahead(task, layout) and domain != "ordered" else None
    if counted is not None:  # by who knows the box of the operands; who does not can answer as in the heaviest
        if (domain, layout.result_direction) == ("either", "msd"):
            return (share := counted.by_top_group(length)), share
        shares = counted.by_box(domain, length)
        return max(shares), sum(shares, Fraction(0))
    return Fraction(1, _candidates(task, layout.result_direction, length)), _most(task, layout.result_direction, domain, length)


def _candidates(task: Task, direction: str, length: int) -> int:
    """k causal functions, one of which is right on every line of up to `length` digits: the values, or fewer."""
    low, high = bounds(task.expression, task.base**length - 1)
    count = high - low + 1
    if direction != "lsd" or task.machine is not None:
        return count
    match task.expression:
        case Call("max" | "min" | "abs", args) if all(lipschitz(arg, task.base) for arg in args):
            return min(count, 2)  # x and y of max(x, y); x and -x of abs(x), modulo a power of the base
    linear = affine(task.inner)
    if task.modulus is not None and linear is not None:  # the lowest digits say the value modulo d
        d = gcd(task.modulus, task.base * gcd(*linear[:2]))
        count = min(count, task.modulus // d)
    return count


def _most(task: Task, direction: str, domain: str, length: int) -> Fraction:
    linear, p = affine(task.inner), task.modulus
    if direction != "lsd" or p is None or linear is None or domain == "ordered":
        return Fraction(1)
    width = task.result_width(length)

    def share(slope: int, operand: Operand) -> Fraction:
        if operand.digits <= width:
            return Fraction(1)
        low, high = operand.range(task.base)
        numbers = (high - low) // task.base**width
        return Fraction(-(-numbers // (p // gcd(p, slope * task.base**width))), numbers)

    return sum(
        (box.weight * min(share(linear[0], box.a), share(linear[1], box.b)) for box in boxes(domain, length, task.base)), Fraction(0)
    )

"""An expression as polynomials, one on each pair of residue classes: the second way to prove what finite test sets decide.

Nothing is evaluated at operands here. Put a = D_a*u + r and b = D_b*v + s and follow the expression upwards as polynomials in u and v:
where q divides every coefficient of P but the constant one P_0, P % q is P_0 % q and P // q is (P - P_0)/q + P_0 // q. Two polynomials
are the same function iff their coefficients are the same. All classes are followed at once, a coefficient being an array over (r, s).

For a polynomial P, P % p is 0 everywhere iff p divides all s_ij = i! j! * sum of S(k, i) S(m, j) c_km over k and m, its coefficients over
the binomials C(a, i) C(b, j); S are the Stirling numbers of the second kind.
"""

from __future__ import annotations

from dataclasses import replace
from math import factorial
from typing import Any

from theory.language.expressions import Binary, Call, Const, Expression, Var, evaluate, polynomial, substitute
from theory.proofs.testsets import period

MAX_CLASSES = 2_500_000  # pairs of residue classes

Forms = dict[tuple[int, int], Any]  # coefficient of u^i * v^j -> its values over (r, s)


def vanishes(expression: Expression) -> bool:
    """Whether this proves that the expression is 0 for all integers; False where it is not or there are too many classes.

    >>> from theory.language.expressions import parse
    >>> vanishes(parse("a//2//3 - a//6")), vanishes(parse("a//2 + a//3 - a*5//6"))
    (True, False)
    """
    match expression:
        case Binary("%", inner, Const(p)) if (terms := polynomial(inner)) is not None:
            return all(c % p == 0 for c in binomial_coefficients(terms).values())
    forms = class_forms(expression)
    return forms is not None and not any(c.any() for c in forms.values())


def unmoved(expression: Expression, shift: int) -> bool:
    """Whether this proves that adding `shift` to either operand never changes the value."""
    for name in "ab":
        moved: dict[str, Expression] = {"a": Var("a"), "b": Var("b")}
        moved[name] = Binary("+", Var(name), Const(shift))
        match expression:
            case Binary("%", inner, Const(p)) if polynomial(inner) is not None:
                gap = Binary("%", Binary("-", substitute(inner, moved), inner), Const(p))
            case _:
                gap = Binary("-", substitute(expression, moved), expression)
        if not vanishes(gap):
            return False
    return True


def within(expression: Expression, low: int, high: int, largest: int) -> bool:
    """Whether this proves low <= value <= high for 0 <= a, b <= largest: on each class, by the signs of the coefficients."""
    import numpy as np

    forms = class_forms(expression)
    if forms is None:
        return False
    (d_a, d_b) = period(expression)
    steps = [(largest - np.arange(d).astype(object)) // d for d in (d_a, d_b)]
    met = (steps[0] >= 0)[:, None] & (steps[1] >= 0)
    least, most = np.zeros((2, d_a, d_b), dtype=object)
    for (i, j), c in forms.items():
        ends = c.astype(object) * (steps[0] ** i)[:, None] * steps[1] ** j if i or j else c.astype(object)
        least, most = least + (np.minimum(ends, 0) if i or j else ends), most + (np.maximum(ends, 0) if i or j else ends)
    return bool(((least >= low) & (most <= high))[met].all())


def class_forms(expression: Expression) -> Forms | None:
    """The polynomials on all classes mod the periods; None where some part has none there, or there are too many classes."""
    import numpy as np

    d_a, d_b = period(expression)
    if d_a * d_b > MAX_CLASSES:
        return None
    dtype = np.int64 if _size(expression, 2 * max(d_a, d_b)) < 2**62 else object
    r, s = (np.arange(d).astype(dtype).reshape(shape) for d, shape in ((d_a, (-1, 1)), (d_b, (1, -1))))
    ones = np.ones((d_a, d_b), dtype=dtype)
    return _forms(expression, {"a": {(1, 0): d_a * ones, (0, 0): r * ones}, "b": {(0, 1): d_b * ones, (0, 0): s * ones}}, ones)


def _forms(expression: Expression, operands: dict[str, Forms], ones: Any) -> Forms | None:
    match expression:
        case Var(name):
            return operands[name]
        case Const(value):
            return {(0, 0): value * ones}
        case Call(args=args):
            found = [_forms(arg, operands, ones) for arg in args]
            if any(form is None or form.keys() != {(0, 0)} for form in found):
                return None
            values = [form[0, 0] for form in found if form is not None]
            return {(0, 0): _called(expression, values) * ones}
        case Binary(op, left, right):
            one, two = _forms(left, operands, ones), _forms(right, operands, ones)
            if one is None or two is None:
                return None
            if op in "%//" and isinstance(right, Const):
                return _divided(op, one, right.value)
            out: Forms = {}
            if op == "*":
                for (i, j), c in one.items():
                    for (k, m), d in two.items():
                        out[i + k, j + m] = out.get((i + k, j + m), 0) + c * d
                return out
            out = dict(one)
            for key, d in two.items():
                out[key] = out.get(key, 0) + (d if op == "+" else -d)
            return out


def _divided(op: str, form: Forms, q: int) -> Forms | None:
    """P % q or P // q, where q divides every coefficient but the constant one."""
    if any((c % q).any() for key, c in form.items() if key != (0, 0)):
        return None
    constant = form.get((0, 0), 0)
    if op == "%":
        return {(0, 0): constant % q}
    return {key: c // q for key, c in form.items()}


def _called(call: Call, values: list[Any]) -> Any:
    """A function of constants."""
    names = (Var("a"), Var("b"))[: len(values)]
    return evaluate(replace(call, args=names), values[0], values[-1])


def _size(expression: Expression, unit: int) -> int:
    """A bound of the sum of all coefficients' sizes, in every part, for operands with coefficients that sum to at most `unit`."""
    match expression:
        case Var():
            return unit
        case Const(value):
            return abs(value)
        case Call(args=args):
            return max(unit, *(_size(arg, unit) for arg in args)) ** 2
        case Binary(op, left, right):
            one, two = _size(left, unit), _size(right, unit)
            return one * max(two, 1) if op == "*" else max(one, two, unit) if op in "%//" else one + two


def binomial_coefficients(terms: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """s_ij with the sum of c_km * a^k * b^m = the sum of s_ij * C(a, i) * C(b, j).

    >>> binomial_coefficients({(2, 0): 1})  # a^2 = C(a, 1) + 2*C(a, 2)
    {(1, 0): 1, (2, 0): 2}
    """
    found: dict[tuple[int, int], int] = {}
    for (k, m), c in terms.items():
        for i in range(k + 1):
            for j in range(m + 1):
                if part := c * factorial(i) * factorial(j) * stirling(k, i) * stirling(m, j):
                    found[i, j] = found.get((i, j), 0) + part
    return found


def stirling(k: int, i: int) -> int:
    """Partitions of k things into i classes that are not empty."""
    row = [1]
    for _ in range(k):
        row = [0, *(row[j - 1] + (j * row[j] if j < len(row) else 0) for j in range(1, len(row) + 1))]
    return row[i]

"""Closed forms of the exact accuracy of truncation, as expressions in the test length m.

For m > n every box of a domain is a product of full blocks: the low parts x, y run over [0, M), and the high parts A, C over ranges
[0, K), [K, B*K) with K = B^(m-n) or B^(m-n-1). Two kinds of tasks have

    accuracy(m) = limit + u * B^(-m) + v * B^(-2m)    for all m >= m0, with u and v that depend on m mod T only:

- Periodic: whether f^ = f depends on A and C mod P only (and on x and y). A range of R integers has (R + r)/P of each residue, r fixed by
  the residue and by B^k mod P; so the count is a bilinear form in R_A + r and R_C + r', of at most second degree in B^m, over
  R_A * R_C * M^2. B^k mod P has period T, the order of B modulo the part of P prime to B, from some k on; m0 is n and one more than this k.
  (alpha*a + beta*b + gamma) mod p, c*a*b mod p, and whatever has every operand below a mod.
- Ordered: f^ = f holds on a union of sets such as A = 0, A = C, A < C whose sizes are polynomials in K; T = 1.
  + - * with all monomials of one sign, max, min, |a - b|, comparisons, a // q, digitsum(a), reverse(a); m0 = n + 1, for a // q at least
  so that B^(m-1) >= q.

So u and v follow from exact counts at three lengths of a class, and every further length is a check. Error bounds are proven too:

- alpha*a + beta*b mod p with units alpha, beta mod P: of A mod P whole periods fall evenly, and rests of r and s residues agree in N
  pairs, max(0, r+s-P) <= N <= min(r, s), so |P*N - r*s| <= P^2/4 and |accuracy - 1/P| <= E[P / (4 R_A R_C)].
- Periodic: replacing the law of A mod P by the uniform one changes the probability of any event by at most their distance in total
  variation, r*(P-r)/(P*R_A) <= P/(4 R_A); so |accuracy - limit| <= E[P / (4 R_A) + P / (4 R_C)].
- Ordered: |u| * B^(-m) + |v| * B^(-2m), as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Any

from theory.exact.accuracy import (
    MAX_WORK,
    box_agreements,
    exchangeable,
    modular_mul_limit,
    modular_threshold,
    operand_period,
    truncation_accuracy,
    uncounted,
    work,
)
from theory.language.domains import Operand, boxes, short_operand
from theory.language.expressions import Binary, Call, Const, Var, affine, nodes, polynomial
from theory.language.tasks import Task, digit_count
from theory.proofs.residues import prime_to

MAX_PERIOD = 1000  # of the powers of the base mod P, for expressions; limit and bound have none
SHOWN = 12  # up to so many classes of m are all given, of more only those asked for


@dataclass(frozen=True)
class Family:
    """Why the accuracy has its shape: periodic with P = `modulus`, or ordered (`modulus` None); it holds for m >= `start`."""

    modulus: int | None
    start: int


@dataclass(frozen=True)
class Terms:
    """constant + first * B^(-m) + second * B^(-2m)."""

    base: int
    constant: Fraction
    first: Fraction
    second: Fraction

    def at(self, m: int) -> Fraction:
        z = Fraction(1, self.base**m)
        return self.constant + self.first * z + self.second * z * z

    def expression(self) -> Any:
        """As a sympy expression in m."""
        import sympy

        m = sympy.Symbol("m", integer=True, positive=True)
        found = sympy.Rational(self.constant.numerator, self.constant.denominator)
        for coefficient, order in ((self.first, 1), (self.second, 2)):
            if coefficient:
                shift = _power(coefficient.numerator, self.base) - _power(coefficient.denominator, self.base)
                rest = coefficient / Fraction(self.base) ** shift
                found += sympy.Rational(rest.numerator, rest.denominator) * sympy.Integer(self.base) ** (shift - order * m)
        return found


@dataclass(frozen=True)
class ClosedForm:
    """The accuracy of truncation to `trained` digits on a domain at every length m >= `start`.

    Attributes:
        period: T, the classes of m mod T have each their own terms; None where it is above 1000.
        classes: terms by m mod T: all of them, or those asked for.
        limit: of the accuracy for m to infinity, at this trained length.
        uniform: the limit for uniform residues, that is for the trained length to infinity as well; None for other families.
        bound: terms that |accuracy - limit| never exceeds.
        first_right: the least m > n at which the accuracy is not 0, for addition mod p.
        checked: the lengths at which exact counts confirmed the classes, those that determined them aside.
    """

    trained: int
    domain: str
    start: int
    period: int | None
    classes: dict[int, Terms]
    limit: Fraction
    uniform: Fraction | None
    bound: Terms
    first_right: int | None
    checked: tuple[int, ...]

    def at(self, m: int) -> Fraction:
        """The accuracy at a length m >= start of a class that is given."""
        if self.period is None or m < self.start or m % self.period not in self.classes:
            raise KeyError(m)
        return self.classes[m % self.period].at(m)


class NoClosedForm(Exception):
    """No closed form is known; the message says why."""


def closed_form(task: Task, trained: int, domain: str, lengths: Iterable[int] = ()) -> ClosedForm:
    """The closed form, determined by exact counts at three lengths of a class and checked at the others of `lengths` and one more.

    Raises:
        NoClosedForm: the task is of neither kind, or its counts are beyond a limit of theory.exact.accuracy.
    """
    if domain == "ordered":
        if not exchangeable(task):
            raise NoClosedForm("the operands are in order, and the task does not treat them alike")
        if task.needs_order:
            raise NoClosedForm("the truncated function may be negative, which has no digits")
        return replace(closed_form(task, trained, "either", lengths), domain=domain)  # the accuracy is the same
    if short_operand(domain) is not None:
        raise NoClosedForm("the second operand does not grow with the length")
    found = _family(task, trained)
    limit = _limit(task, trained, found)
    period = 1 if found.modulus is None else _order(task.base, found.modulus)
    asked = {m for m in lengths if m > trained}
    residues = [] if period is None else range(period) if period <= SHOWN else sorted({m % period for m in asked if m >= found.start})
    if (len(asked) + 4 * len(residues)) * work(task) > MAX_WORK:
        raise NoClosedForm(f"the {len(asked) + 4 * len(residues)} exact counts that it takes need minutes: ask for fewer lengths")
    exact = {m: _count(task, trained, m, domain) for m in asked}
    classes: dict[int, Terms] = {}
    determining: set[int] = set()
    for residue in residues:
        assert period is not None
        first = found.start + (residue - found.start) % period
        chosen = [first + i * period for i in range(4)]
        exact |= {m: _count(task, trained, m, domain) for m in chosen if m not in exact}
        classes[residue] = _through(task.base, [(m, exact[m]) for m in chosen[:3]])
        determining |= set(chosen[:3])
    if limit is None:
        limit = classes[0].constant
    bound = _bound(task, trained, domain, found, classes)
    _check(task, found, period, classes, limit, bound, exact)
    return ClosedForm(
        trained=trained,
        domain=domain,
        start=found.start,
        period=period,
        classes=classes,
        limit=limit,
        uniform=_uniform(task, found),
        bound=bound,
        first_right=modular_threshold(task, trained),
        checked=tuple(sorted(m for m in exact if m >= found.start and m not in determining and classes)),
    )


def _check(
    task: Task, found: Family, period: int | None, classes: dict[int, Terms], limit: Fraction, bound: Terms, exact: dict[int, Fraction]
) -> None:
    """The exact counts against the terms, the limit and the bound; a difference would refute a theorem of this module."""
    if any(terms.constant != limit for terms in classes.values()):
        raise RuntimeError(f"the closed forms of {task.text} do not share the limit {limit}")
    for m, value in exact.items():
        if period is not None and m >= found.start and classes[m % period].at(m) != value:
            raise RuntimeError(f"the closed form of {task.text} differs from the exact count at m = {m}")
        if (found.modulus is not None or m >= found.start) and abs(value - limit) > bound.at(m):
            raise RuntimeError(f"the accuracy of {task.text} at m = {m} is further from its limit than the bound")


def _family(task: Task, trained: int) -> Family:
    """The kind of the task, as in the module's text."""
    base, p, terms, inner = task.base, task.modulus, polynomial(task.expression), polynomial(task.inner)
    ordered = Family(None, trained + 1)
    if terms is not None:
        terms.pop((0, 0), None)
        if len({c > 0 for c in terms.values()}) < 2:
            return ordered
        raise NoClosedForm("monomials of both signs")
    power = base**trained
    if p is not None and inner is not None:
        inner = {key: c % p for key, c in inner.items() if c % p and key != (0, 0)}
        if inner.keys() <= {(1, 0), (0, 1)} or inner.keys() == {(1, 1)}:
            P = p // gcd(power * gcd(*inner.values()), p)
            return Family(P, trained + 1 + _preperiod(base, P))
    match task.expression:
        case Call("abs", (Binary("-", Var(one), Var(two)),)) if one != two:
            return ordered
        case Call("digitsum" | "reverse", (Var(_),), digits) if digits == base:
            return ordered
        case Call(_, (Var(one), Var(two))) if one != two:
            return ordered
        case Binary("%", Call("digitsum", (Var(_),), digits), Const(q)) if digits == base:
            if (base - 1) % q == 0:  # then digitsum(a) = a mod q
                return Family(q, trained + 1)
            raise NoClosedForm("digit sums mod p approach 1/p with corrections that are sums over p-th roots of unity")
        case Binary("//", Var(_), Const(q)):
            return Family(None, max(trained, digit_count(q - 1, base)) + 1)
    if (period := operand_period(task.expression)) is not None:
        P = period // gcd(power, period)
        return Family(P, trained + 1 + _preperiod(base, P))
    raise NoClosedForm("neither periodic in the operands above the trained digits nor a matter of their order")


def _count(task: Task, trained: int, m: int, domain: str) -> Fraction:
    exact = truncation_accuracy(task, trained, m, domain)
    if exact is None:
        raise NoClosedForm(uncounted(task, trained))
    return exact


def _through(base: int, points: list[tuple[int, Fraction]]) -> Terms:
    """The terms that take these values at three lengths: the polynomial in z = B^(-m) through them, by divided differences."""
    (x, f), (y, g), (z, h) = ((Fraction(1, base**m), value) for m, value in points)
    slope, next_slope = (g - f) / (y - x), (h - g) / (z - y)
    second = (next_slope - slope) / (z - x)
    first = slope - second * (x + y)
    return Terms(base, f - first * x - second * x * x, first, second)


def _limit(task: Task, trained: int, found: Family) -> Fraction | None:
    """Agreement over whole periods of A and C; for ordered tasks it is read off the terms."""
    if found.modulus is None:
        return None
    stop = task.base**trained * found.modulus
    agreements = box_agreements(task, trained, (0, stop), (0, stop))
    if agreements is None:
        raise NoClosedForm(uncounted(task, trained))
    return Fraction(agreements, stop * stop)


def _uniform(task: Task, found: Family) -> Fraction | None:
    """1/P for sums; #{xy + zw = 0 mod P} / P^4 for products."""
    terms = polynomial(task.inner)
    if found.modulus is None or terms is None:
        return None
    kept = {key for key, c in terms.items() if c % (task.modulus or 1) and key != (0, 0)}
    if kept == {(1, 1)}:
        return modular_mul_limit(found.modulus)
    return Fraction(1, found.modulus) if kept <= {(1, 0), (0, 1)} else None


def _bound(task: Task, trained: int, domain: str, found: Family, classes: dict[int, Terms]) -> Terms:
    """As in the module's text. The ranges grow by B with each digit, so the mean over the boxes at m = n+1 gives it at all m."""
    base, P, zero = task.base, found.modulus, Fraction(0)
    if P is None:
        return Terms(base, zero, abs(classes[0].first), abs(classes[0].second))
    if P == 1:
        return Terms(base, zero, zero, zero)
    linear = affine(task.inner)
    read = {node.name for node in nodes(task.expression) if isinstance(node, Var)}
    first = second = zero
    for box in boxes(domain, trained + 1, base):
        sizes = {"a": _high_parts(box.a, trained, base), "b": _high_parts(box.b, trained, base)}
        first += box.weight * sum(Fraction(P, 4 * sizes[name]) for name in read)
        second += box.weight * Fraction(P, 4 * sizes["a"] * sizes["b"])
    if linear is not None and task.modulus is not None:
        alpha, beta = (c // (gcd(linear[0], linear[1]) or 1) for c in linear[:2])
        if gcd(alpha, P) == 1 == gcd(beta, P):
            return Terms(base, zero, zero, second * base ** (2 * trained + 2))
    return Terms(base, zero, first * base ** (trained + 1), zero)


def _high_parts(operand: Operand, trained: int, base: int) -> int:
    """How many high parts A an operand has."""
    low, high = operand.range(base)
    M: int = base**trained
    return (high - low) // M


def _order(base: int, modulus: int) -> int | None:
    """The period of B^k mod P, from some k on; None above the limit."""
    rest = prime_to(modulus, base)
    power = base % rest
    for order in range(1, MAX_PERIOD + 1):
        if power == 1 % rest:
            return order
        power = power * base % rest
    return None


def _preperiod(base: int, modulus: int) -> int:
    """The least k from which on B^k mod P is periodic: the part of P that shares primes with B divides B^k."""
    shared, k = modulus // prime_to(modulus, base), 0
    while base**k % shared:
        k += 1
    return k


def _power(number: int, base: int) -> int:
    """The power of the base that divides a number."""
    power = 0
    while number and number % base == 0:
        number, power = number // base, power + 1
    return power

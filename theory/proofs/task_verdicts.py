"""Properties of a task as verdicts with proof objects: shift equivariance, base compatibility, low support, identifiability.

The decisions are those of `theory.proofs.properties`; a proof object holds what is needed to check one by another argument: an expression
whose coefficients vanish (theory.proofs.classes), a divisor, a pair of operands. See `theory.automata.serial` for machines and
`theory.proofs.property_report` for all properties of a task at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import gcd

from theory.language.domains import Training, boxes, contains, restricted, short_operand
from theory.language.expressions import Binary, Const, Expression, Var, bounds, evaluate, has_call, nodes, substitute
from theory.language.tasks import Task
from theory.proofs.classes import unmoved, vanishes, within
from theory.proofs.germs import far_above
from theory.proofs.properties import base_compatibility, low_support, of_digits, short, value_at
from theory.proofs.refutations import EveryDigit
from theory.proofs.residues import prime_to
from theory.proofs.testsets import Undecided, magnitude, nonzero_point, period, shift_witness
from theory.proofs.verdicts import Proof, Verdict
from theory.proofs.verdicts import shift_equivariance as machine_shift_equivariance

Decided = tuple[Verdict, str]  # and how it is proven

MAX_ENUMERATED = 1_000_000  # pairs of operands


# ------------------------------------------------------------------------------------------------------------- shift equivariance


@dataclass(frozen=True)
class Zero:
    """The expression is 0 for all integers: decided on a finite test set, and checked by its polynomials on residue classes."""

    expression: Expression

    def check(self) -> bool:
        """No test set: every coefficient is 0 (theory.proofs.classes)."""
        return vanishes(self.expression)


@dataclass(frozen=True)
class NotScaled:
    """Operands with f(B*a, B*b) != B*f(a, b)."""

    task: Task
    a: int
    b: int

    def check(self) -> bool:
        """By integers."""
        base = self.task.base
        return bool(self.task(base * self.a, base * self.b) != base * self.task(self.a, self.b))


def shift_gap(task: Task) -> Expression:
    """f(B*a, B*b) - B*f(a, b)."""
    moves: dict[str, Expression] = {name: Binary("*", Const(task.base), Var(name)) for name in "ab"}
    return Binary("-", substitute(task.expression, moves), Binary("*", Const(task.base), task.expression))


def shift_equivariance(task: Task) -> Decided:
    """Whether f(B*a, B*b) = B*f(a, b) for all a, b >= 0. This alone is not translation invariance."""
    if task.machine is not None:
        return machine_shift_equivariance(task.machine), "machine"
    gap, base = shift_gap(task), task.base
    try:
        point = nonzero_point(gap)
    except Undecided as reason:
        from theory.proofs.smt import NonZero, always_zero

        verdict = always_zero(gap)
        if verdict.value is None:
            return Verdict(None, f"undecided: {reason}"), "-"
        if not isinstance(verdict.proof, NonZero):
            return Verdict(True, f"f({base}a, {base}b) = {base}f(a, b): {verdict.certificate}", None, verdict.proof), "z3"
        point = verdict.proof.a, verdict.proof.b
    if point is None:
        text = f"f({base}a, {base}b) - {base}f(a, b) is 0 on a finite test set"
        return Verdict(True, text, None, Zero(gap)), "finite test set"
    a, b = point
    text = f"{value_at(task.expression, a, b)} but {value_at(task.expression, base * a, base * b)}"
    return Verdict(False, text, None, NotScaled(task, a, b)), "counterexample"


# -------------------------------------------------------------------------------------------------------- moduli and low digits


@dataclass(frozen=True)
class Divides:
    """p divides base^digits, and not base^(digits - 1)."""

    p: int
    base: int
    digits: int

    def check(self) -> bool:
        """By integers."""
        return pow(self.base, self.digits, self.p) == 0 and (self.digits == 0 or pow(self.base, self.digits - 1, self.p) != 0)


@dataclass(frozen=True)
class PrimeFactor:
    """`factor` > 1 divides p and is prime to the base: p divides no power of the base."""

    p: int
    base: int
    factor: int

    def check(self) -> bool:
        """By integers."""
        return self.factor > 1 and self.p % self.factor == 0 and gcd(self.factor, self.base) == 1


def compatibility(task: Task) -> Decided:
    """Whether the modulus divides a power of the base. The task must have one."""
    found, p = base_compatibility(task), task.modulus
    assert p is not None, "asked of tasks with an outermost modulus"
    proof: Proof = PrimeFactor(p, task.base, prime_to(p, task.base)) if found.digits is None else Divides(p, task.base, found.digits)
    return Verdict(found.value, found.certificate, found.digits, proof), "arithmetic"


@dataclass(frozen=True)
class LowDigits:
    """f depends on the low `digits` digits alone; `fewer` is a pair of operands at which one digit less is not enough."""

    task: Task
    digits: int
    fewer: tuple[str, int, int] | None

    def check(self) -> bool:
        """B^digits is a period in both operands, by coefficients (theory.proofs.classes); B^(digits - 1) is none, by integers."""
        if not unmoved(self.task.expression, self.task.base**self.digits):
            return False
        if self.fewer is None:
            return self.digits == 0
        (name, a, b), shift = self.fewer, self.task.base ** (self.digits - 1)
        return bool(self.task(*((a + shift, b) if name == "a" else (a, b + shift))) != self.task(a, b))


def support(task: Task) -> Decided:
    """Whether f depends on finitely many low digits, and on how many at least."""
    found, expression, base = low_support(task), task.expression, task.base
    if isinstance(found, Verdict):  # a task given by a machine
        return found, "machine"
    if found.value:
        m = found.digits or 0
        proof = LowDigits(task, m, shift_witness(expression, base ** (m - 1)) if m else None)
        return Verdict(True, found.certificate, m, proof), "finite test sets"
    if found.value is False:
        top = max(period(expression)).bit_length()
        witness = shift_witness(expression, base**top)
        assert witness is not None, "low_support found one"
        return Verdict(False, found.certificate, None, EveryDigit(task, top, witness)), "finite test sets"
    far = far_above(expression, base)
    return (Verdict(None, found.certificate), "-") if far is None else (Verdict(False, far.text, None, far), "far digits")


# ---------------------------------------------------------------------------------------------------------------- identifiability


@dataclass(frozen=True)
class Wraps:
    """A training pair at which the value before the modulus lies outside 0..p-1."""

    task: Task
    training: Training
    a: int
    b: int

    def check(self) -> bool:
        """The pair is in the training domain, and the modulus changes its value."""
        base, training = self.task.base, self.training
        inside = any(contains(training.domain, length, base, self.a, self.b) for length in training.lengths)
        return inside and evaluate(self.task.inner, self.a, self.b) != self.task(self.a, self.b)


@dataclass(frozen=True)
class NeverWraps:
    """For operands of up to the longest trained length the value before the modulus stays in 0..p-1."""

    task: Task
    training: Training

    def check(self) -> bool:
        """By all pairs where they are few, else by polynomials on residue classes; where functions leave none, by the intervals again."""
        import numpy as np

        p, inner, largest = self.task.modulus, shown(self.task, self.training), self.task.base**self.training.longest - 1
        if p is None:
            return False
        ends = [largest + 1 if Var(name) in nodes(inner) else 1 for name in "ab"]
        if ends[0] * ends[1] <= MAX_ENUMERATED and max(p, magnitude(inner, largest)) < 2**62:
            values = evaluate(inner, np.arange(ends[0])[:, None], np.arange(ends[1]))
            return bool(np.all((values >= 0) & (values < p)))
        if has_call(inner):
            return inside(inner, largest, p)
        return within(inner, 0, p - 1, largest)


def shown(task: Task, training: Training) -> Expression:
    """The value before the modulus as a function of what training draws: of b mod B^K where b is short."""
    if short_operand(training.domain) is None:
        return task.inner
    return restricted(replace(task, expression=task.inner), training.domain).expression


def inside(inner: Expression, largest: int, p: int) -> bool:
    """Whether interval arithmetic keeps the value in 0..p-1 for operands up to `largest`."""
    low, high = bounds(inner, largest)
    return 0 <= low <= high < p


def identifiability(task: Task, training: Training) -> Decided:
    """Whether training shows the modulus at work; if no pair wraps, mod p cannot be learned from it. The task must have a modulus."""
    p, base = task.modulus, task.base
    assert p is not None, "asked of tasks with an outermost modulus"
    never = NeverWraps(task, training)
    inner = shown(task, training)
    if inside(inner, base**training.longest - 1, p):
        high = bounds(inner, base**training.longest - 1)[1]
        digits = of_digits(training.longest, training.domain)
        text = f"before the modulus no pair of up to {digits} exceeds {short(high)} < {short(p)}: the modulus never acts"
        return Verdict(False, text, None, never), "interval arithmetic"
    for length in training.lengths:
        for box in boxes("either" if training.domain == "ordered" else training.domain, length, base):
            ends = ((low, high - 1) for low, high in (box.a.range(base), box.b.range(base)))
            for a, b in product(*ends):
                pair = Wraps(task, training, a, b)
                if pair.check():
                    value = short(evaluate(task.inner, a, b))
                    text = f"the training pair ({short(a)}, {short(b)}) has {value} before mod {short(p)}"
                    return Verdict(True, text, None, pair), "example"
    return Verdict(None, "undecided: the ends of the training domain do not reach the modulus, and the bounds do not exclude it"), "-"

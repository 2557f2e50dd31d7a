"""Why no finite machine reads the least significant digit first, or none with less delay: proof objects, each checked on its own.

- A polynomial of degree 2 or more leaves unboundedly many rests (`theory.proofs.sections` counts those after a few digits).
- A bounded f that no power of B has as a period needs operand digits at any distance above.
- A delay is too short where low digits of the result change with operand digits further above.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from theory.language.expressions import Binary, Const, has_call, polynomial
from theory.language.tasks import Task
from theory.proofs.properties import clash
from theory.proofs.residues import prime_to
from theory.proofs.sections import Sections, sections
from theory.proofs.testsets import Undecided, degrees, period, shift_witness
from theory.proofs.verdicts import Verdict

MAX_COUNTED = 5_000  # values that are compared to count rests


@dataclass(frozen=True)
class Growing:
    """A polynomial of total degree >= 2 leaves unboundedly many rests: a difference in a or in b is not constant, and it is the linear
    coefficient of the rest. `counted` are the rests after a few digits, exactly."""

    task: Task
    counted: Sections

    def check(self) -> bool:
        """Some second difference of the polynomial is not 0, and the rests are counted again."""
        if polynomial(self.task.expression) is None or self.counted.task != self.task:
            return False
        size = range(sum(degrees(self.task.expression)) + 1)
        f = {point: self.task(*point) for point in product(range(len(size) + 2), repeat=2)}
        seconds = (
            (f[a + u + s, b + v + t] - f[a + u, b + v] - f[a + s, b + t] + f[a, b])
            for a, b in product(size, size)
            for (u, v), (s, t) in product(((1, 0), (0, 1)), repeat=2)
            if (a + u + s, b + v + t) in f
        )
        return any(seconds) and self.counted.check()


def growing(task: Task) -> Verdict:
    """That a polynomial of total degree >= 2 has no finite machine that reads the least significant digit first."""
    counted = count_rests(task)
    text = f"a polynomial of degree 2 or more leaves unboundedly many rests: {counted.count} after {digit_pairs(counted.depth)}"
    return Verdict(False, text, None, Growing(task, counted))


def count_rests(task: Task) -> Sections:
    """The sections after as many digit pairs, up to 3, as can be counted at once."""
    high_parts = len(sections(task, 0).suffixes)
    return sections(task, next(k for k in (3, 2, 1, 0) if task.base ** (2 * k) * high_parts <= MAX_COUNTED or k == 0))


def digit_pairs(depth: int) -> str:
    """`1 digit pair`, `2 digit pairs`."""
    return "1 digit pair" if depth == 1 else f"{depth} digit pairs"


@dataclass(frozen=True)
class EveryDigit:
    """No power of B is a period of f, so f depends on operand digits at any distance above.

    If some B^m were a period, the least period in this operand would divide it and D, so the B-part of D: B^digits would be one too.
    """

    task: Task
    digits: int
    witness: tuple[str, int, int]

    def check(self) -> bool:
        """f is polynomial on residue classes mod D, the B-part of D divides B^digits, and a shift by B^digits changes f at the witness."""
        expression, base = self.task.expression, self.task.base
        if has_call(expression) and degrees(expression) != (0, 0):
            return False
        name, a, b = self.witness
        shift = base**self.digits
        smooth = [d // prime_to(d, base) for d in period(expression)]
        moved = (a + shift, b) if name == "a" else (a, b + shift)
        return all(shift % d == 0 for d in smooth) and self.task(*moved) != self.task(a, b)


@dataclass(frozen=True)
class NeverPeriodic(EveryDigit):
    """The same of a bounded f: one of its finitely many digits depends on operand digits at any distance above, so no delay is enough."""

    def check(self) -> bool:
        """As above, and f is bounded."""
        return degrees(self.task.expression) == (0, 0) and super().check()


@dataclass(frozen=True)
class Lookahead:
    """Delay `delay` is not enough: f mod B^place changes with operand digits from place + delay on."""

    task: Task
    delay: int
    place: int
    witness: tuple[str, int, int]

    def check(self) -> bool:
        """The shift by B^(place + delay) changes f mod B^place at the witness."""
        name, a, b = self.witness
        shift, unit = self.task.base ** (self.place + self.delay), self.task.base**self.place
        moved = (a + shift, b) if name == "a" else (a, b + shift)
        return self.place > 0 and (self.task(*moved) - self.task(a, b)) % unit != 0


def never_periodic(task: Task) -> Verdict | None:
    """That a bounded f has no low support, so that no finite delay is enough; None where it has one.

    Raises:
        Undecided: the test is too large.
    """
    top = max(period(task.expression)).bit_length()
    witness = shift_witness(task.expression, task.base**top)
    if witness is None:
        return None
    text = f"{clash(task.expression, witness, task.base, top)}; so some digit depends on operand digits at any distance above"
    return Verdict(False, text, None, NeverPeriodic(task, top, witness))


def lookahead(task: Task, delay: int) -> Lookahead | None:
    """A proof that the delay is not enough, where the places of the result show one."""
    for place in range(1, (task.modulus or 1).bit_length() + 1):
        try:
            witness = shift_witness(Binary("%", task.expression, Const(task.base**place)), task.base ** (place + delay))
        except Undecided:
            continue
        if witness is not None:
            return Lookahead(task, delay, place, witness)
    return None

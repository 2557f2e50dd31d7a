"""The machine that reads the least significant digit first, built from what remains to be computed, or a proof that none exists.

For a polynomial P with integer coefficients, P(B*A + x, B*C + y) = c + B*P'(A, C) with a digit c = P(x, y) mod B and a polynomial P'; the
states are the rests P'. For P mod p the rest of a step is P' mod (p / B) where B divides p, and a constant where x, y fix P mod p; where
neither holds the digit is not fixed yet. A machine with delay d for f is one without delay for B^d * f, and a bounded f that depends on its
low s >= 1 digits needs a delay of s - 1 at most. So the machine exists iff P has degree <= 1, or P mod p has low support.

Where an operand is held (theory.automata.held), P is a polynomial in it and in x, and of its digits the first K count alone: rests know how
many are left, and from then on P' is a polynomial in x.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import comb

from theory.automata.held import Held, held
from theory.automata.machines import Group, Machine, TooLarge, tabulate
from theory.language.expressions import affine, evaluate, operands, polynomial
from theory.language.tasks import Task, digit_count
from theory.proofs.properties import low_support_of, short
from theory.proofs.refutations import Lookahead, lookahead, never_periodic
from theory.proofs.testsets import Undecided, degrees
from theory.proofs.verdicts import Proof, Verdict, equivalence

MAX_STEPS = 60_000  # states times digit groups of a machine that is built here

Terms = tuple[tuple[tuple[int, int], int], ...]


@dataclass(frozen=True)
class Serial:
    """Whether a finite machine computes the task in one direction, and the minimal one.

    Attributes:
        verdict: with the least delay in `digits` and the proof.
        how: the method, in a word or two.
        machine: the minimal machine, to be run with that delay; None where there is none, or where it is too large to build.
    """

    verdict: Verdict
    how: str
    machine: Machine | None = None


@dataclass(frozen=True)
class All:
    """Several proofs together."""

    proofs: tuple[Proof, ...]

    def check(self) -> bool:
        """Whether each holds."""
        return len(self.proofs) > 0 and all(proof.check() for proof in self.proofs)


@dataclass(frozen=True)
class Rest:
    """What remains to be computed: terms(A, C) mod p, or terms(A, C) itself where p is 0.

    Of an operand that is held the first `left` digits count, null of any other.
    """

    p: int
    terms: Terms
    left: int | None = None

    @property
    def later(self) -> int | None:
        """How many count one digit on."""
        return None if self.left is None else max(0, self.left - 1)

    def at(self, a: int, b: int) -> int:
        """The value of the terms."""
        return sum(c * a**i * b**j for (i, j), c in self.terms)

    @property
    def grid(self) -> list[tuple[int, int]]:
        """Points on which a polynomial of these degrees vanishes (mod p) only if it does everywhere."""
        d, e = (max((key[k] for key, _ in self.terms), default=0) for k in (0, 1))
        return list(product(range(d + 1), range(e + 1)))

    @property
    def order(self) -> tuple[int, ...]:
        """Rests sort by p, then by their constant: carries in their order."""
        return (self.p, dict(self.terms).get((0, 0), 0))

    def __lt__(self, other: Rest) -> bool:
        return (-(self.left or 0), self.order, self.terms) < (-(other.left or 0), other.order, other.terms)


@dataclass(frozen=True)
class ByRests:
    """The machine computes base^delay * f: `rests[s]` is what remains in state s, and each cell is an identity of rests.

    By induction on the digits read, the digits written and the rest of the state reached make up base^delay * f, at any length.
    """

    task: Task
    machine: Machine
    delay: int
    rests: tuple[Rest, ...]

    def check(self) -> bool:
        """Every cell's identity, and that the start's rest is the task, on finite test sets."""
        machine = self.machine
        fits = (machine.direction, machine.base, len(machine.table)) == ("lsd", self.task.base, len(self.rests))
        if not fits or machine.operands < operands(self.task.expression):
            return False
        cells = [(s, machine.group(number), *cell) for s, row in enumerate(machine.table) for number, cell in enumerate(row)]
        return self._starts() and all(self._step(self.rests[s], group, self.rests[t], digit) for s, group, t, digit in cells)

    def _starts(self) -> bool:
        """The rest of the start is base^delay * f: the same terms (mod p), or the one value that f takes."""
        first, unit, inner = self.rests[self.machine.start], self.task.base**self.delay, self.task.inner
        if (holding := held(self.task)) is not None:
            return first == _whole(holding) and self.delay == 0 and _is_whole(self.task, holding)
        if polynomial(inner) is None:
            return False
        whole = (self.task.modulus or 0) * unit
        constant = not first.p and _top(first) == 0 and 0 <= first.at(0, 0) < whole
        grid = product(range(max(*degrees(inner), _top(first)) + 1), repeat=2)
        gaps = [first.at(a, b) - unit * evaluate(inner, a, b) for a, b in grid]
        return (first.p == whole or constant) and not any(gap % whole if whole else gap for gap in gaps)

    def _step(self, before: Rest, group: Group, after: Rest, digit: int) -> bool:
        """before(B*A + x, B*C + y) = digit + B * after(A, C) for all A, C."""
        base, holding = self.machine.base, held(self.task)
        x, y = _counting(before, group, holding)
        grid = list(product(range(max(_top(before), _top(after)) + 1), repeat=2))
        if after.left != before.later:
            return False
        if after.left == 0 and holding is not None:
            grid = [point for point in grid if not point["ab".index(holding.operand)]]
        gaps = [before.at(base * a + x, base * c + y) - digit - base * after.at(a, c) for a, c in grid]
        if not before.p:
            return not after.p and not any(gaps)
        inside = after.p * base == before.p if after.p else _top(after) == 0 and 0 <= digit + base * after.at(0, 0) < before.p
        return inside and not any(gap % before.p for gap in gaps)


def _top(rest: Rest) -> int:
    return max((max(key) for key, _ in rest.terms), default=0)


def _counting(rest: Rest, group: Group, holding: Held | None) -> tuple[int, int]:
    """The digits of a group that count: those of an operand that is read no more are 0."""
    x, y = group[0], group[1] if len(group) == 2 else 0
    if rest.left != 0 or holding is None:
        return x, y
    return (0, y) if holding.operand == "a" else (x, 0)


def _whole(holding: Held) -> Rest:
    """What is to be computed at the start."""
    turned = {((i, j) if holding.operand == "b" else (j, i)): c for (i, j), c in holding.terms.items()}
    return Rest(0, _terms(turned), holding.digits)


def _is_whole(task: Task, holding: Held) -> bool:
    """Whether the task is g(h)*x + u(h): at every h, and at as many x as its degree asks for; h stands below a modulus everywhere."""
    points = product(range(max(degrees(task.expression)) + 2), range(holding.base**holding.digits))
    return all(task(*((x, h) if holding.operand == "b" else (h, x))) == holding.value(x, h) for x, h in points)


@dataclass(frozen=True)
class CarryLaw:
    """The carries of alpha*a + beta*b + gamma (all >= 0), without a table: zeros bring any carry to 0, and from 0 they stay <= top.

    They come back to the start gamma if `word`, (a, b, k), leads from carry 0 to it: k digits of a and b leave the carry
    floor((alpha*a + beta*b) / B^k). Without a word gamma is above top.
    """

    task: Task
    word: tuple[int, int, int] | None

    @property
    def top(self) -> int:
        """The largest carry that is reachable from 0, alpha + beta - 1, or 0."""
        alpha, beta, _ = affine(self.task.expression) or (0, 0, 0)
        return max(alpha + beta - 1, 0)

    def check(self) -> bool:
        """The coefficients are >= 0, the largest digits do not lead beyond top, and the word leads to gamma, or gamma is above top."""
        coefficients, base = affine(self.task.expression), self.task.base
        if coefficients is None or min(coefficients) < 0:
            return False
        alpha, beta, gamma = coefficients
        stays = ((alpha + beta) * (base - 1) + self.top) // base <= self.top
        if self.word is None:
            return stays and gamma > self.top
        a, b, k = self.word
        return stays and 0 <= min(a, b) <= max(a, b) < base**k and (alpha * a + beta * b) // base**k == gamma


def carry_law(task: Task) -> Verdict:
    """Whether the carries of alpha*a + beta*b + gamma come back to gamma, for coefficients >= 0 of any size."""
    alpha, beta, gamma = affine(task.expression) or (0, 0, 0)
    top = CarryLaw(task, None).top
    if gamma > top:
        text = f"from carry 0, where zeros lead, the carries stay <= {short(top)}, below the start carry {short(gamma)}"
        return Verdict(False, text, None, CarryLaw(task, None))
    k = digit_count(alpha + beta, task.base)
    goal, most = gamma * task.base**k, task.base**k - 1  # reach at least the goal; one step over it is at most alpha or beta too far
    a = min(most, -(-goal // alpha)) if alpha else 0
    b = min(most, -(-max(goal - alpha * a, 0) // beta)) if beta else 0
    text = f"carries 0..{short(top)}: zeros bring any carry to 0, and from 0 the start carry {short(gamma)} recurs"
    return Verdict(True, text, None, CarryLaw(task, (a, b, k)))


def by_rests(task: Task) -> Serial:
    """The machine of rests of P or P mod p, with the least delay that gives one; of carries that are too many, that they are finitely many.

    Raises:
        TooLarge: more than MAX_STEPS states times digit groups.
        Undecided: the low support is not decided.
    """
    base, p = task.base, task.modulus or 0
    if (holding := held(task)) is not None:
        return _built(task, 0, _whole(holding), ())
    if p and (far := never_periodic(task)) is not None:
        return Serial(far, "finite test sets")
    linear = affine(task.expression)
    if linear is not None and (linear[0] + linear[1]) * base ** operands(task.expression) > MAX_STEPS:
        return _unlisted(task)
    enough = low_support_of(task.expression, base) if p else None
    if enough is not None and enough.digits is None:
        raise Undecided(enough.certificate.removeprefix("undecided: "))
    if enough is not None and enough.digits == 0:  # its own digits are all there is to write
        return _built(task, 0, Rest(0, _terms({(0, 0): task(0, 0)})), ())
    refuted: tuple[Lookahead, ...] = ()
    for delay in range(1 if enough is None else enough.digits or 0):
        unit = base**delay
        terms = {key: unit * c for key, c in (polynomial(task.inner) or {}).items()}
        try:
            return _built(task, delay, Rest(unit * p, _terms(terms, unit * p)), refuted)
        except _NotFixed:
            witness = lookahead(task, delay)
            refuted += () if witness is None else (witness,)
    raise AssertionError("once the low support is read, every digit is fixed")


def _built(task: Task, delay: int, start: Rest, refuted: tuple[Lookahead, ...]) -> Serial:
    steps = _Steps(task.base, operands(task.expression), held(task))
    machine = tabulate(task.base, steps.operands, start, steps)
    small = machine.minimal
    same = equivalence(machine, small).proof
    assert same is not None, "a machine and its minimal form are small enough to compare"
    least = "" if not delay else "; less is not enough" if len(refuted) == delay else "; less may be enough"
    text = f"{count_states(small)}, delay {delay}: each cell is an identity of rests{least}"
    proof = All((ByRests(task, machine, delay, tuple(sorted(steps.seen))), same, *refuted))
    return Serial(Verdict(True, text, delay, proof), "machine, finite test sets", small)


def _unlisted(task: Task) -> Serial:
    """The carry machine that is too large for a table."""
    law = carry_law(task)  # proves finitely many carries, whether or not the start recurs
    text = f"delay 0: {law.certificate}; not built, machines of up to {MAX_STEPS} cells are"
    return Serial(Verdict(True, text, 0, law.proof), "carry bound")


def count_states(machine: Machine) -> str:
    """`1 state`, `2 states`."""
    return "1 state" if len(machine.table) == 1 else f"{len(machine.table)} states"


class _NotFixed(Exception):
    """The digits read do not fix the digit to write."""


class _Steps:
    """The step from rest to rest; keeps the rests that it met."""

    def __init__(self, base: int, operands: int, holding: Held | None) -> None:
        self.base, self.operands, self.holding = base, operands, holding
        self.seen: set[Rest] = set()

    def __call__(self, rest: Rest, group: Group) -> tuple[Rest, int]:
        """(rest, digit) after one digit group.

        Raises:
            _NotFixed: the digit depends on digits to come.
            TooLarge: more than MAX_STEPS states times groups.
        """
        self.seen.add(rest)
        if len(self.seen) * self.base**self.operands > MAX_STEPS:
            raise TooLarge(f"more than {len(self.seen) - 1} states in base {self.base}: machines of up to {MAX_STEPS} cells are built")
        base, p = self.base, rest.p
        moved = _moved(rest.terms, base, *_counting(rest, group, self.holding))
        if rest.later == 0 and self.holding is not None:
            gone = "ab".index(self.holding.operand)
            moved = {key: c for key, c in moved.items() if not key[gone]}
        first = moved.get((0, 0), 0)
        if p and p % base:
            if any((Rest(p, tuple(moved.items())).at(a, b) - first) % p for a, b in rest.grid):
                raise _NotFixed
            following, digit = divmod(first % p, base)
            return Rest(0, _terms({(0, 0): following})), digit
        digit = first % base
        moved[0, 0] = first - digit
        return Rest(p // base, _terms({key: c // base for key, c in moved.items()}, p // base), rest.later), digit


def _terms(coefficients: dict[tuple[int, int], int], p: int = 0) -> Terms:
    reduced = {key: c % p if p else c for key, c in coefficients.items()}
    return tuple(sorted((key, c) for key, c in reduced.items() if c))


def _moved(terms: Terms, base: int, x: int, y: int) -> dict[tuple[int, int], int]:
    """The coefficients of terms(B*A + x, B*C + y)."""
    found: dict[tuple[int, int], int] = {}
    for (i, j), c in terms:
        for k, m in product(range(i + 1), range(j + 1)):
            part = c * comb(i, k) * comb(j, m) * base ** (k + m) * x ** (i - k) * y ** (j - m)
            found[k, m] = found.get((k, m), 0) + part
    return found

"""Finite digit-serial machines of tasks, in each direction, with the least delay: a proof that the machine computes the task, or that
none does. Reading and delay are those of `theory.proofs.properties`: the number stands between unlimited zeros.

Least significant first the machine comes from the rests of the computation (`theory.automata.rests`); most significant first a // q is long
division. Every other machine is found from the one that reads from the other end, which exists or not by the theorem of
`theory.proofs.verdicts.other_direction`; where there is none to start from, far digits decide (`theory.proofs.germs`), or the three
outcomes of comparing the operands are the states (`theory.proofs.smt`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

from theory.automata.held import held
from theory.automata.machines import Group, Machine, TooLarge, tabulate
from theory.automata.rests import MAX_STEPS, All, Serial, by_rests, carry_law, count_states
from theory.errors import InputError
from theory.language.expressions import Binary, Call, Const, Expression, Var, affine, bounds, has_call, operands, polynomial, substitute
from theory.language.tasks import Task
from theory.proofs.germs import far_above, far_below
from theory.proofs.properties import may_be_negative, short, value_at
from theory.proofs.refutations import growing, never_periodic
from theory.proofs.testsets import Undecided, degrees, nonzero_point, period
from theory.proofs.verdicts import Proof, Verdict, equivalence, other_direction, recurrence, reversed_machine

MAX_COMPARED = 40  # base


@cache
def serial(task: Task, direction: str) -> Serial:
    """The machine of a task that reads the least (`lsd`) or most (`msd`) significant digit first, or why there is none.

    The verdict is None where the value may be negative (it has no digits), outside the class that is decided, and beyond stated limits.
    """
    if task.machine is not None:
        return _given(task, task.machine, direction)
    if may_be_negative(task.expression) and not _nonlinear(task.expression):
        order = "; on operands in order (a >= b) it is decided by predict --train-domain ordered" if task.needs_order else ""
        return Serial(Verdict(None, f"undecided: the value may be negative, which has no digits{order}"), "-")
    try:
        return _least_first(task) if direction == "lsd" else _most_first(task)
    except (TooLarge, Undecided) as reason:
        return Serial(Verdict(None, f"undecided: {reason}"), "limit")


def _given(task: Task, machine: Machine, direction: str) -> Serial:
    """The machine that defines the task, or the one that reads from the other end."""
    proof = equivalence(machine.minimal, machine).proof
    own = Serial(Verdict(True, f"{count_states(machine.minimal)}, delay 0: the task is given by it", 0, proof), "given", machine.minimal)
    return own if direction == machine.direction else _from_other_end(own)


def _least_first(task: Task) -> Serial:
    expression = task.expression
    if _nonlinear(expression):
        return Serial(growing(task), "sections")
    if _is_quotient(expression):
        return _from_other_end(_division(task))
    if polynomial(task.inner) is not None or held(task) is not None:
        return by_rests(task)
    if degrees(expression) == (0, 0) and (far := never_periodic(task)) is not None:
        return Serial(far, "finite test sets")
    return _far_or_unknown(task, "lsd")


def _nonlinear(expression: Expression) -> bool:
    return polynomial(expression) is not None and affine(expression) is None


def _is_quotient(expression: Expression) -> bool:
    return isinstance(expression, Binary) and expression.op == "//" and isinstance(expression.left, Var)


def _far_or_unknown(task: Task, direction: str) -> Serial:
    """What far digits show."""
    far = far_above(task.expression, task.base) if direction == "lsd" else far_below(task.expression, task.base)
    if far is None:
        return Serial(Verdict(None, "outside the class of expressions that this version decides"), "-")
    return Serial(Verdict(False, far.text, None, far), "far digits")


# ------------------------------------------------------------------------------------------------------------ most significant first


@dataclass(frozen=True)
class LongDivision:
    """The machine divides an operand by q: with A = q*h + r and 0 <= r < q, B*A + x = q*(B*h + c) + r' where c, r' = divmod(B*r + x, q)."""

    task: Task
    machine: Machine

    def check(self) -> bool:
        """The task is a // q or b // q, the start is remainder 0, and every cell is one step of the division."""
        machine, base = self.machine, self.task.base
        match self.task.expression:
            case Binary("//", Var(name), Const(q)):
                place = "ab".index(name)
                if machine.base != base or machine.direction != "msd" or machine.start != 0 or machine.operands <= place:
                    return False
                steps = [[divmod(base * r + machine.group(n)[place], q) for n in machine.groups] for r in range(q)]
                return steps == [[(digit, r) for r, digit in row] for row in machine.table]
        return False


@dataclass(frozen=True)
class Bounded:
    """f never exceeds `bound` and is positive at a point: moved up by many digits, the operands do not move the result up."""

    task: Task
    bound: int
    point: tuple[int, int]

    def check(self) -> bool:
        """The bound follows from the form of the expression, and f is positive at the point."""
        return _bound(self.task.expression) == self.bound and 0 < self.task(*self.point) <= self.bound


@dataclass(frozen=True)
class Compared:
    """The states are a < b, a = b, a > b of the digits read: f(B*A + x, B*C + y) = B*f(A, C) + digit for all A, C in the state (z3)."""

    task: Task
    machine: Machine

    def check(self) -> bool:
        """z3 again, one query a state; and the comparison of one more digit pair, by definition."""
        from theory.proofs.smt import AlwaysZero

        base, machine = self.task.base, self.machine
        if (machine.direction, machine.base, machine.operands, machine.start, len(machine.table)) != ("msd", base, 2, 1, 3):
            return False
        for state, row in enumerate(machine.table):
            gaps = []
            for number, (following, digit) in enumerate(row):
                x, y = machine.group(number)
                if following != (state if state != 1 else 1 + (x > y) - (x < y)):
                    return False
                gaps.append(_gap(self.task, x, y, digit))
            if not AlwaysZero(tuple(gaps), ORDERS[state]).check():
                return False
        return True


ORDERS = (Call("<", (Var("a"), Var("b"))), Call("==", (Var("a"), Var("b"))), Call("<", (Var("b"), Var("a"))))


def _gap(task: Task, x: int, y: int, digit: int) -> Expression:
    """f(B*a + x, B*b + y) - B*f(a, b) - digit."""
    moves: dict[str, Expression] = {n: Binary("+", Binary("*", Const(task.base), Var(n)), Const(d)) for n, d in (("a", x), ("b", y))}
    scaled = Binary("*", Const(task.base), task.expression)
    return Binary("-", Binary("-", substitute(task.expression, moves), scaled), Const(digit))


def _most_first(task: Task) -> Serial:
    expression = task.expression
    if _is_quotient(expression):
        return _division(task)
    low = serial(task, "lsd")
    if low.machine is not None and low.verdict.digits == 0:
        return _from_other_end(low)
    if (bounded := _bounded(task)) is not None:
        return bounded
    if has_call(expression) and operands(expression) == 2 and (machine := _comparator(task)) is not None:
        proof = Compared(task, machine)
        if proof.check():
            text = "3 states, delay 0: which operand is larger so far; every cell holds for all operands by z3"
            return Serial(Verdict(True, text, 0, proof), "machine, z3", machine.minimal)
    if low.verdict.value and low.machine is None and far_below(expression, task.base) is None:
        raise TooLarge(f"the machine that reads from the other end is not built, machines of up to {MAX_STEPS} cells are")
    return _far_or_unknown(task, "msd")


def _bounded(task: Task) -> Serial | None:
    bound, point = _bound(task.expression), None
    if bound is not None:
        point = next(((a, b) for a, b in product(range(12), repeat=2) if task(a, b)), None) or nonzero_point(task.expression)
    if bound is None or point is None:
        return None
    text = f"{value_at(task.expression, *point)}, but f never exceeds {short(bound)}: operands moved up by many digits do not move it up"
    return Serial(Verdict(False, text, None, Bounded(task, bound, point)), "bound")


def _bound(expression: Expression) -> int | None:
    """A bound that the form of the expression shows; None where it shows none."""
    match expression:
        case Binary("%", _, Const(p)):
            return p - 1
        case Call("<" | "<=" | "==" | "!="):
            return 1
    return bounds(expression, max(period(expression)))[1] if degrees(expression) == (0, 0) else None


def _comparator(task: Task) -> Machine | None:
    """The machine that compares the operands, with the digits that small operands show; None where they contradict each other."""
    base = task.base
    if base > MAX_COMPARED:
        raise TooLarge(f"base {base}: machines that compare the operands are proven up to base {MAX_COMPARED}")
    samples = (((0, 1), (0, 2), (3, 7)), ((0, 0), (1, 1), (5, 5)), ((1, 0), (2, 0), (7, 3)))
    rows = []
    for state, points in enumerate(samples):
        row = []
        for x, y in product(range(base), repeat=2):
            seen = {task(base * a + x, base * b + y) - base * task(a, b) for a, b in points}
            if len(seen) > 1 or not 0 <= min(seen) < base:
                return None
            row.append((state if state != 1 else 1 + (x > y) - (x < y), seen.pop()))
        rows.append(tuple(row))
    return Machine(base, 2, 1, tuple(rows), "msd")


def _division(task: Task) -> Serial:
    match task.expression:
        case Binary("//", Var(name), Const(q)):
            base = task.base
            if q * base ** operands(task.expression) > MAX_STEPS:
                raise TooLarge(f"{short(q)} remainders in base {base}: machines of up to {MAX_STEPS} cells are built")

            def step(r: int, group: Group) -> tuple[int, int]:
                digit, rest = divmod(base * r + group["ab".index(name)], q)
                return rest, digit

            machine = tabulate(base, operands(task.expression), 0, step, "msd")
            text = f"{q} states, delay 0: long division of {name} by {q}, the state is the remainder"
            return Serial(Verdict(True, text, 0, LongDivision(task, machine)), "machine", machine)
    raise InputError(f"{task.text} is not a quotient of one operand")


def _from_other_end(found: Serial) -> Serial:
    """From a machine without delay to the machine that reads from the other end, if there is one."""
    machine = found.machine
    assert machine is not None
    assert found.verdict.proof is not None
    other = other_direction(machine)
    if other.value is None or other.proof is None:
        return Serial(other, "limit")
    proof = All((found.verdict.proof, other.proof))
    if not other.value:
        return Serial(Verdict(False, other.certificate, None, proof), "machine read from the other end")
    turned = reversed_machine(machine)
    text = f"{count_states(turned)}, delay {other.digits}: {other.certificate.partition(': ')[2]}"
    return Serial(Verdict(True, text, other.digits, proof), "machine read from the other end", turned)


# ------------------------------------------------------------------------------------------------------------ translation invariance


def invariance(task: Task) -> tuple[Verdict, str]:
    """Translation invariance with its proof, and how it is proven: a machine in either direction whose start is always reachable again.

    A bounded f > 0 has none: least significant first, any long low word could be prolonged to one after which the machine is at its start,
    and f(u + B^t*v) = w + B^t*f(v) for all t would not be bounded.

    Whether the minimal machine can come back does not depend on the delay: where a machine with a larger delay is at its start again, it
    writes what it writes from its start, so the minimal machine is in a state that is equivalent to its start.
    """
    try:
        if task.machine is None and not may_be_negative(task.expression) and (bounded := _bounded(task)) is not None:
            return bounded.verdict, bounded.how
    except Undecided:
        pass
    found = {direction: serial(task, direction) for direction in ("lsd", "msd")}
    names = {"lsd": "least significant first", "msd": "most significant first"}
    refuted: list[Proof] = []
    texts: list[str] = []
    open_reasons: list[str] = []
    for direction, each in found.items():
        proof, words = each.verdict.proof, each.verdict.certificate
        if each.verdict.value is None or proof is None:
            open_reasons.append(words)
            continue
        if each.verdict.value:
            back = carry_law(task) if each.machine is None else recurrence(each.machine)
            assert back.proof is not None
            if back.value:
                text = f"{names[direction]}, {words}; {back.certificate}"
                return Verdict(True, text, each.verdict.digits, All((proof, back.proof))), each.how
            proof, words = All((proof, back.proof)), f"a machine exists, but {back.certificate}"
        refuted.append(proof)
        texts.append(f"{names[direction]}: {words}")
    if open_reasons:
        return Verdict(None, open_reasons[0]), "-"
    hows = list(dict.fromkeys(each.how for each in found.values()))
    return Verdict(False, "; ".join(texts), None, All(tuple(refuted))), "; ".join(hows)

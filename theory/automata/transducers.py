"""Digit-serial machines: finite transducers that read one digit pair and write one result digit per step.

For alpha*a + beta*b + gamma with alpha, beta, gamma >= 0 the state is the carry s, the start is gamma, and a step on digits x, y is

    s', c = divmod(alpha*x + beta*y + s, B).

Distinct carries write distinct results for the same further input, so this is the minimal machine. For a//q, read from the most
significant digit, the state is the remainder r of the digits read so far, and c, r' = divmod(B*r + x, q).

With a negative beta the carries may be negative (borrows): the same step then writes the value modulo B^t in t steps, which is the value
where it is not negative. For alpha + beta >= 0 <= gamma that is so wherever a >= b.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from theory.language.expressions import Binary, Call, Const, Var, affine
from theory.language.layouts import digits
from theory.language.tasks import Task

MAX_STATES = 20_000
MAX_STEPS = 4_000_000  # states times digit pairs: what a closure has to visit

Step = Callable[[int, int, int], tuple[int, int]]


@dataclass(frozen=True)
class Transducer:
    """A Mealy machine over digit pairs: `step(state, x, y)` is (next state, result digit).

    `direction` says which end it reads from: `lsd` least, `msd` most significant digit first.
    """

    base: int
    start: int
    step: Step
    direction: str = "lsd"

    @cached_property
    def reachable(self) -> frozenset[int]:
        """The states that some input reaches from the start."""
        return self._closure(self.start)

    def _closure(self, state: int) -> frozenset[int]:
        seen, frontier = {state}, {state}
        while frontier:
            frontier = {self.step(s, x, y)[0] for s in frontier for x, y in self._pairs} - seen
            seen |= frontier
        return frozenset(seen)

    @cached_property
    def _pairs(self) -> list[tuple[int, int]]:
        return [(x, y) for x in range(self.base) for y in range(self.base)]

    @cached_property
    def recurrent(self) -> bool:
        """Whether the start state is reachable from every reachable state."""
        before: dict[int, set[int]] = {}
        for s in self.reachable:
            for x, y in self._pairs:
                before.setdefault(self.step(s, x, y)[0], set()).add(s)
        seen, frontier = {self.start}, {self.start}
        while frontier:
            frontier = {s for state in frontier for s in before.get(state, ())} - seen
            seen |= frontier
        return seen == self.reachable

    @cached_property
    def memory(self) -> int | None:
        """Least mu such that the last mu (input, output) groups fix the state; None where no number of groups does.

        Pairs of different states are followed through equal labels (x, y, output). The set of pairs still apart after k groups shrinks
        with k: it is empty from k = mu on, or it stops shrinking and no mu exists. For recurrent carries of alpha*a + beta*b + gamma,
        mu is the number of base-B digits of alpha + beta - 1 (0 where that is 0): a pair stays together in its labels iff the difference
        of its carries is a multiple of B, and a step then divides the difference by B.
        """
        states = sorted(self.reachable)
        number = {s: i for i, s in enumerate(states)}
        rows = {tuple(self.step(s, x, y) for s in states) for x, y in self._pairs}
        pairs = {(i, j) for j in range(len(states)) for i in range(j)}
        groups = 0
        while pairs:
            apart = set()
            for row in rows:
                for i, j in pairs:
                    (s, c), (t, d) = row[i], row[j]
                    if c == d and s != t:
                        apart.add((min(number[s], number[t]), max(number[s], number[t])))
            if apart == pairs:
                return None
            pairs, groups = apart, groups + 1
        return groups

    def run(self, a: int, b: int, width: int) -> int:
        """The number that `width` steps write on operands of up to `width` digits."""
        indices = range(width) if self.direction == "lsd" else range(width)[::-1]
        x, y = digits(a, width, self.base), digits(b, width, self.base)
        state, value = self.start, 0
        for i in indices:
            state, digit = self.step(state, x[i], y[i])
            value += digit * self.base**i
        return value


def affine_transducer(task: Task) -> Transducer | None:
    """The carry machine of alpha*a + beta*b + gamma, least significant digit first.

    None where the task is not of this form with alpha, beta, gamma >= 0, or where the machine is too large to build
    (more than 20 000 carries, or more than 4 million steps to visit).

    >>> from theory.language.tasks import make_task
    >>> machine = affine_transducer(make_task("dozen"))
    >>> machine.run(987, 0, width=5), sorted(machine.reachable), machine.memory
    (11844, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 2)
    """
    coefficients = affine(task.expression)
    return None if coefficients is None or min(coefficients) < 0 else _carry_machine(*coefficients, task.base)


def borrow_transducer(task: Task) -> Transducer | None:
    """The carry machine of a task with a negative beta, right for a >= b; None for other tasks, and where it is too large to build.

    >>> from theory.language.tasks import make_task
    >>> machine = borrow_transducer(make_task("sub"))
    >>> machine.run(1000, 1, width=4), sorted(machine.reachable), machine.memory
    (999, [-1, 0], 1)
    """
    coefficients = affine(task.expression)
    return None if coefficients is None or not task.needs_order else _carry_machine(*coefficients, task.base)


def _carry_machine(alpha: int, beta: int, gamma: int, base: int) -> Transducer | None:
    states = alpha + abs(beta) + 1 + gamma.bit_length()  # carries 0..alpha+beta (beta..alpha), and those on the way down from gamma
    if states > MAX_STATES or states * base * base > MAX_STEPS:
        return None

    def step(carry: int, x: int, y: int) -> tuple[int, int]:
        return divmod(alpha * x + beta * y + carry, base)

    return Transducer(base, gamma, step)


def window_needed(task: Task, direction: str, shown: str = "ab") -> int | None:
    """The least number of tokens before the query of c_i that fix it in an interleaved layout; None for other tasks and directions.

    Back from the query b_i stand a_i and then c, b, a of one group after the other. Carries that differ by h behave alike over a whole
    group iff B divides h, and differ by h / B after it. So q whole groups in sight leave c_i open iff B^q <= h for the largest h before
    them, which is the largest carry itself; with c and b of one group more but not its a, it is (alpha*B + beta - 1) // B. The remainders
    of a // q, read from the other end, follow the same law with alpha = q (b // q: beta = q). Where a alone is shown, groups are a and c.

    >>> from theory.language.tasks import make_task
    >>> [window_needed(make_task(expr=text), "lsd") for text in ("a + b", "12*a", "a*b")]
    [4, 7, None]
    >>> [window_needed(make_task(expr=text), "lsd", "a") for text in ("2*a", "12*a", "123*a")]
    [2, 4, 6]
    """
    match task.expression:
        case Binary("//", Var(name), Const(q)) if direction == "msd":
            coefficients: tuple[int, int, int] | None = (q, 0, 0) if name == "a" else (0, q, 0)
        case expression:
            coefficients = affine(expression) if direction == "lsd" else None
    if coefficients is None or min(coefficients) < 0:
        return None
    alpha, beta, gamma = coefficients
    top, without_a = max(alpha + beta - 1, 0), (alpha * task.base + beta - 1) // task.base
    if gamma > top:  # the start is a carry of its own
        return None
    if alpha == 0 and beta <= 1:  # b_i, the query itself, or nothing
        return 0
    if shown == "a":
        groups = 0
        while task.base**groups <= top:
            groups += 1
        return 2 * groups
    tokens = 1
    while task.base ** ((tokens - 1) // 3) <= (without_a if tokens % 3 == 0 else top):
        tokens += 1
    return tokens


def quotient_transducer(task: Task) -> Transducer | None:
    """The remainder machine of a//q or b//q, most significant digit first; None for other tasks and where it is too large to build.

    >>> from theory.language.tasks import make_task
    >>> quotient_transducer(make_task(expr="a // 7")).run(100, 0, width=3)
    14
    """
    match task.expression:
        case Binary("//", Var(name), Const(q)) if q <= MAX_STATES and q * task.base * task.base <= MAX_STEPS:
            base = task.base

            def step(remainder: int, x: int, y: int) -> tuple[int, int]:
                digit, rest = divmod(base * remainder + (x if name == "a" else y), q)
                return rest, digit

            return Transducer(base, 0, step, "msd")
    return None


def order_transducer(task: Task) -> Transducer | None:
    """The machine of max(a, b) or min(a, b), most significant digit first; None for other tasks and where it is too large to build.

    The state is the order of the high parts: 0 equal so far, 1 where a is larger, 2 where b is.
    """
    match task.expression:
        case Call("max" | "min" as name, (Var(one), Var(two))) if one != two and 3 * task.base * task.base <= MAX_STEPS:

            def step(order: int, x: int, y: int) -> tuple[int, int]:
                order = order or (x > y) + 2 * (x < y)
                return order, x if (order != 2) == (name == "max") else y

            return Transducer(task.base, 0, step, "msd")
    return None

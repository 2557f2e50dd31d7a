"""Multiplying by a number that stays short: the machine that holds one operand, as in a * (b mod 100).

Let f = g(h)*x + u(h), where x is one operand, h = the other mod B^K, and g and u are polynomials with coefficients >= 0. Least significant
digit first, a machine that has read K digits knows h. What it has left to write of x = x' + B^t*X is

    floor(f(x' + B^t*X) / B^t) = g(h)*X + s,    s = floor((g(h)*x' + u(h)) / B^t),

so its state is g(h) with the carry s, and a step on the digit X_0 writes s', c = divmod(g(h)*X_0 + s, B). Before that it holds the digits
that it has read; and as + and * bring no digit to a lower place, it can write as it reads. The machine is finite, however long x is: this
is what sets N x K multiplication apart from a * b, whose states grow with the digits. But once g(h) is held it is held to the end, so that
the start never recurs where g is not constant: no number of digits in sight tells what the first ones were.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from theory.automata.transducers import MAX_STATES, MAX_STEPS, Transducer
from theory.language.expressions import Binary, Const, Expression, Var, nodes, polynomial
from theory.language.tasks import Task

State = tuple[int, ...]  # while h is read: (t, low digits of x, those of h); then: (g(h), carry)


@dataclass(frozen=True)
class Held:
    """g(h)*x + u(h) with h = `operand` mod B^digits, and x the other operand.

    `terms` has the coefficients {(i, j): c} of c * x^i * h^j, i <= 1; g is not constant.
    """

    operand: str
    digits: int
    base: int
    terms: dict[tuple[int, int], int]

    def slope(self, h: int) -> int:
        """g(h)."""
        return self.value(1, h) - self.value(0, h)

    def value(self, x: int, h: int) -> int:
        return sum(int(c * x**i * h**j) for (i, j), c in self.terms.items())

    def step(self, state: State, x: int, h: int) -> tuple[State, int]:
        """The machine on the next digit of x, and of h where it has one."""
        if len(state) == 2:
            carry, digit = divmod(state[0] * x + state[1], self.base)
            return (state[0], carry), digit
        t, low_x, low_h = state
        low_x, low_h = low_x + x * self.base**t, low_h + h * self.base**t
        rest, digit = divmod(self.value(low_x, low_h) // self.base**t, self.base)
        return ((self.slope(low_h), rest) if t + 1 == self.digits else (t + 1, low_x, low_h)), digit

    @cached_property
    def states(self) -> int:
        """A bound on the number of states."""
        top = self.base**self.digits - 1
        reading = sum(self.base ** (2 * t) for t in range(self.digits))
        total: int = reading + (top + 1) * (self.slope(top) + self.value(0, top) // self.base**self.digits + 1)
        return total


def held(task: Task) -> Held | None:
    """How the task holds an operand; None of other tasks.

    >>> from theory.language.tasks import make_task
    >>> found = held(make_task(expr="a * (b % 100) + b % 100"))
    >>> found.operand, found.digits, found.terms == {(1, 1): 1, (0, 1): 1}
    ('b', 2, True)
    >>> held(make_task("mul")), held(make_task(expr="a + b % 10")), held(make_task(expr="a * (b % 7)"))
    (None, None, None)
    """
    for operand in "ba":
        moduli = _moduli(task.expression)
        digits = _logarithm(moduli.pop(), task.base) if len(moduli) == 1 else None
        whole = None if digits is None else _unfold(task.expression, operand, task.base**digits)
        terms = None if whole is None else polynomial(whole)
        if digits is None or not terms or min(terms.values()) < 0:
            continue
        found = {((i, j) if operand == "b" else (j, i)): c for (i, j), c in terms.items()}
        if max(i for i, _ in found) == 1 and any(i and j for i, j in found):
            return Held(operand, digits, task.base, found)
    return None


def _moduli(expression: Expression) -> set[int]:
    found = (node for node in nodes(expression) if isinstance(node, Binary) and node.op == "%")
    return {node.right.value for node in found if isinstance(node.right, Const)}


def _logarithm(value: int, base: int) -> int | None:
    """k >= 1 with base^k = value."""
    k = 1
    while base**k < value:
        k += 1
    return k if base**k == value else None


def _unfold(expression: Expression, operand: str, modulus: int) -> Expression | None:
    """The expression with `operand` for `operand` % modulus; None where the operand stands anywhere else."""
    match expression:
        case Binary("%", Var(name), Const(q)) if name == operand and q == modulus:
            return Var(operand)
        case Binary(op, left, right):
            x, y = _unfold(left, operand, modulus), _unfold(right, operand, modulus)
            return None if x is None or y is None else Binary(op, x, y)
        case Var(name) if name == operand:
            return None
        case Var() | Const():
            return expression
    return None


def held_transducer(task: Task) -> Transducer | None:
    """The machine above with its states numbered from 0, the start; None of other tasks, and where it is too large to build.

    >>> from theory.language.tasks import make_task
    >>> machine = held_transducer(make_task(expr="a * (b % 10)"))
    >>> machine.run(123456, 7, width=7), len(machine.reachable)
    (864192, 47)
    """
    found = held(task)
    if found is None or found.states > MAX_STATES or found.states * task.base**2 > MAX_STEPS:
        return None
    pairs = [(x, y) for x in range(task.base) for y in range(task.base)]
    start: State = (0, 0, 0)
    numbers, order = {start: 0}, [start]
    table: list[dict[tuple[int, int], tuple[int, int]]] = []
    for state in order:
        row = {}
        for x, y in pairs:
            after, digit = found.step(state, *((x, y) if found.operand == "b" else (y, x)))
            if after not in numbers:
                numbers[after] = len(numbers)
                order.append(after)
            row[x, y] = numbers[after], digit
        table.append(row)
    return Transducer(task.base, 0, lambda state, x, y: table[state][x, y])

"""Explicit finite machines: one table row per state, one cell (next state, result digit) per digit group.

A Mealy machine over base B reads one digit group per step, (x,) or (x, y), and writes one result digit. Groups are numbered x and x*B + y:
the number is the place of the cell in the row, and a word is a tuple of such numbers in reading order. `direction` says which end comes
first, `lsd` least or `msd` most significant digit.

Delay: run with delay d, the machine is fed d zero groups at the end and its first d digits are dropped, so that it has seen d more groups
when it writes a digit. The delay belongs to the reading of the output as a number, not to the machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product as pairs_of
from typing import Any, TypeVar

from theory.automata.transducers import MAX_STATES, Transducer
from theory.errors import InputError
from theory.language.layouts import digits

MAX_CELLS = 1_000_000  # states times digit groups

Cell = tuple[int, int]
Row = tuple[Cell, ...]
Word = tuple[int, ...]
Group = tuple[int, ...]
Node = TypeVar("Node")
Tree = dict[Node, tuple[Node, int] | None]


class TooLarge(InputError):
    """A machine or a computation beyond a stated limit."""


@dataclass(frozen=True)
class Machine:
    """A complete Mealy machine; immutable, and it raises InputError where the table is not one.

    Attributes:
        base: B >= 2.
        operands: 1 or 2 digits per group.
        start: the state before the first group.
        table: table[state][group] = (next state, result digit); states are 0 .. len(table) - 1.
        direction: `lsd` or `msd`.
    """

    base: int
    operands: int
    start: int
    table: tuple[Row, ...] = field(repr=False)
    direction: str = "lsd"

    def __post_init__(self) -> None:
        _check_shape(self)
        object.__setattr__(self, "table", tuple(tuple(map(tuple, row)) for row in self.table))  # lists become tuples, tuples stay

    # ------------------------------------------------------------------------------------------------------------------- reading

    @property
    def states(self) -> range:
        """All states."""
        return range(len(self.table))

    @property
    def groups(self) -> range:
        """All digit groups, by number."""
        return range(self.base**self.operands)

    def group(self, number: int) -> Group:
        """The digits (x,) or (x, y) of a group."""
        return (number,) if self.operands == 1 else divmod(number, self.base)

    def number(self, group: Group) -> int:
        """The number of a group of digits."""
        return group[0] if self.operands == 1 else group[0] * self.base + group[1]

    def show(self, word: Word) -> str:
        """A word as people read it: '3,4 0,0' is first the digits 3 and 4, then two zeros."""
        return " ".join(",".join(map(str, self.group(number))) for number in word) or "the empty input"

    def word(self, a: int, b: int, width: int) -> Word:
        """The operands as a word of `width` groups; b is 0 for machines of one operand.

        Raises:
            InputError: an operand is negative or does not fit.
        """
        if min(a, b, width) < 0 or (b and self.operands == 1):
            raise InputError(f"operands {a}, {b} and width {width} must be at least 0, and b must be 0 for a machine of one operand")
        columns = [digits(value, width, self.base) for value in (a, b)[: self.operands]]
        numbers = [self.number(group) for group in zip(*columns, strict=True)]
        return tuple(numbers if self.direction == "lsd" else reversed(numbers))

    def numbers(self, word: Word) -> tuple[int, int]:
        """The operands (a, b) that a word spells; b is 0 for machines of one operand."""
        groups = [self.group(number) for number in word]
        a, b = (self.value([group[k] for group in groups]) if k < self.operands else 0 for k in (0, 1))
        return a, b

    def value(self, written: Iterable[int]) -> int:
        """The number that digits in reading order spell."""
        ordered = list(written)
        value = 0
        for digit in ordered if self.direction == "msd" else reversed(ordered):
            value = value * self.base + digit
        return value

    def walk(self, word: Word, state: int | None = None) -> tuple[int, tuple[int, ...]]:
        """The state after a word and the digits written, from `state` (default: the start)."""
        at, written = self.start if state is None else state, []
        for number in word:
            at, digit = self.table[at][number]
            written.append(digit)
        return at, tuple(written)

    def run(self, a: int, b: int, width: int, delay: int = 0) -> int:
        """The number of `width` digits that the machine writes on operands of up to `width` digits, with a delay (see the module)."""
        if delay < 0:
            raise InputError(f"delay {delay}: the delay must be at least 0")
        _, written = self.walk(self.word(a, b, width) + (0,) * delay)
        return self.value(written[delay:])

    # ------------------------------------------------------------------------------------------------------------------- the states

    @cached_property
    def reached(self) -> Tree[int]:
        """The reachable states, nearest first, with the step that leads there."""
        tree: Tree[int] = {}
        deque(breadth_first(self.start, lambda state: [following for following, _ in self.table[state]], tree), maxlen=0)
        return tree

    def access(self, state: int) -> Word:
        """A shortest word from the start to a reachable state."""
        return path(self.reached, state)

    @cached_property
    def returning(self) -> Tree[int]:
        """The reachable states that some input leads back to the start, nearest first; each with the next state on that way."""
        before: dict[int, set[int]] = {}
        for state in self.reached:
            for following, _ in self.table[state]:
                before.setdefault(following, set()).add(state)
        tree: Tree[int] = {}
        deque(breadth_first(self.start, lambda state: before.get(state, ()), tree), maxlen=0)
        return tree

    @property
    def recurrent(self) -> bool:
        """Whether the start is reachable from every reachable state."""
        return self.returning.keys() == self.reached.keys()

    @property
    def trimmed(self) -> Machine:
        """The reachable part; the states keep their order."""
        kept = sorted(self.reached)
        return _relabelled(self, kept, {state: i for i, state in enumerate(kept)})

    @cached_property
    def minimal(self) -> Machine:
        """The minimal equivalent machine: states that write the same on every further input become one.

        The classes are numbered by their first state, so an order of the states that the classes respect is kept.
        """
        trimmed = self.trimmed
        stable = deque(refinements(trimmed), maxlen=1)[0]
        return quotient(trimmed, stable)

    def started_at(self, state: int) -> Machine:
        """The same table with another start."""
        return replace(self, start=state)

    # ------------------------------------------------------------------------------------------------------------------- new machines

    def swapped(self) -> Machine:
        """The machine of f(b, a)."""
        if self.operands == 1:
            raise InputError("a machine of one operand has no operands to swap")
        order = [y * self.base + x for x in range(self.base) for y in range(self.base)]
        return replace(self, table=tuple(tuple(row[number] for number in order) for row in self.table))

    def grouped(self, k: int) -> Machine:
        """The same function in base B^k: k digit groups per step."""
        base = self.base**k if 1 <= k <= 20 else 0
        if not base or len(self.table) * base**self.operands > MAX_CELLS:
            raise TooLarge(f"k = {k}: the machine in base {self.base}^{k} must have at least 1 and at most {MAX_CELLS} cells")
        words = [self.word(a, b, k) for a in range(base) for b in range(base if self.operands == 2 else 1)]
        rows = [[self.walk(word, state) for word in words] for state in self.states]
        return replace(self, base=base, table=tuple(tuple((s, self.value(written)) for s, written in row) for row in rows))

    @property
    def transducer(self) -> Transducer:
        """The same machine as a step function; with one operand, y is not looked at."""
        if self.operands == 1:
            return Transducer(self.base, self.start, lambda s, x, _: self.table[s][x], self.direction)
        return Transducer(self.base, self.start, lambda s, x, y: self.table[s][x * self.base + y], self.direction)


def _check_shape(machine: Machine) -> None:
    base, operands, table = machine.base, machine.operands, machine.table
    if not _whole(base, 2, MAX_CELLS):
        raise InputError(f"machine: the base {_seen(base)} must be an integer from 2 to {MAX_CELLS}")
    if not _whole(operands, 1, 2):
        raise InputError(f"machine: operands {_seen(operands)} must be 1 or 2")
    if machine.direction not in ("lsd", "msd"):
        raise InputError(f"machine: direction {_seen(machine.direction)} must be 'lsd' or 'msd'")
    if not isinstance(table, list | tuple) or not table:
        raise InputError("machine: the table must be a list with at least one row")
    count, width = len(table), base**operands
    if count > MAX_STATES or count * width > MAX_CELLS:
        raise TooLarge(f"machine: {count} states with {width} digit groups, at most {MAX_STATES} states and {MAX_CELLS} cells are taken")
    if not _whole(machine.start, 0, count - 1):
        raise InputError(f"machine: the start {_seen(machine.start)} must be a state from 0 to {count - 1}")
    for state, row in enumerate(table):
        if not isinstance(row, list | tuple) or len(row) != width:
            raise InputError(f"machine: row {state} must have {width} cells, one per digit group")
        for number, cell in enumerate(row):
            pair = isinstance(cell, list | tuple) and len(cell) == 2
            if not (pair and _whole(cell[0], 0, count - 1) and _whole(cell[1], 0, base - 1)):
                raise InputError(f"machine: row {state} cell {number} must be [next state 0..{count - 1}, digit 0..{base - 1}]")


def _whole(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _seen(value: object) -> str:
    """A short rendering of anything (very long integers have none in Python)."""
    return repr(value)[:40] if type(value) is str or _whole(value, -(10**12), 10**12) else f"of type {type(value).__name__}"


def breadth_first(start: Node, successors: Callable[[Node], Iterable[Node]], tree: Tree[Node]) -> Iterator[Node]:
    """The nodes, nearest first; tree[node] becomes (node before, number of the move), None for the start."""
    tree[start] = None
    queue = deque([start])
    while queue:
        node = queue.popleft()
        yield node
        for number, following in enumerate(successors(node)):
            if following not in tree:
                tree[following] = node, number
                queue.append(following)


def path(tree: Tree[Node], node: Node) -> Word:
    """The moves from the start of the tree to a node."""
    moves = []
    while (step := tree[node]) is not None:
        node, number = step
        moves.append(number)
    return tuple(reversed(moves))


# -------------------------------------------------------------------------------------------------------------------------- construct


def tabulate(base: int, operands: int, start: Any, step: Callable[[Any, Group], tuple[Any, int]], direction: str = "lsd") -> Machine:
    """The machine of the states that `step(state, group)` reaches from `start`, numbered in their own order.

    Raises:
        TooLarge: more than 20 000 states or 1 000 000 cells.

    >>> parity = tabulate(2, 1, 0, lambda state, group: ((state + group[0]) % 2, (state + group[0]) % 2))
    >>> parity.run(0b0111, 0, width=4), parity.minimal == parity
    (13, True)
    """
    if not _whole(base, 2, MAX_CELLS) or not _whole(operands, 1, 2):
        raise InputError(f"machine: the base {_seen(base)} must be 2 to {MAX_CELLS}, the operands {_seen(operands)} 1 or 2")
    rows: dict[Any, list[tuple[Any, int]]] = {}
    frontier = [start]
    while frontier:
        state = frontier.pop()
        if state in rows:
            continue
        if len(rows) == min(MAX_STATES, MAX_CELLS // base**operands):
            raise TooLarge(f"more than {len(rows)} states in base {base}: at most {MAX_STATES} states and {MAX_CELLS} cells are taken")
        rows[state] = [step(state, group) for group in pairs_of(range(base), repeat=operands)]
        frontier += {following for following, _ in rows[state] if following not in rows}
    number = {state: i for i, state in enumerate(sorted(rows))}
    table = tuple(tuple((number[s], c) for s, c in rows[state]) for state in number)
    return Machine(base, operands, number[start], table, direction)


def from_transducer(transducer: Transducer, operands: int = 2) -> Machine:
    """The table of a transducer, states in ascending order; operands = 1 for a transducer that does not look at y.

    >>> from theory.language.tasks import make_task
    >>> from theory.automata.transducers import affine_transducer
    >>> machine = from_transducer(affine_transducer(make_task("add")))
    >>> len(machine.minimal.table), machine.run(987, 654, width=4)
    (2, 1641)
    """
    if operands == 2:
        return tabulate(transducer.base, 2, transducer.start, lambda s, group: transducer.step(s, *group), transducer.direction)
    machine = tabulate(transducer.base, 1, transducer.start, lambda s, group: transducer.step(s, group[0], 0), transducer.direction)
    if any(transducer.step(s, x, y) != transducer.step(s, x, 0) for s, x, y in _triples(transducer)):
        raise InputError("the transducer looks at the second operand: take operands = 2")
    return machine


def _triples(transducer: Transducer) -> Iterator[tuple[int, int, int]]:
    return pairs_of(transducer.reachable, range(transducer.base), range(transducer.base))


def _relabelled(machine: Machine, kept: list[int], number: dict[int, int]) -> Machine:
    """The machine on the rows `kept`, with state s renamed number[s]."""
    table = tuple(tuple((number[s], c) for s, c in machine.table[state]) for state in kept)
    return replace(machine, start=number[machine.start], table=table)


# -------------------------------------------------------------------------------------------------------------------------- minimise


def refinements(machine: Machine) -> Iterator[list[int]]:
    """Moore's partitions, coarse to fine: partition r gives equal numbers to states that write the same on all inputs of r groups.

    The last one is stable: no further input tells its classes' states apart.
    """
    classes, count = [0] * len(machine.table), 1
    while True:
        yield classes
        rows = (tuple(classes[following] * machine.base + digit for following, digit in row) for row in machine.table)
        number: dict[Word, int] = {}
        classes = [number.setdefault(row, len(number)) for row in rows]
        if len(number) == count:
            return
        count = len(number)


def quotient(machine: Machine, classes: list[int]) -> Machine:
    """One state per class, with the row of the class's first state."""
    first: dict[int, int] = {}
    for state, name in enumerate(classes):
        first.setdefault(name, state)
    return _relabelled(machine, list(first.values()), dict(enumerate(classes)))

"""Inputs as a machine reads them: which operands there are, group by group, and which of their digits are written in a line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from theory.automata.held import held_transducer
from theory.automata.transducers import Transducer, affine_transducer, borrow_transducer, quotient_transducer
from theory.language.domains import plain, restricted, short_operand
from theory.language.layouts import Layout
from theory.language.tasks import Task

State = Hashable
Pair = tuple[int, int]

#: what the next token is; a context ends before a result digit
X, Y, C = range(3)


def local_machine(task: Task, direction: str, domain: str = "either") -> Transducer | None:
    """The finite machine that computes the task in this direction, on a domain (a >= b where it needs order); None where none is known."""
    if short_operand(domain) is not None:
        return local_machine(plain(task, domain), direction) or local_machine(restricted(task, domain), direction)
    if task.machine is not None:
        return task.machine.transducer if task.machine.direction == direction else None
    if direction == "msd":
        return quotient_transducer(task)
    return affine_transducer(task) or borrow_transducer(task) or held_transducer(task)


@dataclass(frozen=True)
class Source:
    """The inputs fed to a machine: `step(state, x, y)` is (next state, result digit), or None where no input has this pair here.

    Of the operands those in `shown` are written in the line.
    """

    base: int
    starts: frozenset[State]
    step: Callable[[Any, int, int], tuple[State, int] | None]
    shown: str = "ab"

    @property
    def cycle(self) -> tuple[int, ...]:
        """The tokens of one group."""
        return (X, Y, C) if "b" in self.shown else (X, C)

    def first(self, visible: int) -> int:
        """What the leftmost of `visible` tokens is, the last being a query."""
        return self.cycle[(len(self.cycle) - 1 - visible) % len(self.cycle)]

    def to_query(self, first: int) -> tuple[int, ...]:
        """The tokens from one of this kind to the next query, both included."""
        return (C, *self.cycle[:-1]) if first == C else self.cycle[self.cycle.index(first) : -1]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple((x, y) for x in range(self.base) for y in range(self.base))

    @cached_property
    def letters(self) -> tuple[Sequence[int], Sequence[int]]:
        """Digits x, and digits y, that the machine tells apart: one of each class that it treats alike."""
        xs: dict[tuple[Any, ...], int] = {}
        ys: dict[tuple[Any, ...], int] = {}
        for d in range(self.base):
            xs.setdefault(tuple(self.step(s, d, y) for s in self.trails for y in range(self.base)), d)
            ys.setdefault(tuple(self.step(s, x, d) for s in self.trails for x in range(self.base)), d)
        return tuple(xs.values()), tuple(ys.values())

    @cached_property
    def trails(self) -> dict[State, tuple[Pair, ...]]:
        """Every state that a group can begin in, with a shortest sequence of digit pairs that leads to it."""
        found: dict[State, tuple[Pair, ...]] = dict.fromkeys(self.starts, ())
        queue = deque(found)
        while queue:
            state = queue.popleft()
            for x, y in self.pairs:
                after = self.step(state, x, y)
                if after is not None and after[0] not in found:
                    found[after[0]] = (*found[state], (x, y))
                    queue.append(after[0])
        return found


def all_inputs(machine: Transducer, domain: str = "either", shown: str = "ab") -> Source:
    """Operands of every length: all pairs, the ordered ones, or those with a short b."""
    if (most := short_operand(domain)) is not None:
        return _beside_short(machine, most, shown)
    ordered = domain == "ordered"
    if machine.direction == "lsd" and not ordered:
        return Source(machine.base, frozenset([machine.start]), machine.step, shown)

    def below(state: tuple[int, bool], x: int, y: int) -> tuple[State, int]:
        after, digit = machine.step(state[0], x, y)
        return (after, _tied("lsd", state[1], x, y)), digit  # if not in order, then by a further digit

    def step(state: tuple[int, str, bool], x: int, y: int) -> tuple[State, int] | None:
        inner, place, tied = state
        if place == "end" or (tied and x < y):
            return None
        after, digit = machine.step(inner, x, y)
        return (after, "end" if place == "top" and x == y == 0 else "below", _tied("msd", tied, x, y)), digit

    if machine.direction == "lsd":
        return Source(machine.base, frozenset([(machine.start, True)]), below, shown)
    return Source(machine.base, frozenset([(machine.start, "top", ordered)]), step, shown)


def _beside_short(machine: Transducer, most: int, shown: str) -> Source:
    """Operands of every length with a b of at most so many digits; a state says in how many groups more b, or the line, may have digits."""

    def below(state: tuple[int, int], x: int, y: int) -> tuple[State, int] | None:
        inner, left = state
        if y and not left:
            return None
        after, digit = machine.step(inner, x, y)
        return (after, max(0, left - 1)), digit

    def above(state: tuple[int, str, int | None], x: int, y: int) -> tuple[State, int] | None:
        inner, place, left = state  # left: unknown until b begins
        if place == "end" or left == 0:
            return None
        after, digit = machine.step(inner, x, y)
        left = left - 1 if left is not None else most - 1 if y else None
        return (after, "end" if place == "top" and x == 0 else "below", left), digit

    if machine.direction == "lsd":
        return Source(machine.base, frozenset([(machine.start, most)]), below, shown)
    return Source(machine.base, frozenset([(machine.start, "top", None)]), above, shown)


def _tied(direction: str, tied: bool, x: int, y: int) -> bool:
    """Whether the digits so far leave a >= b: least significant first as they stand, most significant first as they are equal."""
    return x > y or (tied and x == y) if direction == "lsd" else tied and x == y


def inputs_of_length(machine: Transducer, task: Task, lengths: range, domain: str, shown: str = "ab") -> Source:
    """Operands of the given lengths alone, as a domain of theory.language.domains writes them; a state is (state, length, group, tied)."""
    layout = Layout("interleaved", 1, machine.direction)
    groups, most = {n: layout.widths(task, n).c for n in lengths}, short_operand(domain)

    def step(state: tuple[int, int, int, bool], x: int, y: int) -> tuple[State, int] | None:
        inner, n, group, tied = state
        if group == groups[n]:
            return None
        place = group if machine.direction == "lsd" else groups[n] - 1 - group
        top = x > 0 < y if domain == "both" else x > 0 or (y > 0 and most is None)
        if (place == n - 1 and n > 1 and not top) or (place >= n and (x or y)) or (most is not None and place >= most and y):
            return None
        if domain == "ordered":
            if machine.direction == "msd" and tied and x < y:
                return None
            tied = _tied(machine.direction, tied, x, y)
            if machine.direction == "lsd" and place == n - 1 and not tied:
                return None
        after, digit = machine.step(inner, x, y)
        return (after, n, group + 1, tied), digit

    return Source(machine.base, frozenset((machine.start, n, 0, True) for n in lengths), step, shown)

"""Inputs as a machine reads them: which operands there are, group by group, and which of their digits are written in a line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from theory.automata.transducers import Transducer, affine_transducer, borrow_transducer, quotient_transducer
from theory.language.layouts import Layout
from theory.language.tasks import Task

State = Hashable
Pair = tuple[int, int]

#: what the next token is; a context ends before a result digit
X, Y, C = range(3)


def local_machine(task: Task, direction: str) -> Transducer | None:
    """The finite machine that computes the task in this direction (for a >= b where it needs order); None where none is known."""
    if task.machine is not None:
        return task.machine.transducer if task.machine.direction == direction else None
    return affine_transducer(task) or borrow_transducer(task) if direction == "lsd" else quotient_transducer(task)


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
    """Operands of every length: all pairs, or the ordered ones."""
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


def _tied(direction: str, tied: bool, x: int, y: int) -> bool:
    """Whether the digits so far leave a >= b: least significant first as they stand, most significant first as they are equal."""
    return x > y or (tied and x == y) if direction == "lsd" else tied and x == y


def inputs_of_length(machine: Transducer, task: Task, lengths: range, domain: str, shown: str = "ab") -> Source:
    """Operands of the given lengths alone, as a domain of theory.language.domains writes them; a state is (state, length, group, tied)."""
    layout = Layout("interleaved", 1, machine.direction)
    groups = {n: layout.widths(task, n).c for n in lengths}

    def step(state: tuple[int, int, int, bool], x: int, y: int) -> tuple[State, int] | None:
        inner, n, group, tied = state
        if group == groups[n]:
            return None
        place = group if machine.direction == "lsd" else groups[n] - 1 - group
        top = x > 0 < y if domain == "both" else x > 0 or y > 0
        if (place == n - 1 and n > 1 and not top) or (place >= n and (x or y)):
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

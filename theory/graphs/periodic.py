"""The dependency rule of a function of residues, for numbers of any length; see `theory.graphs.dependence`.

If f depends on a mod D and b mod D only, then operand digit j acts through the weight B^j mod D. The weights repeat from some place on, so
a number that is long enough holds any number of digits of each repeating weight: together they reach every multiple of the greatest common
divisor of these weights and D. What one digit does to the result is then a finite table over the residues of the rest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import lcm

from theory.errors import InputError
from theory.graphs.dependency import Edge, Node, moves, tabulated
from theory.language.tasks import Task
from theory.proofs.testsets import period

MAX_WEIGHTS = 1000  # different weights B^j mod D


@dataclass(frozen=True)
class Periodic:
    """The rule of a function of the residues of its operands modulo D.

    Attributes:
        width: result digits.
        tail: digit places before the weights B^j mod D repeat.
        cycle: their period: places j and j + cycle act alike for j >= tail.
        acts: (kind, j) for j < tail + cycle -> the result digits that the digit acts on, once the number is long enough.
    """

    task: Task
    modulus: int
    width: int
    tail: int
    cycle: int
    acts: dict[Node, frozenset[int]] = field(repr=False)
    exact: bool = True

    @property
    def headline(self) -> str:
        late = {i for (_, j), acted in self.acts.items() if j >= self.tail for i in acted}
        return "global: result digits read the whole operands" if late else "cut off: only low digits act"

    @cached_property
    def lines(self) -> tuple[str, ...]:
        by_arguments: dict[str, list[str]] = {}
        for i in range(self.width):
            by_arguments.setdefault(self._arguments(i), []).append(f"c_{i}")
        return tuple(f"{', '.join(targets)} <- {arguments}" for arguments, targets in by_arguments.items())

    def _arguments(self, i: int) -> str:
        places = {kind: [j for j in range(self.tail + self.cycle) if i in self.acts[kind, j]] for kind in "ab"}
        if places["a"] == places["b"]:
            return self._places("ab", places["a"])
        shown = [self._places(kind, places[kind]) for kind in "ab" if places[kind]]
        return "; ".join(shown) or "nothing"

    def _places(self, kinds: str, places: list[int]) -> str:
        early, late = [j for j in places if j < self.tail], [j for j in places if j >= self.tail]
        listed = [f"{kind}_{j}" for kind in kinds for j in early]
        generic = ", ".join(f"{kind}_j" for kind in kinds)
        if len(late) == self.cycle:
            start = next(s for s in range(self.tail + 1) if early[len(early) - (self.tail - s) :] == list(range(s, self.tail)))
            listed = [f"{kind}_{j}" for kind in kinds for j in early if j < start]
            listed.append(f"{generic} for every j{f' >= {start}' if start else ''}")
        elif late:
            listed.append(f"{generic} for j >= {self.tail}, j mod {self.cycle} in {sorted(j % self.cycle for j in late)}")
        return ", ".join(listed) or "nothing"

    @property
    def in_degree(self) -> str:
        """For n digits, of the result digit with most arguments."""
        n = self.tail + self.cycle
        late = Counter(i for (_, j), acted in self.acts.items() if j >= self.tail for i in acted)
        every = Counter(i for acted in self.acts.values() for i in acted)
        top = max(range(self.width), key=lambda i: (late[i], every[i]))
        slope = Fraction(late[top], self.cycle)
        if not slope:
            return str(every[top])
        text = f"{slope.numerator if slope.numerator > 1 else ''}n{f'/{slope.denominator}' if slope.denominator > 1 else ''}"
        more = every[top] - slope * n
        return f"about {text}" if slope.denominator > 1 else f"{text} {'+' if more > 0 else '-'} {abs(more)}" if more else text

    @property
    def argument(self) -> str:
        base, d = self.task.base, self.modulus
        again = f"{base}^{self.tail + self.cycle} = {base}^{self.tail} mod {d}"
        table = "a digit acts by its weight, tabulated on all residues of the rest"
        return f"the value depends on the operands mod {d} only, and {again}: {table}"

    def edges(self, digits: int) -> set[Edge]:
        places = [(j, j if j < self.tail else self.tail + (j - self.tail) % self.cycle) for j in range(digits)]
        return {((kind, j), ("c", i)) for kind in "ab" for j, alike in places for i in self.acts[kind, alike]}

    def check(self) -> bool:
        """The weights repeat as stated, and the table of residues gives these dependences."""
        base, d = self.task.base, self.modulus
        return (base ** (self.tail + self.cycle) - base**self.tail) % d == 0 and self == periodic_rule(self.task)


def periodic_rule(task: Task) -> Periodic:
    """Tabulate the result digits over all residues of the other digits, of which there are unlimited ones."""
    modulus = lcm(*period(task.expression))
    seen: dict[int, int] = {}
    weight = 1 % modulus
    while weight not in seen:
        if len(seen) == MAX_WEIGHTS:
            many = f"more than {MAX_WEIGHTS} different weights {task.base}^j mod {modulus}"
            raise InputError(f"the rule of {task.text} has {many}: take a smaller modulus")
        seen[weight], weight = len(seen), weight * task.base % modulus
    tail, cycle = seen[weight], len(seen) - seen[weight]
    width = task.result_width(tail + cycle)
    acts = {
        node: frozenset(i for i, (table, rest) in enumerate(tables) if any(moves(table, rest, step) for step in steps))
        for node, steps, tables in tabulated(task, tail + cycle, width, range(tail, tail + cycle))
    }
    return Periodic(task, modulus, width, tail, cycle, acts)

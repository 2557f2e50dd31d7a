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
from typing import TYPE_CHECKING

from theory.errors import InputError
from theory.graphs.dependency import Edge, Node, moves, tabulated
from theory.language.expressions import affine, bounds, evaluate
from theory.language.tasks import Task
from theory.proofs.classes import unmoved
from theory.proofs.testsets import magnitude, period

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

    Table = NDArray[int64]

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
        """D is a period, the weights repeat, and from the definition a digit acts on c_i iff raising it from 0 changes c_i at some rest."""
        base, d, places = self.task.base, self.modulus, self.tail + self.cycle
        if (base**places - base**self.tail) % d or not unmoved(self.task.expression, d):
            return False
        if self.acts.keys() != {(kind, j) for kind in "ab" for j in range(places)}:
            return False
        if bounds(self.task.expression, max(d, 2) ** 2)[1] >= base**self.width:
            return False
        return _Definition(self).acts() == self.acts


class _Definition:
    """Which digits act, walked digit by digit: f as a function of a and b mod D, a linear f mod p as one of alpha*a + beta*b mod p."""

    def __init__(self, rule: Periodic) -> None:
        self.rule, self.task = rule, rule.task
        self.linear = None if rule.task.modulus is None else affine(rule.task.inner)
        self.modulus = rule.modulus if self.linear is None or rule.task.modulus is None else rule.task.modulus

    def acts(self) -> dict[Node, frozenset[int]]:
        late = {kinds: self.rests(kinds, None) for kinds in ("a", "b", "ab")}
        found = {}
        for kind, j in self.rule.acts:
            kinds = "ab" if self.linear else kind
            rest = self.rests(kinds, (kind, j)) if j < self.rule.tail else late[kinds]
            found[kind, j] = self.moved((kind, j), rest, late["b" if kind == "a" else "a"])
        return found

    def weight(self, node: Node) -> int:
        """What the digit adds for each unit."""
        slope = 1 if self.linear is None else self.linear["ab".index(node[0])]
        return slope * pow(self.task.base, node[1], self.modulus) % self.modulus

    def rests(self, kinds: str, without: Node | None) -> Table:
        """Residues of the sums of all digits of these kinds but one, in longer and longer numbers, a cycle of places at a time, until no
        residue is new: a digit at a place that recurs is among the others too."""
        import numpy as np

        found, known = np.zeros(1, dtype=np.int64), 0
        early, late = (range(self.rule.tail), range(self.rule.tail, self.rule.tail + self.rule.cycle))
        nodes = [(kind, j) for kind in kinds for j in early if (kind, j) != without]
        while nodes or known != len(found):
            known = 0 if nodes else len(found)
            for node in nodes or [(kind, j) for kind in kinds for j in late]:
                found = np.unique((found[:, None] + self.weight(node) * np.arange(self.task.base)) % self.modulus)
            nodes = []
        return found

    def moved(self, node: Node, rest: Table, other: Table) -> frozenset[int]:
        """The result digits that change when this digit is raised from 0."""
        base, still, acted = self.task.base, set(range(self.rule.width)), set[int]()
        for part in (rest[:32], rest[32:]):  # what acts is mostly seen at once
            before = self.values(node[0], part, other)
            for x in range(1, base) if still and len(part) else ():
                after = self.values(node[0], (part + x * self.weight(node)) % self.modulus, other)
                acted |= {i for i in still if (before // base**i % base != after // base**i % base).any()}
                still -= acted
        return frozenset(acted)

    def values(self, kind: str, own: Table, other: Table) -> Table:
        """f where one operand has the residues `own`, the other `other`; or the sum has the residues `own`."""
        import numpy as np

        if self.linear is not None:
            return (own + self.linear[2]) % self.modulus
        dtype = np.int64 if magnitude(self.task.expression, self.modulus) < 2**62 else object
        own, other = own.astype(dtype), other.astype(dtype)
        a, b = (own[:, None], other) if kind == "a" else (other, own[:, None])
        return np.broadcast_to(evaluate(self.task.expression, a, b), (len(own), len(other)))


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

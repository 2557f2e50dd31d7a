"""The fingerprints of a task: what its dependency graph looks like in numbers that tell tasks apart.

Plain ancestors do not: a result digit of a + b and of a * b both go back to 2(i + 1) operand digits. These do:

- in-degree: the digits and carries that each result digit is computed from in one step, and how it grows with i or n;
- sections per cut: the number of different functions that remain to be computed after k digit places (Myhill-Nerode), that is what any
  reader must remember at this cut;
- influence: the probability that a result digit changes when an operand digit is drawn again, and how it decays with the distance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import gcd
from typing import TYPE_CHECKING

from theory.automata.machines import TooLarge
from theory.errors import InputError
from theory.graphs.dependence import Product, Rule, Serial, dependency_rule
from theory.graphs.dependency import LIMIT, dependency_graph, residues
from theory.graphs.influence import Influence, decay, influence
from theory.graphs.periodic import Periodic
from theory.language.expressions import affine, evaluate, polynomial
from theory.language.tasks import Task
from theory.proofs.sections import sections, telling_suffixes
from theory.proofs.testsets import magnitude

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Portrait:
    """A task with its graph for n digits, its rule for all lengths and its fingerprints.

    Attributes:
        graph: see `theory.graphs.dependency.dependency_graph`.
        rule: None where this version knows none; `rule_note` says why.
    """

    task: Task
    digits: int
    graph: nx.DiGraph = field(repr=False)
    rule: Rule | None
    rule_note: str

    @property
    def direction(self) -> str:
        """The end that carries come from, and that cuts are counted from."""
        return self.rule.machine.direction if isinstance(self.rule, Serial) else "lsd"

    @cached_property
    def in_degree(self) -> dict[str, tuple[int, ...]]:
        """In-degrees of c_0, c_1, ... (`c`) and of the carries, by index (`carry`)."""
        kinds = self.graph.nodes(data="kind")
        return {kind: tuple(self.graph.in_degree(node) for node, found in kinds if found == kind) for kind in ("c", "carry")}

    @cached_property
    def cuts(self) -> tuple[Cut | None, ...]:
        """Sections after k = 0, 1, ..., n digit places; None where there are too many to count."""
        return tuple(sections_per_cut(self.task, self.rule, self.digits))

    @cached_property
    def counted(self) -> tuple[Influence | None, str]:
        """The influence, or None and why it was not counted."""
        try:
            return influence(self.task, self.digits), ""
        except TooLarge as reason:
            return None, str(reason)

    @property
    def influence(self) -> Influence | None:
        return self.counted[0]

    @cached_property
    def decay(self) -> tuple[int, Fraction] | None:
        """(d, ratio), proven for all lengths: from distance d on, each further digit multiplies the influence by the ratio."""
        return decay(self.rule.machine) if isinstance(self.rule, Serial) else None

    @cached_property
    def repeats(self) -> tuple[int, int] | None:
        """(t, P), proven for all lengths: from digit t on, places P apart have the same influence; None unless far digits act.

        They have where B^(j+P) = B^j or B^(j+P) = -B^j mod D: a uniform digit x times -w is a constant plus the uniform digit B - 1 - x
        times w, and the constant is made up for by the rest, in which the other place stands with the opposite weight.
        """
        rule = self.rule
        if not isinstance(rule, Periodic) or not any(acted for (_, j), acted in rule.acts.items() if j >= rule.tail):
            return None
        weight, base, d = self.task.base**rule.tail, self.task.base, rule.modulus
        return rule.tail, next(k for k in range(1, rule.cycle + 1) if weight * base**k % d in (weight % d, -weight % d))

    @property
    def most_sections(self) -> str | None:
        """The sections of any cut at any length, as a bound or a formula in the number k of digits before the cut."""
        match self.rule:
            case Serial(machine=machine):
                return f"at most {len(machine.reachable)}"
            case Product(base):
                return f"{base}^(2k)"
            case Periodic(modulus=d):
                return f"at most {d if affine(self.task.inner) is not None else d * d}"
        return None

    def by_distance(self) -> tuple[Fraction, ...]:
        """The largest influence of an operand digit on the result digit d places on (in the direction of the carries), d = 0, 1, ..."""
        step = 1 if self.direction == "lsd" else -1
        largest: dict[int, Fraction] = {}
        for (_, j), row in (self.influence or {}).items():
            for i, share in enumerate(row):
                largest[(i - j) * step] = max(share, largest.get((i - j) * step, share))
        return tuple(largest[d] for d in range(max(largest, default=-1) + 1))

    @cached_property
    def strength(self) -> dict[tuple[str, str], Fraction]:
        """For each edge the largest influence of an operand digit on a result digit that has a path along it; empty without influence."""
        import networkx as nx
        import numpy as np

        if self.influence is None:
            return {}
        levels = sorted({share for row in self.influence.values() for share in row})
        level = {share: k for k, share in enumerate(levels)}
        ranks = np.array([[level[share] for share in row] for row in self.influence.values()])  # comparing integers is quick
        row_of = {f"{kind}{j}": k for k, (kind, j) in enumerate(self.influence)}
        column_of = {node: i for node, kind, i in self._indexed() if kind == "c"}
        rows = {node: [row_of[x] for x in {node, *nx.ancestors(self.graph, node)} if x in row_of] for node in self.graph}
        columns = {node: [column_of[x] for x in {node, *nx.descendants(self.graph, node)} if x in column_of] for node in self.graph}
        reach = {(u, v): ranks[np.ix_(rows[u], columns[v])] for u, v in self.graph.edges}
        return {edge: levels[block.max()] if block.size else Fraction(0) for edge, block in reach.items()}

    def _indexed(self) -> Iterator[tuple[str, str, int]]:
        return ((node, data["kind"], data["index"]) for node, data in self.graph.nodes(data=True))


def portrait(task: Task, digits: int) -> Portrait:
    """The portrait of a task for operands of `digits` digits; influence and sections are counted when they are asked for.

    Raises:
        InputError: as `theory.graphs.dependency.dependency_graph`.
    """
    graph = dependency_graph(task, digits)
    try:
        rule, note = dependency_rule(task), "none known for this kind of function; the graph of n digits is exact"
    except InputError as reason:
        rule, note = None, str(reason)
    return Portrait(task, digits, graph, rule, "" if rule else note)


@dataclass(frozen=True)
class Cut:
    """A number of sections; a lower bound where not exact."""

    count: int
    exact: bool = True


def sections_per_cut(task: Task, rule: Rule | None, digits: int) -> Iterator[Cut | None]:
    """The sections after k digit places, k = 0 .. digits, with unlimited digits to come.

    Digit-serial: the states that k places reach; the carries and the remainders of `theory.automata.transducers` are all told apart. Linear
    mod p: the residues that k places reach. Products: B^(2k), since the rest x*C + y*A + B^k*A*C + floor(x*y / B^k) shows x and y.
    Polynomials mod p: residues of the operands with different rests. Otherwise `theory.proofs.sections`, by all pairs of low words.
    """
    powers = [task.base**k for k in range(digits)]
    coefficients, p = affine(task.inner), task.modulus
    if isinstance(rule, Serial):
        states, places = {rule.machine.start}, range(task.base)
        for _ in range(digits + 1):
            yield Cut(len(states))
            states = {rule.machine.step(s, x, y)[0] for s in states for x in places for y in places}
    elif p is not None and coefficients is not None and p <= LIMIT:
        weights = [[slope * power % p for power in powers] for slope in coefficients[:2]]
        for k in range(digits + 1):
            yield Cut(len(residues(weights[0][:k] + weights[1][:k], task.base, p, coefficients[2])))
    elif polynomial(task.expression) == {(1, 1): 1}:
        yield from (Cut(task.base ** (2 * k)) for k in range(digits + 1))
    elif p is not None and polynomial(task.inner) is not None and p <= 1000:
        yield from _residue_sections(task, p, powers)
    else:
        for k in range(digits + 1):
            try:
                found = sections(task, k)
                yield Cut(found.count, found.exact)
            except TooLarge:
                yield None


def _residue_sections(task: Task, p: int, powers: list[int]) -> Iterator[Cut]:
    """The pairs of residues of k digits, counted by their values on high parts that tell all rests apart.

    If every residue occurs, rests after k digits are f(x + u*A, y + u*C) with u = B^k mod p: their number depends on gcd(u, p) alone.
    """
    import numpy as np

    counts: dict[int, int] = {}
    for depth in range(len(powers) + 1):
        low, unit = residues(powers[:depth], task.base, p), pow(task.base, depth, p)
        known = gcd(unit, p) if len(low) == p else -1
        if known < 0 or known not in counts:
            high = telling_suffixes(task, depth)[0]
            largest = p + unit * max(max(pair) for pair in high)
            low = low.astype(np.int64 if magnitude(task.expression, largest) < 2**62 else object)
            names = np.zeros((len(low), len(low)), dtype=np.int64)
            for A, C in high:
                values = evaluate(task.expression, low[:, None] + unit * A, low[None, :] + unit * C)
                names = np.unique(names * p + np.asarray(values, dtype=np.int64), return_inverse=True)[1].reshape(names.shape)
            counts[known] = int(names.max()) + 1
        yield Cut(counts[known])

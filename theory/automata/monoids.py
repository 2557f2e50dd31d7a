"""The transition monoid of a machine: what inputs do to the states of the minimal machine.

A word acts on the states as the map s -> state after the word; products are in reading order, (u v)(s) = v(u(s)). What the maps can do
bounds what a learner has to represent. See `theory.automata.triviality` for R-, L- and J-triviality.

- Aperiodic: no word permutes two or more states in a cycle. If every group acts monotonically on the states in their order, so does every
  word, and a monotone map of a chain has no such cycle: that proves it without the monoid, for all linear carries.
- Largest group: the elements with the kernel and the image of an idempotent form a group, and every group in the monoid lies in one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import lcm

from theory.automata.machines import Machine, TooLarge, Tree, Word, breadth_first, path
from theory.automata.pairs import distinguish
from theory.proofs.verdicts import Verdict

MAX_ELEMENTS = 50_000
MAX_STEPS = 60_000_000  # elements times states times different groups

Element = tuple[int, ...]


def compose(first: Element, then: Element) -> Element:
    """First `first`, then `then`."""
    return tuple(map(then.__getitem__, first))


def action(machine: Machine, word: Word) -> Element:
    """What a word does to the states."""
    return tuple(machine.walk(word, state)[0] for state in machine.states)


def period(element: Element) -> tuple[int, int]:
    """(index, period): the least i >= 0 and p >= 1 with x^(i+p) = x^i, read off the tails and cycles of the map."""
    index, image = 0, set(range(len(element)))
    while (smaller := {element[s] for s in image}) != image:
        index, image = index + 1, smaller
    return index, lcm(*map(len, _cycles(element)))


def power(element: Element, exponent: int) -> Element:
    """x^exponent, by squaring."""
    result, square = tuple(range(len(element))), element
    while exponent:
        if exponent % 2:
            result = compose(result, square)
        exponent, square = exponent // 2, compose(square, square)
    return result


@dataclass(frozen=True)
class Monoid:
    """All elements, shortest words first; the identity is elements[0].

    Attributes:
        machine: the minimal machine on whose states the elements act.
        letters: (action, group) for each different action of one group.
        elements: all actions of words.
    """

    machine: Machine
    letters: tuple[tuple[Element, int], ...] = field(repr=False)
    elements: tuple[Element, ...] = field(repr=False)
    tree: Tree[Element] = field(repr=False)

    def word(self, element: Element) -> Word:
        """A shortest word that acts so."""
        return tuple(self.letters[k][1] for k in path(self.tree, element))

    @cached_property
    def groups(self) -> list[list[Element]]:
        """The maximal groups: elements that permute their image, by kernel and image."""
        found: dict[tuple[Element, frozenset[int]], list[Element]] = {}
        for x in self.elements:
            image = frozenset(x)
            if len({x[s] for s in image}) == len(image):
                found.setdefault((_kernel(x), image), []).append(x)
        return list(found.values())

    @property
    def largest_period(self) -> int:
        """The largest period of an element."""
        return max(period(x)[1] for group in self.groups for x in group)


def letters(machine: Machine) -> tuple[tuple[Element, int], ...]:
    """(action, first group with it) for each different action of one group."""
    found: dict[Element, int] = {}
    for number in machine.groups:
        found.setdefault(tuple(row[number][0] for row in machine.table), number)
    return tuple(found.items())


def explore(machine: Machine, tree: Tree[Element], limit: int = MAX_ELEMENTS) -> Iterator[Element]:
    """The elements of the monoid on the states of `machine` as they are, shortest words first.

    Raises:
        TooLarge: more than `limit` elements, or 60 million steps (elements times states times different groups).
    """
    actions = [element for element, _ in letters(machine)]
    most = min(limit, MAX_STEPS // (len(machine.table) * len(actions)))
    identity = tuple(machine.states)
    for element in breadth_first(identity, lambda x: (compose(x, letter) for letter in actions), tree):
        if len(tree) > most:
            raise TooLarge(f"the transition monoid of {len(machine.table)} states has more than {most} elements: take a smaller machine")
        yield element


def transition_monoid(machine: Machine, limit: int = MAX_ELEMENTS) -> Monoid:
    """The transition monoid of the minimal machine.

    Raises:
        TooLarge: more than `limit` elements, or 60 million steps (elements times states times different groups).
    """
    machine = machine.minimal
    tree: Tree[Element] = {}
    elements = tuple(explore(machine, tree, limit))
    return Monoid(machine, letters(machine), elements, tree)


# ------------------------------------------------------------------------------------------------------------------- aperiodicity


@dataclass(frozen=True)
class Monotone:
    """Every group maps the states monotonically in their order."""

    machine: Machine

    def check(self) -> bool:
        rows = [[following for following, _ in row] for row in self.machine.table]
        return all(s <= t for row, above in pairwise(rows) for s, t in zip(row, above, strict=True))


@dataclass(frozen=True)
class NoGroup:
    """A set of maps that holds the identity and all products with one group, each without a cycle of two or more states."""

    machine: Machine
    elements: frozenset[Element] = field(repr=False)

    def check(self) -> bool:
        actions = [tuple(row[number][0] for row in self.machine.table) for number in self.machine.groups]
        closed = all(compose(x, letter) in self.elements for x in self.elements for letter in set(actions))
        return closed and tuple(self.machine.states) in self.elements and all(period(x)[1] == 1 for x in self.elements)


@dataclass(frozen=True)
class Cycle:
    """A word that permutes different states in a cycle; its powers w^index, ..., w^(index + period - 1) are a cyclic group.

    Two neighbours of the cycle are told apart by some input, so the cycle is not an artefact of a machine that is not minimal.
    """

    machine: Machine
    word: Word
    cycle: tuple[int, ...]
    index: int
    period: int

    def check(self) -> bool:
        machine, size = self.machine, len(self.cycle)
        if size < 2:
            return False
        moves = all(machine.walk(self.word, self.cycle[k])[0] == self.cycle[(k + 1) % size] for k in range(size))
        differ = distinguish(machine.started_at(self.cycle[0]), machine.started_at(self.cycle[1])) is not None
        x = action(machine, self.word)
        return moves and differ and power(x, self.index) == power(x, self.index + self.period) and self.period % size == 0


def aperiodicity(machine: Machine, limit: int = MAX_ELEMENTS) -> Verdict:
    """Whether the transition monoid holds no group but trivial ones (the function is counter-free).

    False comes with a shortest word that permutes some states in a cycle, its index and its period (also in `digits`).

    >>> from theory.proofs.residues import digit_sum_machine
    >>> aperiodicity(digit_sum_machine(10, 3)).certificate
    '1 permutes the states 0 -> 1 -> 2 in a cycle: index 0, period 3'
    """
    machine = machine.minimal
    if Monotone(machine).check():
        return Verdict(True, "every digit group maps the states monotonically, so no word permutes any", None, Monotone(machine))
    tree: Tree[Element] = {}
    try:
        elements = []
        for x in explore(machine, tree, limit):
            elements.append(x)
            cycle = next((cycle for cycle in _cycles(x) if len(cycle) > 1), None)
            if cycle is not None:
                index, order = period(x)
                word = tuple(letters(machine)[k][1] for k in path(tree, x))
                states = " -> ".join(map(str, cycle if len(cycle) <= 8 else (*cycle[:7], "...")))
                text = f"{machine.show(word)} permutes the states {states} in a cycle: index {index}, period {order}"
                return Verdict(False, text, order, Cycle(machine, word, cycle, index, order))
    except TooLarge as reason:
        return Verdict(None, f"undecided: {reason}")
    text = f"none of the {len(elements)} elements of the transition monoid permutes two states in a cycle"
    return Verdict(True, text, None, NoGroup(machine, frozenset(elements)))


def _cycles(element: Element) -> Iterator[tuple[int, ...]]:
    """The cycles of a map, each from its first state met."""
    met: dict[int, int] = {}
    for start in range(len(element)):
        way, state = [], start
        while state not in met:
            met[state] = start
            way.append(state)
            state = element[state]
        if met[state] == start:
            yield tuple(way[way.index(state) :])


# -------------------------------------------------------------------------------------------------------------------- group part


@dataclass(frozen=True)
class GroupPart:
    """A largest group in the transition monoid.

    Attributes:
        order: number of elements.
        exponent: least e with x^e = identity of the group for all x.
        abelian: whether it commutes.
        generators: words that generate it.
    """

    machine: Machine
    order: int
    exponent: int
    abelian: bool
    generators: tuple[Word, ...]

    def check(self) -> bool:
        """Generate the group again from its words: one kernel and image, permuted; order, exponent and commutation as claimed."""
        gens = [action(self.machine, word) for word in self.generators]
        found = _generated(gens, self.order)
        image = set(gens[0])
        same = all(set(x) == image and {x[s] for s in image} == image and _kernel(x) == _kernel(gens[0]) for x in gens)
        commute = all(compose(x, y) == compose(y, x) for x in gens for y in gens)
        return same and len(found) == self.order and lcm(*(period(x)[1] for x in found)) == self.exponent and commute == self.abelian


def group_part(machine: Machine, limit: int = MAX_ELEMENTS) -> GroupPart:
    """A largest group in the transition monoid; of order 1 iff the monoid is aperiodic.

    Raises:
        TooLarge: more than `limit` elements.

    >>> from theory.proofs.residues import residue_machine
    >>> group_part(residue_machine(10, 11, "msd")).order  # 11 residues, and 10^k is 1 or -1
    22
    """
    monoid = transition_monoid(machine, limit)
    group = max(monoid.groups, key=len)
    gens: list[Element] = []
    found: set[Element] = set()
    for x in sorted(group, key=lambda x: compose(x, x) == x):  # the identity last: it generates nothing new, unless it is alone
        if x not in found:
            gens.append(x)
            found = _generated(gens, len(group))
    abelian = all(compose(x, y) == compose(y, x) for x in gens for y in gens)
    exponent = lcm(*(period(x)[1] for x in group))
    return GroupPart(monoid.machine, len(group), exponent, abelian, tuple(monoid.word(x) for x in gens))


def _generated(gens: list[Element], limit: int) -> set[Element]:
    """The products of one or more of gens; stops past `limit`."""
    found, frontier = set(gens), set(gens)
    while frontier and len(found) <= limit:
        frontier = {compose(x, y) for x in frontier for y in gens} - found
        found |= frontier
    return found


def _kernel(x: Element) -> Element:
    first: dict[int, int] = {}
    return tuple(first.setdefault(s, len(first)) for s in x)

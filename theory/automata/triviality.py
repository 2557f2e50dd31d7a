"""R-, L- and J-triviality of the transition monoid of a machine.

- R-trivial (x M = y M only for x = y): iff no state of the minimal machine is left and entered again. For a way s -u-> t -v-> s with
  s != t, where w leads to s, the elements x = w (uv)^k, with (uv)^k idempotent, and x u are different and R-equivalent. Conversely, if
  x u = y and y v = x for x != y, x and y lead some state to two different states, and u and v lead from each of these to the other. So a
  machine of two or more states that can always come back to its start is never R-trivial: no carry is.
- L-trivial (M x = M y only for x = y): read off the monoid, by reading more before.
- J-trivial: both, because J = D in a finite monoid.

References: J. A. Brzozowski, F. E. Fich, Languages of R-trivial monoids, J. Comput. System Sci. 20 (1980); J.-E. Pin, Mathematical
Foundations of Automata Theory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from theory.automata.machines import Machine, TooLarge, Word
from theory.automata.monoids import MAX_ELEMENTS, Element, action, compose, letters, transition_monoid
from theory.automata.pairs import distinguish
from theory.proofs.verdicts import Verdict


@dataclass(frozen=True)
class NoWayBack:
    """The reachable states in an order in which every group keeps a state or moves it on."""

    machine: Machine
    order: tuple[int, ...]

    def check(self) -> bool:
        place = {state: k for k, state in enumerate(self.order)}
        moves = [(s, t) for s in self.machine.reached for t, _ in self.machine.table[s] if t != s]
        return place.keys() == self.machine.reached.keys() and all(place[s] < place[t] for s, t in moves)


@dataclass(frozen=True)
class RoundTrip:
    """After `before`, `out` leads to a state that is told apart from the one left, and `back` leads back."""

    machine: Machine
    before: Word
    out: Word
    back: Word

    def check(self) -> bool:
        s, _ = self.machine.walk(self.before)
        t, _ = self.machine.walk(self.out, s)
        returned = self.machine.walk(self.back, t)[0] == s
        return returned and s != t and distinguish(self.machine.started_at(s), self.machine.started_at(t)) is not None


def r_triviality(machine: Machine) -> Verdict:
    """Whether the transition monoid is R-trivial: no state of the minimal machine is left and entered again."""
    machine = machine.minimal
    moves = {s: {t: number for number, (t, _) in reversed(list(enumerate(row))) if t != s} for s, row in enumerate(machine.table)}
    try:
        order = tuple(TopologicalSorter(moves).static_order())[::-1]
        return Verdict(True, f"each of the {len(order)} states, once left, is never entered again", None, NoWayBack(machine, order))
    except CycleError as error:
        cycle = error.args[1][::-1]  # graphlib lists it against the moves
        out, *back = (moves[s][t] for s, t in pairwise(cycle))
        trip = RoundTrip(machine, machine.access(cycle[0]), (out,), tuple(back))
        text = f"{machine.show(trip.out)} leads from state {cycle[0]} to {cycle[1]} and {machine.show(trip.back)} back"
        return Verdict(False, text, None, trip)


@dataclass(frozen=True)
class LeftOrder:
    """All elements in an order in which a group read before keeps an element or moves it on."""

    machine: Machine
    order: tuple[Element, ...] = field(repr=False)

    def check(self) -> bool:
        place = {x: k for k, x in enumerate(self.order)}
        products = [(x, compose(letter, x)) for x in self.order for letter, _ in letters(self.machine)]
        return tuple(self.machine.states) in place and all(x == y or place.get(y, -1) > place[x] for x, y in products)


@dataclass(frozen=True)
class LeftTrip:
    """Words with different actions x and out x, where back out x acts as x: read before, `out` is undone by `back`."""

    machine: Machine
    word: Word
    out: Word
    back: Word

    def check(self) -> bool:
        x, y, z = (action(self.machine, word) for word in (self.word, self.out + self.word, self.back + self.out + self.word))
        return x != y and x == z


def l_triviality(machine: Machine, limit: int = MAX_ELEMENTS) -> Verdict:
    """Whether the transition monoid is L-trivial."""
    try:
        monoid = transition_monoid(machine, limit)
    except TooLarge as reason:
        return Verdict(None, f"undecided: {reason}")
    machine = monoid.machine
    moves = {x: {y: number for letter, number in monoid.letters if (y := compose(letter, x)) != x} for x in monoid.elements}
    try:
        order = tuple(TopologicalSorter(moves).static_order())[::-1]
        text = f"none of the {len(order)} elements is left and entered again by reading more before"
        return Verdict(True, text, None, LeftOrder(machine, order))
    except CycleError as error:
        cycle = error.args[1][::-1]
        out, *back = (moves[x][y] for x, y in pairwise(cycle))
        trip = LeftTrip(machine, monoid.word(cycle[0]), (out,), tuple(reversed(back)))
        show = machine.show
        text = f"{show(trip.out)} before {show(trip.word)} changes its action, {show(trip.back)} before that restores it"
        return Verdict(False, text, None, trip)


def j_triviality(machine: Machine, limit: int = MAX_ELEMENTS) -> Verdict:
    """Whether the transition monoid is J-trivial: R-trivial and L-trivial, the same as J-trivial in a finite monoid."""
    right = r_triviality(machine)
    if right.value is False:
        return right
    left = l_triviality(machine, limit)
    return left if not left.value else Verdict(True, f"{right.certificate}; {left.certificate}", None, left.proof)

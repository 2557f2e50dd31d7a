"""On how many low digits the function of a machine depends, with proof objects that walk its table again."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, takewhile

from theory.automata.machine_tasks import values
from theory.automata.machines import Machine, Tree, Word, breadth_first, path
from theory.automata.pairs import distinguish
from theory.proofs.verdicts import Verdict
from theory.words import counted


@dataclass(frozen=True)
class Settles:
    """After `digits` groups, least significant first, nothing that follows matters; after one group fewer something may."""

    machine: Machine
    digits: int

    def check(self) -> bool:
        """Along the machine: from every state after so many groups, all words write alike; and not after one fewer."""
        return self.machine.direction == "lsd" and self._settled(self.digits) and (self.digits == 0 or not self._settled(self.digits - 1))

    def _settled(self, groups: int) -> bool:
        states = {self.machine.start}
        for _ in range(groups):
            states = {following for state in states for following, _ in self.machine.table[state]}
        return all(self._alike(state) for state in states)

    def _alike(self, state: int) -> bool:
        """Whether what is written from this state depends on the number of groups alone: all states at each depth write one digit."""
        level, met = frozenset({state}), set[frozenset[int]]()
        while level not in met:
            met.add(level)
            if len({digit for each in level for _, digit in self.machine.table[each]}) > 1:
                return False
            level = frozenset(following for each in level for following, _ in self.machine.table[each])
        return True


@dataclass(frozen=True)
class Pumped:
    """`before` leads to a state that `cycle` leads back to; behind them two words of one length write different digits at their end.

    Repeating the cycle gives pairs of operands that agree in as many low digits as one likes and have different results.
    """

    machine: Machine
    before: Word
    cycle: Word
    first: Word
    second: Word

    def check(self) -> bool:
        """By three walks."""
        machine, lengths = self.machine, (len(self.first), len(self.second))
        state, _ = machine.walk(self.before)
        returns = machine.walk(self.cycle, state)[0] == state and len(self.cycle) > 0
        ends = machine.walk(self.first, state)[1][-1:] != machine.walk(self.second, state)[1][-1:]
        return machine.direction == "lsd" and returns and lengths[0] == lengths[1] and ends


@dataclass(frozen=True)
class Writes:
    """Most significant first: a word at whose end another digit than 0 is written, at any distance above the low digits."""

    machine: Machine
    word: Word

    def check(self) -> bool:
        """The digit is not 0, though all zeros write 0: f(B^k * operands) differs from f(0) for every k."""
        machine = self.machine
        return machine.direction == "msd" and machine.table[machine.start][0] == (machine.start, 0) and machine.walk(self.word)[1][-1] != 0


@dataclass(frozen=True)
class WritesNothing:
    """No reachable cell writes anything but 0."""

    machine: Machine

    def check(self) -> bool:
        """All of them again."""
        states, level = {self.machine.start}, {self.machine.start}
        while level:
            level = {following for state in level for following, _ in self.machine.table[state]} - states
            states |= level
        return all(digit == 0 for state in states for _, digit in self.machine.table[state])


def low_support(machine: Machine) -> Verdict:
    """Whether f depends only on the low m digits of each operand, and the least m.

    Least significant first, a state is settled where no further digit changes what is written. In a minimal machine that means: one cell
    for all groups, to a settled state. f depends on the low m digits iff every word of m groups settles it, so m is the number of states
    on the longest path of unsettled ones, and there is none where such a path runs in a cycle. Most significant first, digit i is written
    when the digits i and above are read: those say nothing only if nothing but 0 is ever written.
    """
    machine = machine.minimal
    if machine.direction == "msd":
        return _msd_support(machine)
    outside = _unsettled(machine)
    if machine.start not in outside:
        return Verdict(True, "f is constant", 0, Settles(machine, 0))
    moves = {s: {following: number for number, (following, _) in enumerate(machine.table[s]) if following in outside} for s in outside}
    tree: Tree[int] = {}
    inside = set(breadth_first(machine.start, lambda s: [t if t in outside else s for t, _ in machine.table[s]], tree))
    try:
        last_first = list(TopologicalSorter({s: moves[s] for s in inside}).static_order())
    except CycleError as error:
        cycle = error.args[1][::-1]  # graphlib lists it against the moves
        before, again = path(tree, cycle[0]), tuple(moves[s][following] for s, following in pairwise(cycle))
        ends = _clash(machine, cycle[0])
        first, second, same = ((*before, *again, *end) for end in (*ends, _shared(*ends)))
        alike = f"though the operands agree in the low {counted(len(same), 'digit')}; longer ones do so in any number"
        return Verdict(False, f"{values(machine, first, second)}, {alike}", None, Pumped(machine, before, again, *ends))
    depth: dict[int, int] = {}
    for s in last_first:
        depth[s] = 1 + max((depth[following] for following in moves[s]), default=0)
    digits = depth[machine.start]
    text = f"f depends on the low {counted(digits, 'digit')} only: whatever follows, the rest is written alike"
    return Verdict(True, text, digits, Settles(machine, digits))


def _unsettled(machine: Machine) -> set[int]:
    """The states from which some state is reached whose cells differ."""
    before: dict[int, set[int]] = {}
    for state, row in enumerate(machine.table):
        for following, _ in row:
            before.setdefault(following, set()).add(state)
    found: set[int] = set()
    for state, row in enumerate(machine.table):
        if len(set(row)) > 1 and state not in found:
            tree: Tree[int] = {}
            found |= set(breadth_first(state, lambda s: before.get(s, set()) - found, tree))  # noqa: B023 (used up at once)
    return found


def _clash(machine: Machine, state: int) -> tuple[Word, Word]:
    """Two words of one length that write different digits at their end, read from an unsettled state."""
    tree: Tree[int] = {}
    nodes = breadth_first(state, lambda s: [following for following, _ in machine.table[s]], tree)
    split = next(s for s in nodes if len(set(machine.table[s])) > 1)
    word, row = path(tree, split), machine.table[split]
    number = next(n for n, cell in enumerate(row) if cell != row[0])
    rest = () if row[0][1] != row[number][1] else distinguish(machine.started_at(row[0][0]), machine.started_at(row[number][0])) or ()
    return (*word, 0, *rest), (*word, number, *rest)


def _shared(first: Word, second: Word) -> Word:
    """The groups that both begin with."""
    return tuple(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=True)))


def _msd_support(machine: Machine) -> Verdict:
    for state in machine.reached:
        for number, (_, digit) in enumerate(machine.table[state]):
            if digit:
                word = (*machine.access(state), number)
                text = f"{values(machine, word, (0,))}; moved up by any number of digits, the first does not become 0"
                return Verdict(False, text, None, Writes(machine, word))
    return Verdict(True, "f is constant", 0, WritesNothing(machine))

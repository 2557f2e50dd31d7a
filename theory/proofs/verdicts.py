"""Properties of the function that a machine computes, each a verdict with a proof object that can be checked on its own.

A verdict is a `theory.proofs.properties.Property` with a `proof`; `proof.check()` walks the machine's table again and does not use the
search that found the proof. Undecided verdicts (value None: a limit was met) have no proof.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from theory.automata.machines import Group, Machine, TooLarge, Word, tabulate
from theory.automata.pairs import Apart, NeverMerged, Pair, Together, distinguish, joint, synchronise, time_apart
from theory.errors import InputError
from theory.proofs.properties import Property


class Proof(Protocol):
    """Something that can be checked again."""

    def check(self) -> bool:
        """Whether the proof holds."""
        ...


@dataclass(frozen=True)
class Verdict(Property):
    """A property with its proof object; None where the value is None."""

    proof: Proof | None = None


# ------------------------------------------------------------------------------------------------------------------- equivalence


@dataclass(frozen=True)
class SameDigits:
    """Pairs of states that every group maps among themselves, both writing the same digit."""

    first: Machine
    second: Machine
    pairs: frozenset[Pair] = field(repr=False)

    def check(self) -> bool:
        rows = [(self.first.table[s], self.second.table[t]) for s, t in self.pairs]
        moves = [pair for row in rows for pair in zip(*row, strict=True)]
        closed = all(c == d and (s, t) in self.pairs for (s, c), (t, d) in moves)
        return closed and (self.first.start, self.second.start) in self.pairs


@dataclass(frozen=True)
class Clash:
    """An input on which the machines write different digits at the last group."""

    first: Machine
    second: Machine
    word: Word

    def check(self) -> bool:
        return self.first.walk(self.word)[1][-1] != self.second.walk(self.word)[1][-1]


def equivalence(first: Machine, second: Machine) -> Verdict:
    """Whether two machines write the same digits on every input; False comes with a shortest input that tells them apart."""
    try:
        word = distinguish(first, second)
    except TooLarge as reason:
        return Verdict(None, f"undecided: {reason}")
    if word is not None:
        c, d = first.walk(word)[1][-1], second.walk(word)[1][-1]
        clash = Clash(first, second, word)
        return Verdict(False, f"at the last group of {first.show(word)} one writes {c}, the other {d}", len(word), clash)
    same = SameDigits(first, second, frozenset(joint(first, second, {})))
    return Verdict(True, f"the {len(same.pairs)} pairs of states that are reached together write the same digits", None, same)


# ------------------------------------------------------------------------------------------------------------- shift equivariance


@dataclass(frozen=True)
class ShiftClash:
    """Operands with f(B*a, B*b) != B*f(a, b), written to `width` + 1 digits."""

    machine: Machine
    a: int
    b: int
    width: int

    def check(self) -> bool:
        machine = self.machine
        moved = machine.run(machine.base * self.a, machine.base * self.b, self.width + 1)
        return moved != machine.base * machine.run(self.a, self.b, self.width)


@dataclass(frozen=True)
class ShiftLoop:
    """A zero group writes 0: lsd at the start, which it leads to an equivalent state; msd in every reachable state."""

    machine: Machine
    moved: SameDigits | None

    def check(self) -> bool:
        machine, moved = self.machine, self.moved
        if moved is None:
            return machine.direction == "msd" and all(machine.table[state][0][1] == 0 for state in machine.reached)
        after, digit = machine.table[machine.start][0]
        return digit == 0 and moved.first == machine and moved.second == machine.started_at(after) and moved.check()


def shift_equivariance(machine: Machine) -> Verdict:
    """Whether f(B*a, B*b) = B*f(a, b) for all operands and widths. This alone is not translation invariance."""
    zero = [state for state in machine.reached if machine.table[state][0][1]]
    if machine.direction == "msd":
        if not zero:
            return Verdict(True, "a final zero group writes 0 in every state", None, ShiftLoop(machine, None))
        word: Word | None = machine.access(zero[0])
    elif machine.start in zero:
        word = ()
    else:
        moved = machine.started_at(machine.table[machine.start][0][0])
        try:
            word = distinguish(machine, moved)
            if word is None:
                loop = ShiftLoop(machine, SameDigits(machine, moved, frozenset(joint(machine, moved, {}))))
                return Verdict(True, "a first zero group writes 0 and leaves the rest of the computation as it was", None, loop)
        except TooLarge as reason:
            return Verdict(None, f"undecided: {reason}")
    clash = ShiftClash(machine, *machine.numbers(word or ()), len(word or ()))
    a, b, width, base = clash.a, clash.b, clash.width, machine.base
    moved_value, value = machine.run(base * a, base * b, width + 1), machine.run(a, b, width)
    return Verdict(False, f"f({a}, {b}) = {value} to {width} digits, f({base * a}, {base * b}) = {moved_value} to {width + 1}", None, clash)


# -------------------------------------------------------------------------------------------------------- translation invariance


@dataclass(frozen=True)
class WayBack:
    """(state, next state on a way to the start) for all reachable states but the start, nearest first."""

    machine: Machine
    steps: tuple[Pair, ...]

    def check(self) -> bool:
        home = {self.machine.start}
        for state, following in self.steps:
            if following not in home or following not in {s for s, _ in self.machine.table[state]}:
                return False
            home.add(state)
        return home >= self.machine.reached.keys()


@dataclass(frozen=True)
class Trap:
    """A word into a set of states that no group leaves and that does not hold the start."""

    machine: Machine
    word: Word
    states: frozenset[int]

    def check(self) -> bool:
        inside = all(following in self.states for state in self.states for following, _ in self.machine.table[state])
        return inside and self.machine.start not in self.states and self.machine.walk(self.word)[0] in self.states


def recurrence(machine: Machine) -> Verdict:
    """Whether some input leads the minimal machine back to its start from every reachable state."""
    machine = machine.minimal
    lost = machine.reached.keys() - machine.returning.keys()
    if not lost:
        back = WayBack(machine, tuple((state, step[0]) for state, step in machine.returning.items() if step is not None))
        return Verdict(True, f"from each of {len(machine.table)} states some input leads back to the start", None, back)
    word = machine.access(next(state for state in machine.reached if state in lost))
    states = frozenset(machine.started_at(machine.walk(word)[0]).reached)
    return Verdict(False, f"after {machine.show(word)} no input leads back to the start", len(word), Trap(machine, word, states))


@dataclass(frozen=True)
class Window:
    """Every word of `together.groups` groups resets the machine, and zeros keep it at its start: it can be read from the other end."""

    together: Together

    def check(self) -> bool:
        """Also that fewer groups are not enough: the last pair of the longest path writes different digits on some group."""
        machine, longest = self.together.machine, self.together.longest
        if not self.together.check() or self.together.same_digits or machine.table[machine.start][0][0] != machine.start:
            return False
        if longest is None:
            return True
        s, t = (machine.walk(longest.word, state)[0] for state in longest.pair)
        return any(c != d for (_, c), (_, d) in zip(machine.table[s], machine.table[t], strict=True))


@dataclass(frozen=True)
class FarDigit:
    """Two states that `apart.word` can keep apart any number of times, and a word on which they then write different digits."""

    apart: Apart
    word: Word

    def check(self) -> bool:
        s, t = self.apart.pair
        last = [self.apart.machine.walk(self.word, state)[1][-1] for state in (s, t)]
        return self.apart.loops and not self.apart.same_digits and self.apart.check() and last[0] != last[1]


@dataclass(frozen=True)
class ZerosMove:
    """A state that zeros lead to and back to, and a word on which it and the start write different digits: the end of the number shows."""

    machine: Machine
    state: int
    word: Word

    def check(self) -> bool:
        machine, orbit = self.machine, []
        state = machine.start
        for _ in range(2 * len(machine.table)):  # past the first round, only states of the cycle
            state = machine.table[state][0][0]
            orbit.append(state)
        differ = machine.walk(self.word, self.state)[1][-1] != machine.walk(self.word)[1][-1]
        return self.state in orbit[len(machine.table) :] and self.state != machine.start and differ


def other_direction(machine: Machine) -> Verdict:
    """Whether a finite machine that reads from the other end, with a finite delay, computes the same function; `digits` is the least delay.

    Theorem. It does iff in the minimal machine a zero group keeps the start and some d has every word of d groups reset the machine;
    the least such d is the delay. The number stands between unlimited zeros. Read from the other end, digit i is written when the d groups
    before it (in the machine's own order) have been read, and must be the same for all that may come further before. If d groups reset
    the machine, it is. If not, two states stay apart under words of every length d, and in a minimal machine a further word shows it in a
    digit. Zeros are fed for what does not exist before the number: if they move the start, two different states are reached from there by
    the same long word.
    """
    machine = machine.minimal
    other = "most" if machine.direction == "lsd" else "least"
    try:
        found = time_apart(machine, same_digits=False)
    except TooLarge as reason:
        return Verdict(None, f"undecided: {reason}")
    if isinstance(found, Apart):
        word = _told_apart(machine, *found.pair)
        far = f"a digit depends on digits at any distance: {machine.show(found.word)}, repeated at will, keeps the difference"
        return Verdict(False, f"{other} significant first, {far}", None, FarDigit(found, word))
    state = machine.start
    for _ in machine.states:
        state = machine.table[state][0][0]
    if state != machine.start:
        moved = ZerosMove(machine, state, _told_apart(machine, state, machine.start))
        return Verdict(False, f"{other} significant first, the machine would have to recognise the end of the number", None, moved)
    reset = f"the last groups of digits, {found.groups} of them, fix the state" if found.groups else "there is one state"
    return Verdict(True, f"{other} significant first with delay {found.groups}: {reset}", found.groups, Window(found))


def _told_apart(machine: Machine, s: int, t: int) -> Word:
    word = distinguish(machine.started_at(s), machine.started_at(t))
    assert word is not None, "states of a minimal machine"
    return word


def reversed_machine(machine: Machine) -> Machine:
    """The minimal machine that computes the same function from the other end, to be run with the delay of `other_direction`.

    Raises:
        InputError: there is none, or its windows of d groups are too many.
    """
    found, machine = other_direction(machine), machine.minimal
    if not found.value or found.digits is None:
        raise InputError(f"no machine from the other end: {found.certificate}")

    def step(window: Word, group: Group) -> tuple[Word, int]:
        seen = (*window, machine.number(group))
        return seen[1:], machine.walk(seen[::-1])[1][-1]

    direction = "msd" if machine.direction == "lsd" else "lsd"
    return tabulate(machine.base, machine.operands, (0,) * found.digits, step, direction).minimal


def invariance(machine: Machine) -> Verdict:
    """Translation invariance: a finite machine with finite delay, read from either end, that can always come back to its start.

    A machine from the other end always can: its state is a window of d groups, and zeros restore the first one.

    >>> from theory.automata.machines import from_transducer
    >>> from theory.language.tasks import make_task
    >>> from theory.automata.transducers import affine_transducer
    >>> invariance(from_transducer(affine_transducer(make_task(expr="a + b + 5")))).certificate.split(";")[0]
    'after 0,0 no input leads back to the start'
    """
    own, other = recurrence(machine), other_direction(machine)
    if own.value:
        return own
    if other.value is not False:
        return other
    return Verdict(False, f"{own.certificate}; {other.certificate}", None, own.proof)


# ------------------------------------------------------------------------------------------------------------- memory and synchronising


def io_memory(machine: Machine) -> Verdict:
    """The least mu such that the last mu (input, output) groups fix the state of the minimal machine; False where no number does.

    >>> from theory.automata.machines import from_transducer
    >>> from theory.language.tasks import make_task
    >>> from theory.automata.transducers import affine_transducer
    >>> found = io_memory(from_transducer(affine_transducer(make_task("dozen"))))
    >>> found.digits, found.proof.check()
    (2, True)
    """
    machine = machine.minimal
    try:
        found = time_apart(machine, same_digits=True)
    except TooLarge as reason:
        return Verdict(None, f"undecided: {reason}")
    if isinstance(found, Apart):
        s, t = found.pair
        same = f"states {s} and {t} stay apart on {machine.show(found.word)}, repeated, and write the same digits"
        return Verdict(False, same, None, found)
    if found.longest is None:
        return Verdict(True, "the machine has one state", 0, found)
    s, t = found.longest.pair
    if found.groups == 1:
        return Verdict(True, "the last (input, output) group fixes the state", 1, found)
    fewer = f"{machine.show(found.longest.word)} keeps states {s} and {t} apart with the same digits"
    return Verdict(True, f"the last {found.groups} (input, output) groups fix the state; {fewer}", found.groups, found)


def synchronisation(machine: Machine) -> Verdict:
    """Whether one input leads the minimal machine to the same state from everywhere; `digits` is the length of the one found."""
    machine = machine.minimal
    try:
        found = synchronise(machine)
    except TooLarge as reason:
        return Verdict(None, f"undecided: {reason}")
    if isinstance(found, NeverMerged):
        s, t = min(found.pairs)
        return Verdict(False, f"no input leads states {s} and {t} to the same state", None, found)
    return Verdict(True, f"after {machine.show(found.word)} the state is the same, whatever came before", len(found.word), found)

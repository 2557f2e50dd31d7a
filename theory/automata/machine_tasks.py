"""Tasks given by a finite machine, and their properties, decided on its table alone.

A machine computes a function of numbers where leading zeros do not change the number it writes:

- least significant first it reads them last: from every reachable state, zero groups must lead to zeros written for ever. The zero groups
  that a state needs until then are its tail: so many digits the result is longer than the operands;
- most significant first it reads them first: a zero group must keep the start (of the minimal machine) and write 0.

All properties are those of the minimal machine, so they do not depend on which of the equivalent machines is given.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from theory.automata.formats import from_json
from theory.automata.machines import Machine, TooLarge, Word
from theory.automata.pairs import distinguish
from theory.errors import InputError
from theory.language.domains import Group, parts
from theory.language.expressions import Given, Var
from theory.language.tasks import Task, digit_count
from theory.proofs.properties import Property, short
from theory.proofs.verdicts import other_direction, recurrence

MAX_STATES = 1000  # of a machine that is decided while the user waits
MAX_CELLS = 200_000
MAX_STEPS = 20_000  # pairs of states times digit pairs, for one digit

State = int


@dataclass(frozen=True)
class MachineFunction:
    """The function that a minimal machine computes on numbers a, b >= 0 (b is 0 for machines of one operand)."""

    machine: Machine

    def __call__(self, *args: int) -> int:
        a, b = (*args, 0)[:2]
        digits = max(self._digits(a), self._digits(b))
        return self.machine.run(a, b, max(digits, self.width(digits)))

    def most(self, largest: int) -> int:
        """The largest number of as many digits as results have, for operands up to `largest`."""
        return int(self.machine.base ** self.width(self._digits(largest))) - 1

    def _digits(self, value: int) -> int:
        return digit_count(value, self.machine.base)

    def width(self, digits: int) -> int:
        """Digits of the largest result for operands of up to `digits` digits, counted in places: at least 1."""
        writing = {state for state, row in enumerate(self.machine.table) if any(digit for _, digit in row)}
        if self.machine.direction == "msd":
            return next((digits - i for i in range(digits) if self._after(i) & writing), 1)
        longest = max(self.tails[state] for state in self._after(digits))
        if longest:
            return digits + longest
        return next((i + 1 for i in range(digits)[::-1] if self._after(i) & writing), 1)

    @cached_property
    def tails(self) -> dict[State, int]:
        """For each reachable state, the digits that it writes on zero groups up to the last one that is not 0.

        Raises:
            InputError: zero groups never end.
        """
        table, found = self.machine.table, dict[State, int]()
        for state in self.machine.reached:
            orbit: dict[State, None] = {}  # in the order of the zeros
            at = state
            while at not in found and at not in orbit:
                orbit[at] = None
                at = table[at][0][0]
            if at in orbit:  # a new cycle
                cycle = list(orbit)[list(orbit).index(at) :]
                if any(table[each][0][1] for each in cycle):
                    word = self.machine.show(self.machine.access(state))
                    raise InputError(f"machine: after {word} it writes digits other than 0 for ever, no number: let zeros end in 0")
                found |= dict.fromkeys(cycle, 0)
            for each in reversed(orbit):
                if each not in found:
                    following, digit = table[each][0]
                    found[each] = found[following] + 1 if digit or found[following] else 0
        return found

    @cached_property
    def _following(self) -> list[frozenset[State]]:
        return [frozenset(following for following, _ in row) for row in self.machine.table]

    @cached_property
    def _levels(self) -> list[frozenset[State]]:
        return [frozenset([self.machine.start])]

    def _after(self, groups: int) -> frozenset[State]:
        """The states that some word of so many groups leads to."""
        levels = self._levels
        while len(levels) <= groups:
            levels.append(frozenset().union(*(self._following[state] for state in levels[-1])))
            if levels[-1] == levels[-2]:
                levels.pop()
                return levels[-1]
        return levels[groups]


def machine_task(machine: Machine, name: str = "machine") -> Task:
    """The task of the function that a machine computes.

    Raises:
        InputError: leading zeros change the number that the machine writes.
        TooLarge: more than 1000 states or 200 000 cells.
    """
    states = len(machine.table)
    if states > MAX_STATES or states * len(machine.groups) > MAX_CELLS:
        raise TooLarge(f"machine: {states} states with {len(machine.groups)} groups: a task has at most {MAX_STATES} and {MAX_CELLS} cells")
    minimal = machine.minimal
    function = MachineFunction(minimal)
    if machine.direction == "lsd":
        function.tails  # noqa: B018 (refuses what is no number)
    elif minimal.table[minimal.start][0] != (minimal.start, 0):
        raise InputError("machine: leading zeros change what it writes: a zero group must keep the start and write 0, most digit first")
    letters = "".join(letter for letter in name if letter.isascii() and letter.isalpha()) or "machine"
    operands = tuple(Var(operand) for operand in "ab"[: machine.operands])
    return Task(name, Given(letters, operands, machine.base, function), machine.base, minimal)


def read_machine_task(file: str) -> Task:
    """The task of a machine in a JSON file (see theory.automata.formats), named after the file.

    Raises:
        InputError: the file cannot be read, or is not such a machine; one line that names the file.
    """
    try:
        return machine_task(from_json(Path(file).read_text(encoding="utf-8")), Path(file).stem)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or 'not a file name'}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not a text file, give a machine as JSON") from None
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


# ------------------------------------------------------------------------------------------------------------------------ properties


def by_direction(machine: Machine) -> dict[str, Property]:
    """Translation invariance for each direction of reading; see theory.proofs.properties.translation_by_direction."""
    other = "msd" if machine.direction == "lsd" else "lsd"
    opposite = other_direction(machine)
    text = opposite.certificate.removeprefix(f"{'most' if other == 'msd' else 'least'} significant first").lstrip(", ")
    found = {machine.direction: recurrence(machine), other: replace(opposite, certificate=text)}
    return {direction: found[direction] for direction in ("lsd", "msd")}


def machine_causality(machine: Machine, direction: str) -> Property:
    """Whether result digit i is a function of the operand digits 0..i (`lsd`), or i and above (`msd`), the index i being known.

    In the machine's own direction it is. Against it, what the machine has read when it comes to digit i must not matter: least
    significant first, all words of i groups lead to one state, for every i; most significant first, the minimal machine has one state.
    """
    machine = machine.minimal
    if machine.direction == direction:
        return Property(True, "the machine reads in this order, and writes each digit before it reads the next group")
    if len(machine.table) == 1:
        return Property(True, "the machine has one state: each result digit depends on its own group alone")
    if machine.direction == "msd":
        state = next(state for state in machine.reached if state != machine.start)
        rest = distinguish(machine, machine.started_at(state)) or ()
        word = machine.access(state)
        seen = values(machine, (*word, *rest), (*((0,) * len(word)), *rest))
        return Property(False, f"{seen} differ in digit 0, but their operands only from digit {len(rest)} up")
    state, word, met = machine.start, (), set[State]()
    while state not in met:
        met.add(state)
        following = [after for after, _ in machine.table[state]]
        number = next((n for n, after in enumerate(following) if after != following[0]), None)
        if number is not None:
            rest = distinguish(machine.started_at(following[0]), machine.started_at(following[number])) or ()
            seen, place = values(machine, (*word, 0, *rest), (*word, number, *rest)), len(word) + len(rest)
            return Property(False, f"{seen} differ in digit {place}, but their operands only below digit {len(word) + 1}")
        state, word = following[0], (*word, 0)
    return Property(True, "the state after i groups is the same whatever they are, for every i")


def values(machine: Machine, first: Word, second: Word) -> str:
    """f(a, b) = c for two inputs, as whole numbers."""
    function = MachineFunction(machine)
    pairs = [machine.numbers(word)[: machine.operands] for word in (first, second)]
    shown = [f"f({', '.join(map(short, pair))}) = {short(function(*pair))}" for pair in pairs]
    return " and ".join(shown)


def computes_sum(machine: Machine) -> bool:
    """Whether the machine computes a + b: whether it is equivalent to the carry machine of addition."""
    if machine.direction != "lsd" or machine.operands != 2 or len(machine.minimal.table) != 2:
        return False
    carry = tuple(tuple(divmod(x + y + s, machine.base) for x in range(machine.base) for y in range(machine.base)) for s in (0, 1))
    return distinguish(machine, Machine(machine.base, 2, 0, carry)) is None


# -------------------------------------------------------------------------------------------------------------------------- accuracy


def agreement(task: Task, trained: int, length: int, domain: str) -> Fraction | None:
    """P(f^ = f) for f^ = f on operands cut to their low `trained` digits: both runs side by side, over all digits of the result.

    None where more than 20 000 steps of a pair of states are to be followed for one digit.
    """
    assert task.machine is not None
    machine, step = task.machine, task.machine.transducer.step
    places = range(max(length, task.result_width(length)))
    moves: dict[tuple[State, State, Group, bool], Counter[tuple[State, State]]] = {}

    def following(pair: tuple[State, State], group: Group, cut: bool) -> Counter[tuple[State, State]]:
        key = (*pair, group, cut)
        if key not in moves:
            moves[key] = Counter()
            for x, y in group:
                (s, c), (t, d) = step(pair[0], x, y), step(pair[1], 0, 0) if cut else step(pair[1], x, y)
                moves[key][s, t] += c == d
        return moves[key]

    total = Fraction(0)
    for part in parts(domain, length, machine.base):
        lines, size = Counter({(machine.start, machine.start): 1}), 1
        for place in places if machine.direction == "lsd" else places[::-1]:
            group = part.at(place)
            size *= len(group)
            after: Counter[tuple[State, State]] = Counter()
            if len(lines) * len(group) > MAX_STEPS:
                return None
            for pair, number in lines.items():
                for next_pair, ways in following(pair, group, place >= trained).items():
                    after[next_pair] += number * ways
            lines = after
        total += part.weight * Fraction(lines.total(), size)
    return total


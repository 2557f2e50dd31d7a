"""Lookahead: how often an answer can be right that is written before the digits it depends on are looked at.

Where a machine reads from one end and the result is begun at the other, as in addition with the most significant digit first, result digit
i depends on digits that come later in the order of the result. A predictor with lookahead k

- writes result digit i from the operand digits up to k places further on, and from the result digits written before;
- knows the length, the place i, the domain's law, and which of its boxes the operands are from (with D_n: which of them is the longer);
  a line counts where all its result digits are right.

The accuracy of the best such predictor is exact here, and a bound for all others, who may have to guess the box too; most significant first
the top group of the operands shows that of D_n, but overflow digits are written before it. k = 0 is the interleaved layout read against the
machine; in a question-then-answer layout all digits are there, and k says how far a network looks.

Derivation. Let the machine read groups t = 0, 1, .., T-1; the result is written from T-1 down to 0. When digit t is asked for, the groups
t-k and above are known, and of the state s before group t-k those states are possible that would have written the answers given. Of the
known groups only this matters: which of the possible s write the same digit at t, at t-1, .., at t-k. So let an information be the set of
possible s, each with its row of marks, equal marks for equal digits. The answer keeps the states of one mark,

    V(information, t) = max over marks of the sum over groups g at t-k-1 of V(information kept and moved back by g, t-1),

and V = 1 at the end if the start is possible, else 0: V counts the lines that are right. For a + b the guess
"no carry" is needed only where the next k digit pairs all sum to B - 1, and it is right a little more than half of the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from functools import cache, lru_cache
from itertools import count
from math import prod

from theory.automata.machines import TooLarge
from theory.automata.transducers import Transducer
from theory.language.domains import boxes, digits_at
from theory.language.layouts import Layout
from theory.language.tasks import Task
from theory.local.inputs import local_machine

AHEAD = (0, 1, 2, 3)  # lookaheads that a prediction shows
MAX_CELLS = 100_000  # states times digit pairs
MAX_MOVES = 20_000  # informations times classes of groups times states

Marks = tuple[int, ...]
Information = tuple[tuple[int, Marks], ...]  # (possible state, its marks at t-k, .., t)
Group = tuple[tuple[int, ...], Marks]  # the next state and the mark of each state
Digits = tuple[range, range]
Runs = tuple[tuple[Digits, int], ...]  # what the groups before can be, in reading order: (digits, how many groups)


class Lookahead:
    """The best accuracies with `ahead` groups of lookahead, for one task."""

    def __init__(self, task: Task, machine: Transducer, ahead: int) -> None:
        """Compare the states.

        Raises:
            TooLarge: more than 100 000 cells of states and digit pairs, or more than 20 000 moves of states.
        """
        self.task, self.machine, self.ahead = task, machine, ahead
        if task.base**2 > MAX_CELLS or len(machine.reachable) * task.base**2 > MAX_CELLS:
            raise TooLarge(f"more than {MAX_CELLS} cells of states and digit pairs in base {task.base}")
        self.states = sorted(machine.reachable)
        self.number = {state: i for i, state in enumerate(self.states)}
        self.groups: dict[Digits, Counter[Group]] = {}
        self.moves: dict[tuple[Information, Digits], Counter[Information]] = {}
        self.values: dict[tuple[Information, Runs], int] = {}
        self._check_size()

    def accuracy(self, domain: str, length: int) -> Fraction:
        """The share of a domain's lines that the best predictor gets right."""
        return sum(self.by_box(domain, length), Fraction(0))

    def by_box(self, domain: str, length: int) -> list[Fraction]:
        """That share for each box of the domain; they sum to it."""
        width = max(length, self.task.result_width(length))
        return [line * self._right(runs, width) for line, runs in self._boxes(domain, length, width)]

    def by_top_group(self, length: int) -> Fraction:
        """The share of D_n, most significant first and without lookahead, for who learns the box from the top group of the operands.

        The overflow digits are written before it, behind groups of zeros, so they are the same guesses in every box.
        """
        width = max(length, self.task.result_width(length))
        boxed = self._boxes("either", length, width)
        known = sum((line * self._right(runs, width) for line, runs in boxed), Fraction(0))  # and the values of all that can follow
        if width == length:
            return known
        begun = [self._nothing]
        for _ in range(width - length):
            begun = [part for one in begun for after in self._moves(one, (range(1), range(1))) for part in _parts(after)]
        return max(sum((line * self._lines(one, runs[:-1]) for line, runs in boxed), Fraction(0)) for one in begun)

    def _lines(self, information: Information, runs: Runs) -> int:
        """How many lines are right once the next group is looked at; the values are solved."""
        return sum(ways * self.values[after, rest] for after, rest, ways in self._back(information, runs))

    def _boxes(self, domain: str, length: int, width: int) -> list[tuple[Fraction, Runs]]:
        """Of each box of the domain the share of one line, and what its groups can be."""
        found = []
        for box in boxes(domain, length, self.task.base):
            order = range(width) if self.machine.direction == "lsd" else range(width)[::-1]
            runs: list[tuple[Digits, int]] = []
            for place in order:
                digits = digits_at(box.a, place, self.task.base), digits_at(box.b, place, self.task.base)
                runs[-1:] = [(digits, runs[-1][1] + 1)] if runs and runs[-1][0] == digits else [*runs[-1:], (digits, 1)]
            size = prod((len(x) * len(y)) ** groups for (x, y), groups in runs)
            found.append((box.weight / size, tuple(runs)))
        return found

    @property
    def _nothing(self) -> Information:
        """What is known before any group is looked at."""
        return tuple((state, ()) for state in range(len(self.states)))

    def _check_size(self) -> None:
        """Follow all informations that any inputs lead to."""
        free = range(self.task.base), range(self.task.base)
        endless: Runs = ((free, 2),)
        layer, found = {self._nothing}, set[Information]()
        for depth in count():
            parts = layer if depth <= self.ahead else {part for info in layer for part in _parts(info)}
            layer = {after for part in parts for after, _, _ in self._back(part, endless)} - found
            found |= layer
            if len(found) * len(self._classes(free)) * len(self.states) > MAX_MOVES:
                raise TooLarge(f"more than {MAX_MOVES} moves of states")
            if not layer:
                return

    def _right(self, runs: Runs, width: int) -> int:
        """How many lines with these digits are right: the first k + 1 groups are looked at, and then one more for each answer."""
        seen: dict[tuple[Information, Runs], int] = {(self._nothing, runs): 1}
        for _ in range(self.ahead + 1):
            further: Counter[tuple[Information, Runs]] = Counter()
            for (information, before), ways in seen.items():
                for after, rest, number in self._back(information, before):
                    further[after, rest] += ways * number
            seen = further
        self._solve(seen.keys(), width)
        return sum(ways * self.values[key] for key, ways in seen.items())

    def _solve(self, asked: Iterable[tuple[Information, Runs]], width: int) -> None:
        """Values of these and of all that they lead to: downwards to what is known, and back."""
        layers = []
        layer = {key for key in asked if key not in self.values}
        for _ in range(width):
            layers.append(layer)
            nexts = ((after, rest) for info, runs in layer for part in _parts(info) for after, rest, _ in self._back(part, runs))
            layer = {key for key in nexts if key not in self.values}
        for key in layer:  # all digits are written
            self.values[key] = int(bool(key[0]))
        for layer in reversed(layers):
            for info, runs in layer:
                lines = (sum(n * self.values[after, rest] for after, rest, n in self._back(part, runs)) for part in _parts(info))
                self.values[info, runs] = max(lines, default=0)

    def _back(self, information: Information, runs: Runs) -> list[tuple[Information, Runs, int]]:
        """The information after one more group is looked at, the groups left before it, and how many groups lead there."""
        if not runs:  # nothing is left: the state before the first group is the start
            start = self.number[self.machine.start]
            kept = tuple((state, (0, *marks)) for state, marks in information if state == start)
            return [(kept, (), 1)]
        digits, groups = runs[-1]
        rest = (*runs[:-1], (digits, groups - 1)) if groups > 1 else runs[:-1]
        return [(after, rest, number) for after, number in self._moves(information, digits).items()]

    def _moves(self, information: Information, digits: Digits) -> Counter[Information]:
        """What is known after one more group with such digits, and how many groups lead there."""
        if (found := self.moves.get((information, digits))) is None:
            found = self.moves[information, digits] = Counter()
            marks = dict(information)
            for (following, written), number in self._classes(digits).items():
                found[_canonical([(s, (written[s], *marks[t])) for s, t in enumerate(following) if t in marks])] += number
        return found

    def _classes(self, digits: Digits) -> Counter[Group]:
        """Groups with such digits, counted by what they do to the states and which states they let write the same."""
        if digits not in self.groups:
            found: Counter[Group] = Counter()
            for x in digits[0]:
                for y in digits[1]:
                    cells = [self.machine.step(state, x, y) for state in self.states]
                    found[tuple(self.number[state] for state, _ in cells), _marks([digit for _, digit in cells])] += 1
            self.groups[digits] = found
        return self.groups[digits]


@lru_cache(100_000)
def _parts(information: Information) -> tuple[Information, ...]:
    """What remains possible after each answer to the last mark."""
    parts: dict[int, list[tuple[int, Marks]]] = {}
    for state, marks in information:
        parts.setdefault(marks[-1], []).append((state, marks[:-1]))
    return tuple(_canonical(part) for part in parts.values())


def _canonical(rows: list[tuple[int, Marks]]) -> Information:
    """Marks numbered in the order of the states."""
    columns = [_marks(column) for column in zip(*(marks for _, marks in rows), strict=True)]
    return tuple((state, tuple(column[i] for column in columns)) for i, (state, _) in enumerate(rows))


def _marks(values: Iterable[int]) -> Marks:
    number: dict[int, int] = {}
    return tuple(number.setdefault(value, len(number)) for value in values)


@cache
def lookahead(task: Task, direction: str, ahead: int) -> Lookahead | None:
    """The best accuracies of results that are begun at the end `direction`; None where they are not counted.

    That is where no machine that reads from the other end is known, or where it is too large.
    """
    machine = local_machine(task, "msd" if direction == "lsd" else "lsd")
    try:
        return None if machine is None else Lookahead(task, machine, ahead)
    except TooLarge:
        return None


def looks_ahead(task: Task, layout: Layout) -> tuple[int, ...]:
    """The lookaheads that say something: 0 where the digits below are not in sight, AHEAD where they are but come after; else none."""
    own, other = (local_machine(task, end) for end in (layout.result_direction, "msd" if layout.result_direction == "lsd" else "lsd"))
    if own is not None or other is None:
        return ()
    return AHEAD if layout.separated else AHEAD[:1]


def best_accuracy(task: Task, layout: Layout, ahead: int, domain: str, length: int) -> Fraction | None:
    """The accuracy of the best predictor with so much lookahead in this layout; None where it is not counted, as for ordered operands."""
    if domain == "ordered":  # who knew which of its parts they are from would know where they first differ
        return None
    found = lookahead(task, layout.result_direction, ahead)
    return None if found is None else found.accuracy(domain, length)

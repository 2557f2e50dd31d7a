"""Too small a window: the exact accuracy of the best answer per context.

A network that sees r >= 1 tokens before the query gives one answer per context. Where the hidden past leaves several true answers, the loss
is least for the one that is most frequent in training. Conventions, all of them exact:

- Frequencies are those of the training lines: its lengths in equal parts, its domain's law, every result digit counted alike, the overflow
  digit and the first digits (that see <bos>) included. Contexts do not tell the place of a digit, so the places are pooled.
- A context that is not ambiguous is answered rightly, whether training shows it or not. An ambiguous one that training never shows has no
  predicted answer, and lines that meet it have no accuracy.
- Equal frequencies: the smaller digit.
- A line is right when all result digits are, the overflow digit included. Each digit is judged behind the true ones, which is the same as
  feeding back the network's own for as long as they are right.

The machine's state and the last r - 1 tokens before a group (r where a alone is shown), the memory, form a Markov chain, over which lines
are counted. Memories that lead to the same answers and keep the same tokens for the next group are merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from math import lcm, prod
from typing import Any

from theory.automata.machines import TooLarge
from theory.automata.transducers import Transducer
from theory.language.domains import Group, Part, Training, parts, short_operand
from theory.language.encodings import Encoding
from theory.language.layouts import Layout
from theory.language.tasks import Task
from theory.local.inputs import Source, all_inputs, local_machine

MAX_NODES = 40_000  # states times memories
QUICK = 400  # of them, for a prediction while the user waits
BOS = -1

Memory = tuple[int, ...]
Node = tuple[int, Memory, int | Memory]  # state, the tokens that the next memory keeps, and what the memory tells: the state or itself


class Unseen(Exception):
    """An ambiguous context that training does not show."""


class Majority:
    """The answers of least loss that `window` tokens before the query allow, and the share of lines that they get right."""

    def __init__(
        self, task: Task, machine: Transducer, window: int, training: Training, limit: int = MAX_NODES, shown: str = "ab"
    ) -> None:
        """Count the training lines.

        Raises:
            TooLarge: more than `limit` pairs of a memory and a state that it can hide.
        """
        self.task, self.machine, self.shown = task, machine, len(shown)
        self.sees = window + 1 - self.shown  # tokens before a group: its query sees its other operand digits, too
        self.free = Group(range(task.base), range(task.base))
        self.source = None if short_operand(training.domain) is None else all_inputs(machine, training.domain)
        self.states = self._memories(limit) if self.source is None else self._memories_of(self.source, limit)
        self.votes = self._count(training)
        self.moves: dict[Group, dict[Node, dict[Node, int]]] = {}
        start = self._last((BOS,), self.sees)
        self.prefixes: list[dict[Node, int]] = [{self._node(machine.start, start): 1}]  # lines right so far, after so many free groups

    def answer(self, told: int | Memory, x: int, y: int) -> int:
        """The answer to digits x, y behind a memory.

        Raises:
            Unseen: training does not show this context, and it is ambiguous.
        """
        if isinstance(told, int):
            return self.machine.step(told, x, y)[1]
        votes = self.votes.get((told, (x, y)[: self.shown]))
        if votes is None:
            possible = self._possible(told, x, y)
            if len(possible) > 1:
                raise Unseen
            return possible.pop()
        return max(sorted(votes), key=votes.__getitem__)

    def _possible(self, told: Memory, x: int, y: int) -> set[int]:
        """The true answers to digits x, y behind a memory."""
        if self.source is None:
            return {self.machine.step(state, x, y)[1] for state in self.states[told]}
        steps = (self.source.step(state, x, y) for state in self.situations[told])
        return {step[1] for step in steps if step is not None}

    def accuracy(self, domain: str, length: int) -> Fraction | None:
        """The share of the domain's lines of this length that are right; None where an answer is not predicted."""
        try:
            shares = (part.weight * Fraction(self._right(groups), _size(groups)) for part, groups in self._lines(domain, length))
            return sum(shares, Fraction(0))
        except Unseen:
            return None

    # ---------------------------------------------------------------------------------------------------- lines, group by group

    def _lines(self, domain: str, length: int) -> Iterable[tuple[Part, list[Group]]]:
        """The parts of a domain that have any pairs, each with what the digits of every group can be."""
        groups = range(Layout("interleaved", 1).widths(self.task, length).c)
        places = groups if self.machine.direction == "lsd" else groups[::-1]
        for part in parts(domain, length, self.task.base):
            if part.weight:
                yield part, [part.at(i) for i in places]

    def _last(self, tokens: Memory, count: int) -> Memory:
        return tokens[max(0, len(tokens) - count) :]

    def _advance(self, lines: dict[tuple[int, Memory], int], group: Group) -> dict[tuple[int, Memory], int]:
        """Numbers of lines by state and memory, one group later."""
        merged: dict[tuple[int, Memory], int] = defaultdict(int)
        for (state, memory), number in lines.items():
            merged[state, self._last(memory, self.sees - self.shown - 1)] += number
        after: dict[tuple[int, Memory], int] = defaultdict(int)
        for (state, memory), number in merged.items():
            for x, y in group:
                following, c = self.machine.step(state, x, y)
                after[following, self._remember(memory, x, y, c)] += number
        return after

    def _remember(self, memory: Memory, x: int, y: int, c: int) -> Memory:
        return self._last((*memory, *(x, y)[: self.shown], c), self.sees)

    def _memories(self, limit: int) -> dict[Memory, set[int]]:
        """Every memory, with the states that it can hide."""
        found: dict[Memory, set[int]] = defaultdict(set)
        lines = {(self.machine.start, self._last((BOS,), self.sees)): 1}
        total = 0
        while lines:
            for state, memory in lines:
                found[memory].add(state)
            total += len(lines)
            if total > limit:
                raise TooLarge(f"more than {limit} memories")
            lines = {(s, m): 1 for s, m in self._advance(lines, self.free) if s not in found.get(m, ())}
        return found

    def _memories_of(self, source: Source, limit: int) -> dict[Memory, set[int]]:
        """The same where not all pairs can follow; what can is kept in `situations`, by memory."""
        seen: set[tuple[Any, Memory]] = set()
        frontier: set[tuple[Any, Memory]] = {(state, self._last((BOS,), self.sees)) for state in source.starts}
        while frontier:
            seen |= frontier
            if len(seen) > limit:
                raise TooLarge(f"more than {limit} memories")
            steps = ((memory, x, y, source.step(state, x, y)) for state, memory in frontier for x, y in self.free)
            frontier = {(after[0], self._remember(memory, x, y, after[1])) for memory, x, y, after in steps if after is not None} - seen
        self.situations: dict[Memory, set[Any]] = defaultdict(set)
        for state, memory in seen:
            self.situations[memory].add(state)
        return {memory: {state[0] for state in states} for memory, states in self.situations.items()}

    # -------------------------------------------------------------------------------------------------------------- training

    def _count(self, training: Training) -> dict[tuple[Memory, Memory], dict[int, int]]:
        """For each ambiguous memory and the digits shown of x, y: how often training shows each true answer, in a common unit."""
        lines = [item for length in training.lengths for item in self._lines(training.domain, length)]
        unit = lcm(*((part.weight / _size(groups)).denominator for part, groups in lines))
        votes: dict[tuple[Memory, Memory], dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for part, groups in lines:
            here = {(self.machine.start, self._last((BOS,), self.sees)): 1}
            for t, group in enumerate(groups):
                share = int(part.weight * unit / _size(groups[: t + 1]))
                for (state, memory), number in here.items():
                    if len(self.states[memory]) > 1:
                        for x, y in group:
                            votes[memory, (x, y)[: self.shown]][self.machine.step(state, x, y)[1]] += number * share
                here = self._advance(here, group)
        return votes

    # --------------------------------------------------------------------------------------------------------------- testing

    def _node(self, state: int, memory: Memory) -> Node:
        hidden = self.states[memory]
        return state, self._last(memory, self.sees - self.shown - 1), memory if len(hidden) > 1 else state

    def _move(self, node: Node, group: Group) -> dict[Node, int]:
        """In how many ways a group of such digits is answered rightly, by where it leads."""
        moves = self.moves.setdefault(group, {})
        if node not in moves:
            state, kept, told = node
            found: dict[Node, int] = defaultdict(int)
            for x, y in group:
                following, c = self.machine.step(state, x, y)
                if self.answer(told, x, y) == c:
                    found[self._node(following, self._remember(kept, x, y, c))] += 1
            moves[node] = found
        return moves[node]

    def _after(self, lines: dict[Node, int], group: Group) -> dict[Node, int]:
        after: dict[Node, int] = defaultdict(int)
        for node, number in lines.items():
            for following, ways in self._move(node, group).items():
                after[following] += number * ways
        return after

    def _right(self, groups: list[Group]) -> int:
        """How many of the lines with such digits are right throughout."""
        free = next((t for t, group in enumerate(groups) if group != self.free), len(groups))
        while len(self.prefixes) <= free:
            self.prefixes.append(self._after(self.prefixes[-1], self.free))
        lines = self.prefixes[free]
        for group in groups[free:]:
            lines = self._after(lines, group)
        return sum(lines.values())


@cache
def majority_of(task: Task, encoding: Encoding, layout: Layout, training: Training) -> Majority | None:
    """The majority answers in the receptive field of a windowed encoding; None where they are not quickly counted."""
    assert encoding.receptive_field is not None
    machine = local_machine(task, layout.direction, training.domain)
    if machine is None or not layout.interleaved:
        return None
    try:
        return Majority(task, machine, encoding.receptive_field - 1, training, QUICK, layout.shown)
    except TooLarge:
        return None


def _size(groups: list[Group]) -> int:
    return prod(map(len, groups))

"""Two states side by side: equivalence, product, and how long two states can stay apart.

Pairs of different states move together under one word. Three properties of a machine are questions about these moves:

- I/O memory: pairs move under groups on which both states write the same digit. If the moves have no cycle, the longest path has mu - 1
  moves, and mu (input, output) groups fix the state; if they have one, no number of groups does.
- Reading from the other end: pairs move under every group. If the moves have no cycle, every word of d groups resets the machine (it is
  definite), where the longest path has d - 1 moves; see `theory.proofs.verdicts.other_direction`.
- Synchronising word: one word that leads all states into one exists iff every pair has a path that merges it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, pairwise

from theory.automata.machines import MAX_CELLS, Group, Machine, TooLarge, Tree, Word, breadth_first, path, tabulate
from theory.errors import InputError

MAX_MOVES = 4_000_000  # pairs of states times digit groups

Pair = tuple[int, int]


# ------------------------------------------------------------------------------------------------------------------- two machines


def distinguish(first: Machine, second: Machine) -> Word | None:
    """A shortest input on which the machines write different digits, at its last group; None where they are equivalent.

    Raises:
        InputError: different bases, directions or numbers of operands, or more than 1 000 000 cells of state pairs.
    """
    tree: Tree[Pair] = {}
    for s, t in joint(first, second, tree):
        for number, ((_, c), (_, d)) in enumerate(zip(first.table[s], second.table[t], strict=True)):
            if c != d:
                return (*path(tree, (s, t)), number)
    return None


def joint(first: Machine, second: Machine, tree: Tree[Pair]) -> Iterator[Pair]:
    """The pairs of states that one word reaches in both machines, nearest first."""
    if (first.base, first.operands, first.direction) != (second.base, second.operands, second.direction):
        raise InputError("machines are compared in the same base, direction and number of operands")

    for pair in breadth_first((first.start, second.start), partial(_step_both, first, second), tree):
        if len(tree) * len(first.groups) > MAX_CELLS:
            raise TooLarge(f"more than {MAX_CELLS} cells of state pairs: minimise both machines first, or take smaller ones")
        yield pair


def _step_both(first: Machine, second: Machine, pair: Pair) -> list[Pair]:
    """The pairs of states after each group."""
    return [(s, t) for (s, _), (t, _) in zip(first.table[pair[0]], second.table[pair[1]], strict=True)]


def product(first: Machine, second: Machine, write: Callable[[int, int], int]) -> Machine:
    """Both machines side by side, writing `write(c, d)` where they write c and d."""
    for _ in joint(first, second, {}):  # within the limit
        pass

    def step(pair: Pair, group: Group) -> tuple[Pair, int]:
        number = first.number(group)
        (s, c), (t, d) = first.table[pair[0]][number], second.table[pair[1]][number]
        return (s, t), write(c, d)

    return tabulate(first.base, first.operands, (first.start, second.start), step, first.direction)


def difference(first: Machine, second: Machine) -> Machine:
    """Writes 1 where the machines write different digits, else 0: it always writes 0 iff they are equivalent."""
    return product(first, second, lambda c, d: int(c != d))


# ------------------------------------------------------------------------------------------------------------------- pairs of states


@dataclass(frozen=True)
class Apart:
    """Two reachable states that a word keeps apart; `same_digits`: with the same digits written; `loops`: and returns them as a pair.

    A word that loops can be repeated: no number of groups brings the states together.
    """

    machine: Machine
    pair: Pair
    word: Word
    same_digits: bool
    loops: bool

    def check(self) -> bool:
        """Walk the word from both states."""
        s, t = self.pair
        if not {s, t} <= self.machine.reached.keys():
            return False
        for number in self.word:
            (s, c), (t, d) = self.machine.table[s][number], self.machine.table[t][number]
            if s == t or (self.same_digits and c != d):
                return False
        return s != t and (not self.loops or (len(self.word) > 0 and {s, t} == set(self.pair)))


@dataclass(frozen=True)
class Together:
    """Every `groups` groups bring all pairs of states together: each move lowers the rank of a pair; `longest` shows that fewer do not."""

    machine: Machine
    groups: int
    ranks: tuple[tuple[Pair, int], ...] = field(repr=False)
    same_digits: bool
    longest: Apart | None

    def check(self) -> bool:
        """Every pair of reachable states has a rank from 1 to `groups`, every move lowers it, and the longest path is of that length."""
        ranks = dict(self.ranks)
        if ranks.keys() != set(combinations(sorted(self.machine.reached), 2)) or set(ranks.values()) - set(range(1, self.groups + 1)):
            return False
        if any(ranks[following] >= ranks[pair] for pair in ranks for _, following in _moves(self.machine, pair, self.same_digits)):
            return False
        return self.groups == 0 if self.longest is None else self.longest.check() and len(self.longest.word) == self.groups - 1


def time_apart(machine: Machine, same_digits: bool) -> Together | Apart:
    """How long pairs of reachable states can stay apart; with `same_digits` only while both write the same digits.

    Raises:
        TooLarge: more than 4 million moves of pairs.
    """
    states = sorted(machine.reached)
    if len(states) ** 2 // 2 * len(machine.groups) > MAX_MOVES:
        raise TooLarge(f"{len(states)} states in base {machine.base} give more than {MAX_MOVES} moves of pairs: take a smaller machine")
    moves = {pair: {following: number for number, following in _moves(machine, pair, same_digits)} for pair in combinations(states, 2)}
    try:
        inner_first = list(TopologicalSorter(moves).static_order())
    except CycleError as error:
        cycle = error.args[1][::-1]  # graphlib lists it against the moves
        word = tuple(moves[pair][following] for pair, following in pairwise(cycle))
        return Apart(machine, cycle[0], word, same_digits, loops=True)
    rank: dict[Pair, int] = {}
    for pair in inner_first:
        rank[pair] = 1 + max((rank[following] for following in moves[pair]), default=0)
    if not rank:
        return Together(machine, 0, (), same_digits, None)
    pair = start = max(rank, key=lambda each: rank[each])
    word = ()
    while moves[pair]:
        following = max(moves[pair], key=lambda each: rank[each])
        word, pair = (*word, moves[pair][following]), following
    longest = Apart(machine, start, word, same_digits, loops=False)
    return Together(machine, rank[start], tuple(rank.items()), same_digits, longest)


def _moves(machine: Machine, pair: Pair, same_digits: bool) -> Iterator[tuple[int, Pair]]:
    """(group, pair after it) for the groups that keep the states apart."""
    s, t = pair
    for number, ((u, c), (v, d)) in enumerate(zip(machine.table[s], machine.table[t], strict=True)):
        if u != v and (c == d or not same_digits):
            yield number, (min(u, v), max(u, v))


# ------------------------------------------------------------------------------------------------------------------- synchronise


@dataclass(frozen=True)
class Reset:
    """A word that leads every reachable state to the same one."""

    machine: Machine
    word: Word

    def check(self) -> bool:
        return len({self.machine.walk(self.word, state)[0] for state in self.machine.reached}) == 1


@dataclass(frozen=True)
class NeverMerged:
    """Pairs of different states that every group maps among themselves."""

    machine: Machine
    pairs: frozenset[Pair]

    def check(self) -> bool:
        groups = len(self.machine.groups)
        inside = all(sum(q in self.pairs for _, q in _moves(self.machine, p, False)) == groups for p in self.pairs)
        return bool(self.pairs) and inside and all(s != t and {s, t} <= self.machine.reached.keys() for s, t in self.pairs)


def synchronise(machine: Machine) -> Reset | NeverMerged:
    """A word after which the state does not depend on the start (short, not always shortest), or pairs that no word merges.

    Raises:
        TooLarge: more than 4 million moves of pairs.
    """
    states = set(machine.reached)
    if len(states) ** 2 // 2 * len(machine.groups) > MAX_MOVES:
        raise TooLarge(f"{len(states)} states in base {machine.base} give more than {MAX_MOVES} moves of pairs: take a smaller machine")
    word: Word = ()
    while len(states) > 1:
        s, t, *_ = sorted(states)
        tree: Tree[Pair] = {}
        merged = next((pair for pair in breadth_first((s, t), partial(_step_both, machine, machine), tree) if pair[0] == pair[1]), None)
        if merged is None:
            return NeverMerged(machine, frozenset((min(pair), max(pair)) for pair in tree))
        step = path(tree, merged)
        states = {machine.walk(step, state)[0] for state in states}
        word += step
    return Reset(machine, word)

"""How much of the low digits the rest of a computation needs: a Myhill-Nerode count with a table that proves it.

After the k low digits x, y of the operands, what remains to compute is a function of the high parts A, C:

    rest(A, C) = floor(f(x + B^k*A, y + B^k*C) / B^w),

where w low result digits are already written: w = k for a polynomial, whose low k result digits are fixed by x and y; w = 0 otherwise. A
machine that reads the least significant digit first, and a reader of any kind at this cut, needs a state for each different rest.

The rests are told apart on a few high parts. For a polynomial of degrees (d, e) in a and b, and for a polynomial mod p, the grid
[0, d] x [0, e] tells apart all that differ: the difference of two rests is a polynomial of these degrees, and it vanishes (mod p) iff its
forward differences on the grid do. There the count is exact; for other tasks it is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from theory.automata.machines import TooLarge
from theory.errors import InputError
from theory.language.expressions import polynomial
from theory.language.tasks import Task

MAX_VALUES = 1_000_000  # pairs of low words times high parts
OTHER_SIDE = 6  # high parts 0..5 of tasks of other kinds

Pair = tuple[int, int]


@dataclass(frozen=True)
class Sections:
    """The number of different rests after `depth` low digits, with a representative for each.

    Attributes:
        count: the number of rests found.
        exact: whether there are no more of them; else count is a lower bound.
        written: low result digits that are already written.
        words: one pair (x, y) of low words for each rest.
        suffixes: pairs (A, C) of high parts; any two words have different rests on one of them.
    """

    task: Task
    depth: int
    count: int
    exact: bool
    written: int
    words: tuple[Pair, ...]
    suffixes: tuple[Pair, ...]

    def rest(self, word: Pair, suffix: Pair) -> int:
        """What remains of the result for one pair of low words and one of high parts."""
        unit = self.task.base**self.depth
        value = self.task(word[0] + unit * suffix[0], word[1] + unit * suffix[1])
        return int(value // self.task.base**self.written)

    def suffix(self, word: Pair, other: Pair) -> Pair:
        """High parts on which two of `words` have different rests."""
        return next(suffix for suffix in self.suffixes if self.rest(word, suffix) != self.rest(other, suffix))

    def check(self) -> bool:
        """Evaluate the task on every word and suffix: all rows differ; if exact, every pair of low words has one of the rows."""
        rows = {tuple(self.rest(word, suffix) for suffix in self.suffixes) for word in self.words}
        if not len(rows) == len(self.words) == self.count or not all(max(word) < self.task.base**self.depth for word in self.words):
            return False
        if not self.exact:
            return True
        low = range(self.task.base**self.depth)
        return all(tuple(self.rest(word, suffix) for suffix in self.suffixes) in rows for word in product(low, low))


def sections(task: Task, depth: int) -> Sections:
    """The different rests after `depth` low digits.

    Raises:
        InputError: depth < 0, or more than 1 million values to compare.

    >>> from theory.language.tasks import make_task
    >>> sections(make_task("mul"), depth=1).count, sections(make_task("add"), depth=1).count
    (100, 2)
    """
    if depth < 0:
        raise InputError(f"depth {depth}: the number of low digits must be at least 0")
    size = task.base ** min(depth, 64)
    suffixes, exact, written = telling_suffixes(task, depth)
    if size**2 * len(suffixes) > MAX_VALUES:
        raise TooLarge(f"depth {depth} in base {task.base}: more than {MAX_VALUES} values to compare, take a smaller depth")
    found = Sections(task, depth, 0, exact, written, (), suffixes)
    rows: dict[tuple[int, ...], Pair] = {}
    for word in product(range(size), range(size)):
        rows.setdefault(tuple(found.rest(word, suffix) for suffix in suffixes), word)
    return replace(found, count=len(rows), words=tuple(rows.values()))


def telling_suffixes(task: Task, depth: int) -> tuple[tuple[Pair, ...], bool, int]:
    """High parts that tell rests apart, whether they tell all apart, and the number of result digits already written."""
    terms = polynomial(task.inner)
    if terms is None:
        return tuple((i, j) for i in range(OTHER_SIDE) for j in range(OTHER_SIDE)), False, 0
    d, e = (max((key[k] for key in terms), default=0) for k in (0, 1))
    return tuple((i, j) for i in range(d + 1) for j in range(e + 1)), True, 0 if task.modulus else depth

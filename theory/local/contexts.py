"""Contexts: what a query can see, listed from the machine of a task alone.

Reading a line from its beginning, a reader who does not see everything keeps the set of the situations that the machine can be in. A
context is a path of this deterministic automaton, so none comes twice, and paths are counted without listing them. Which tokens are seen,
and which inputs are read, is said elsewhere: theory.local.windows for the last tokens of the interleaved layout, theory.local.bands for
certain offsets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import int16, int64
    from numpy.typing import NDArray

#: Situations: X (state,), Y (state, x), C (next state, c), by what the next token is. What a reader holds possible: each situation with the
#: least size of an input that leads to it (windows: digit groups before the context; bands: operand digits).
Known = frozenset[tuple[tuple[Any, ...], int]]


def answers(known: Known) -> set[int]:
    """The true answers that a reader holds possible at a query."""
    return {c for (_, c), _ in known}


@dataclass(frozen=True)
class Kind:
    """Contexts with their digits at the same offsets before the query. `marks`: token ids, furthest first, -1 for a digit. The digits are
    read in the order of `columns`, one by each table; table[node][token] is the next node, -1 where the token cannot come."""

    offsets: tuple[int, ...]
    marks: tuple[int, ...]
    columns: tuple[int, ...]
    tables: tuple[tuple[tuple[int, ...], ...], ...]
    ends: tuple[Known, ...]

    def ways(self) -> list[int]:
        """How many contexts lead to each end."""
        ways = [1]
        for table in self.tables:
            after: Counter[int] = Counter()
            for number, row in zip(ways, table, strict=True):
                for node in row:
                    after[node] += number
            ways = [after[node] for node in range(1 + max(max(row) for row in table))]
        return ways


@dataclass(frozen=True)
class Block:
    """Contexts of one kind: token ids (N, k), the true answer of each (-1: the hidden past decides), the end of its path in `kind`."""

    tokens: NDArray[int16]
    answer: NDArray[int64]
    end: NDArray[int64]
    kind: Kind


class Reachable(ABC):
    """Contexts, by kind; how they are reached is said by those that inherit."""

    @property
    @abstractmethod
    def kinds(self) -> tuple[Kind, ...]:
        """Contexts with their digits at the same places, together."""

    def count(self) -> int:
        """How many there are."""
        return sum(sum(kind.ways()) for kind in self.kinds)

    def blocks(self, size: int) -> Iterator[Block]:
        """All of them, in an order that does not depend on `size`, about that many at a time."""
        import numpy as np

        for kind in self.kinds:
            tables = [np.array(table) for table in kind.tables]
            single = np.array([min(found) if len(found := answers(known)) == 1 else -1 for known in kind.ends])
            step = max(1, size // max((table.shape[1] for table in tables), default=1))
            for digits, end in _expand(tables, np.zeros((1, 0), dtype=np.int16), np.zeros(1, dtype=np.int64), step):
                tokens = np.tile(np.array(kind.marks, dtype=np.int16), (len(end), 1))
                tokens[:, kind.columns] = digits
                yield Block(tokens, single[end], end, kind)


def _expand(tables: list[Any], tokens: Any, node: Any, size: int) -> Iterator[tuple[Any, Any]]:
    """All continuations of the given beginnings (N, k), each at its node, `size` beginnings at a time."""
    import numpy as np

    if not tables:
        yield tokens, node
        return
    for first in range(0, len(node), size):
        after = tables[0][node[first : first + size]]
        row, token = np.nonzero(after >= 0)
        longer = np.column_stack((tokens[first : first + size][row], token.astype(np.int16)))
        yield from _expand(tables[1:], longer, after[row, token], size)

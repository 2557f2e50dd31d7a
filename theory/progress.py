"""Progress of long computations, for people who watch a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")
PATIENCE = 2.0  # seconds without a word


def watched(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items, one by one; a terminal on standard error is told how many are done, once a second after the first two.

    >>> [2 * n for n in watched([1, 2, 3], "lengths")]
    [2, 4, 6]
    """
    due = monotonic() + PATIENCE
    written = False
    try:
        for done, item in enumerate(items):
            if monotonic() > due and sys.stderr.isatty():
                print(f"\r{done} of {len(items)} {what}", end="", file=sys.stderr, flush=True)
                due, written = monotonic() + 1, True
            yield item
    finally:
        if written:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

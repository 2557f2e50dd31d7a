"""Two processes that live as long as a command, so that torch is imported once in each and not once per question."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import TypeVar

PROCESSES = 2
FEW = 2  # items that are done sooner here than a process is started

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """A pool that is started when first needed; a context, at whose end the processes end too."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            if kind is not None:  # stopped: what they are at may take minutes
                for process in list(self._pool._processes.values()):
                    process.terminate()
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
            self._pool = None

    def run(
        self, function: Callable[[Item], Result], items: Sequence[Item], failed: Callable[[Item, Exception], Result]
    ) -> Iterator[tuple[Item, Result]]:
        """Each item with its result, in their order; `failed` makes the result where the process itself died, which costs no other item."""
        if self._pool is None and len(items) <= FEW:
            for item in items:
                try:
                    yield item, function(item)
                except Exception as error:
                    yield item, failed(item, error)
            return
        self._pool = self._pool or ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"), initializer=_end_with_parent)
        for item, future in [(item, self._pool.submit(function, item)) for item in items]:
            try:
                yield item, future.result()
            except Exception as error:
                self._pool = None  # a pool with a dead process is broken for good
                yield item, failed(item, error)


def _end_with_parent() -> None:
    """In a worker: end when the command does, also when it is killed, as `timeout` does, and cannot say so."""
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()


def lent(workers: Workers | None) -> AbstractContextManager[Workers]:
    """The given workers, which go on afterwards, or some of one's own."""
    return Workers() if workers is None else nullcontext(workers)

"""What may end a training before its last step: a loss that is no number, no memory, a compiler that fails, Ctrl-C, the time that is up."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from empirical.runs.spec import RunSpec
from empirical.runs.store import record_failure
from empirical.training.compiled import compiler_failed
from theory.errors import InputError


class TrainingError(InputError):
    """A run that cannot go on as it is; what happened is on record in its folder."""


def refuse_nan(spec: RunSpec, folder: Path, row: dict[str, Any], code: str) -> None:
    """Stop a run whose loss is no number.

    Raises:
        TrainingError: it is not; the attempt is on record.
    """
    if not math.isfinite(row["loss"]):
        record_failure(folder, {**row, "loss": str(row["loss"]), "message": "loss is no number", "seed": spec.seed, "code_sha256": code})
        raise TrainingError(f"run {spec.digest}: the loss is {row['loss']} at step {row['step']}: try a smaller lr than {spec.lr:g}")


def out_of_memory(error: RuntimeError) -> bool:
    """Whether memory ran out, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def largest_batch(attempt: Callable[[int], object], batch: int) -> int:
    """The largest of batch/2, batch/4, ... for which the attempt has the memory; 0 where none has."""
    while (batch := batch // 2) > 0:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            attempt(batch)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        else:
            return batch
    return 0


@contextmanager
def memory_guard(spec: RunSpec, folder: Path, attempt: Callable[[int], object]) -> Iterator[None]:
    """Where memory runs out, name the batch that would fit.

    Raises:
        TrainingError: it ran out; the attempt is on record.
    """
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        caught = str(error).splitlines()[0]
    else:
        return
    fits = largest_batch(attempt, spec.batch)  # outside the handler, which would keep the frames of the failed step and their tensors alive
    entry = {"message": "out of memory", "seed": spec.seed, "batch": spec.batch, "batch_that_fits": fits, "error": caught}
    record_failure(folder, entry)
    remedy = f"a batch of {fits} fits" if fits else "not even a batch of 1 fits: choose a smaller model"
    raise TrainingError(f"run {spec.digest}: out of memory with a batch of {spec.batch} lines: {remedy}")


@contextmanager
def compiler_guard(spec: RunSpec, folder: Path, stopped: Callable[[], bool]) -> Iterator[None]:
    """Where kernels cannot be made, say why. Ctrl-C ends a compiler before it ends a step, and is then what happened.

    Raises:
        TrainingError: they cannot; the attempt is on record.
        KeyboardInterrupt: the compiler was stopped.
    """
    try:
        yield
    except RuntimeError as error:
        if (why := compiler_failed(error)) is None:
            raise
        if stopped():
            raise KeyboardInterrupt("stopped while kernels were made") from None
        record_failure(folder, {"message": "the compiler failed", "seed": spec.seed, "error": why})
        raise TrainingError(f"run {spec.digest}: --compile: the compiler failed, leave --compile out: {why}") from None


@contextmanager
def interruptible(until: float = math.inf) -> Iterator[Callable[[], bool]]:
    """A function that says whether to stop between two steps: Ctrl-C was pressed (twice: at once), or the clock shows `until`."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: time.time() >= until
        return
    pressed: list[int] = []

    def press(number: int, frame: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed) or time.time() >= until
    finally:
        signal.signal(signal.SIGINT, before)

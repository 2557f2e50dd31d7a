"""Memory stays flat: over the steps of a run and of an ensemble, and over the examples of an evaluation."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from empirical import process
from empirical.data.lines import PairSampler, renderer_of
from empirical.study import evaluate, scoring
from empirical.training.ensemble import Ensemble
from empirical.training.loop import Trainer, build_model
from tests.networks import TINY

torch.set_num_threads(1)
CPU = torch.device("cpu")
RUN = replace(TINY, steps=10_000, curriculum=10, watched_lengths=(3,))


def held() -> tuple[int, int]:
    """Live tensors, and the bytes of their storages."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if type(thing) in (Tensor, torch.nn.Parameter)]  # not those that torch.compile imagines
    return len(found), sum({x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in found}.values())


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def single() -> Callable[[], object]:
    trainer = Trainer(RUN, Path("/nonexistent"), "cpu", None)

    def step() -> None:
        loss = trainer.train_step()
        if trainer.step % 10 == 0:
            trainer.measure(loss)

    return step


def ensemble() -> Callable[[], object]:
    return Ensemble([replace(RUN, seed=seed) for seed in (0, 1)], CPU).train_step


def leaking() -> Callable[[], object]:
    """Keeps each step's loss with the graph behind it."""
    trainer, kept = Trainer(RUN, Path("/nonexistent"), "cpu", None), list[Tensor]()

    def step() -> None:
        lines, use_N, noise = trainer.batch(16)
        kept.append(training_loss(trainer, lines, use_N, noise))

    return step


def training_loss(trainer: Trainer, *given: Any) -> Tensor:
    from empirical.training.loop import loss_of

    return loss_of(trainer.model, *given)


@pytest.mark.parametrize(("make", "flat"), [(single, True), (ensemble, True), (leaking, False)])
def test_steps_leave_nothing_behind(make: Callable[[], Callable[[], object]], flat: bool) -> None:
    step = make()
    for _ in range(20):
        step()
    before, filled = held(), resident()
    for _ in range(60):
        step()
    assert (held() == before) == flat
    assert resident() - filled < 2**22 or not flat  # a small leak may fit into memory that was free


class Largest(TorchDispatchMode):
    """The bytes of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for made in out if isinstance(out, tuple | list) else (out,):
            if isinstance(made, Tensor):
                self.bytes = max(self.bytes, made.numel() * made.element_size())
        return out


def decoding(count: int) -> None:
    evaluate.evaluate(build_model(TINY), TINY, (3,), count, 0)


def matching(count: int) -> None:
    lines = renderer_of(TINY, CPU).lines(PairSampler("either", (3,), 3, CPU).draw(count))
    scoring.exact_matches(build_model(TINY), [lines, lines])


@pytest.mark.parametrize(("measure", "module"), [(decoding, evaluate), (matching, scoring)])
def test_more_examples_take_no_larger_tensors(measure: Callable[[int], None], module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for a few bytes of each line itself."""
    monkeypatch.setattr(module, "CHUNK", 50)

    def largest(count: int) -> int:
        with Largest() as seen:
            measure(count)
        return seen.bytes

    few, per_line = largest(100), 8 * 16
    assert largest(400) <= max(few, 400 * per_line)
    monkeypatch.setattr(module, "CHUNK", 10**6)
    assert largest(400) > max(few, 400 * per_line)


def test_memory_is_kept_where_the_c_library_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is worth shows in benchmarks.training; here, that other C libraries and systems are left as they are."""
    told, accepted = list[tuple[int, int]](), 1
    library = SimpleNamespace(mallopt=lambda option, value: told.append((option, value)) or accepted)
    monkeypatch.setattr(process.ctypes, "CDLL", lambda name: library)
    process.settle()
    assert torch.get_num_threads() == 1
    assert {option for option, value in told if value >= 2**30} == {-1, -3}  # of malloc.h, and never in vain for a step of less than 1 GB
    told.clear()
    accepted = 0
    process.keep_memory()
    assert len(told) == 1, "what is refused once is left alone"
    told.clear()
    monkeypatch.setattr(process.sys, "platform", "win32")
    process.keep_memory()
    monkeypatch.setattr(process.sys, "platform", "linux")
    del library.mallopt
    process.keep_memory()
    assert told == []

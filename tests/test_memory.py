"""Memory stays flat: over the steps of a run and of an ensemble, and over the examples of an evaluation."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from empirical.data.lines import PairSampler, renderer_of
from empirical.study import evaluate, scoring
from empirical.training.ensemble import Ensemble
from empirical.training.loop import Trainer, build_model
from tests.command import ROOT
from tests.networks import TINY

torch.set_num_threads(1)
CPU = torch.device("cpu")
RUN = replace(TINY, steps=10_000, curriculum=10, watched_lengths=(3,))


def held() -> tuple[int, int]:
    """Live tensors, and the bytes of their storages."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
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


FAULTS = """
import resource, torch
from empirical.process import settle
{settle}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones({count}).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(torch.get_num_threads(), *(faults() for _ in range(4)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    """The pages of a tensor of 48 MB are asked of the system once, not at each step."""

    def faults(settle: str) -> list[int]:
        code = FAULTS.format(settle=settle, count=12_000_000)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        threads, *found = map(int, done.stdout.split())
        assert threads == 1 or not settle
        return found[2:]

    assert 10 * max(faults("settle()")) < min(faults(""))

"""Compiled kernels compute what the eager ones do; where they cannot be had, one line says so."""

from __future__ import annotations

import inspect
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._inductor import config
from torch._inductor.exc import CppCompileError, InductorError

from empirical.data import lines
from empirical.data.noise import DROPOUT, GOLDEN, Noise, mix, step_key
from empirical.runs.store import failures, load_runs
from empirical.training import loop
from empirical.training.compiled import compiler, compiler_failed, fused
from empirical.training.faults import TrainingError
from empirical.training.loop import Trainer, train
from empirical.training.worker import Terms, work
from tests.command import called
from tests.networks import SPECS, TINY
from theory.errors import InputError

torch.set_num_threads(1)
needs_compiler = pytest.mark.skipif(not compiler()[1], reason="no C++ compiler")
RUN = "--base 3 --train 1-2 --width 3 --preset local --steps 4 --batch 8 --examples 20 --results runs --compile"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))


@needs_compiler
def test_compiled_training_is_eager_training() -> None:
    """The same lines, the same dropout, the same price and annealing: after some steps weights differ by what float arithmetic is worth."""
    spec = SPECS["padded annealed"]
    eager, fast = (Trainer(spec, Path("/nonexistent"), "cpu", None, compiles) for compiles in (False, True))
    for step in range(15, 20):  # in the last quarter a price is charged
        eager.step = fast.step = step
        torch.testing.assert_close(eager.train_step(), fast.train_step())
    for one, other in zip(eager.model.parameters(), fast.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "fused", lambda function: function)


@pytest.mark.usefixtures("_eager")
def test_a_compiled_run_says_so(tmp_path: Path) -> None:
    """By whichever command it was trained, and where only its first steps were compiled."""
    assert called("empirical", *f"run {RUN}".split(), cwd=tmp_path).code == 0
    (stored,) = load_runs(tmp_path / "runs")
    assert stored.result["compiled"] is True
    assert work(Terms(tmp_path / "job", compiled=True).job(TINY, None)).result["compiled"] is True
    assert "compiled" not in train(TINY, tmp_path / "eager").result
    begun = Trainer(TINY, tmp_path / "resumed", "cpu", None, True)
    begun.train_step()
    begun.folder.mkdir(parents=True)
    begun._save()
    assert train(TINY, tmp_path / "resumed").result["compiled"] is True


@needs_compiler
def test_random_words_are_the_same_when_compiled() -> None:
    """Products of 64-bit words wrap around, and a compiler may not take them for numbers of any size."""

    def words(key: Tensor) -> Tensor:
        return Noise(key, DROPOUT).words(1000)

    key_M = step_key(torch.tensor([1, 2, 3]), torch.tensor(5))
    expected = mix(key_M[:, None] + torch.arange(DROPOUT, DROPOUT + 1000) * GOLDEN)
    assert torch.equal(words(key_M), expected)
    assert torch.equal(fused(words)(key_M), expected)


def test_without_a_compiler_nothing_is_trained(tmp_path: Path) -> None:
    for line in (f"run {RUN}", "sweep --grid task=add base=3 train=1-2 width=3 steps=4 --results runs --compile"):
        with config.patch({"cpp.cxx": (None, "no-such-compiler")}):
            done = called("empirical", *line.split(), cwd=tmp_path)
        assert (done.code, done.out) == (2, "")
        assert done.err == "error: --compile: no C++ compiler no-such-compiler: install one, name it in CXX, or leave --compile out\n"
    assert not (tmp_path / "runs").exists()


def test_an_ensemble_is_not_compiled(tmp_path: Path) -> None:
    done = called("empirical", *["sweep", "--grid", "task=add", "--executor", "ensemble", "--results", "runs", "--compile"], cwd=tmp_path)
    assert (done.code, done.err) == (2, "error: --compile goes with runs in processes of their own, not with --executor ensemble\n")


@pytest.mark.parametrize("pressed", [False, True])
def test_a_compiler_that_fails_is_one_line(tmp_path: Path, pressed: bool) -> None:
    """Forward and backward kernels are made apart: wherever the compiler fails, it is on record, unless Ctrl-C ended it."""
    output = "In file included from x.cpp:1:\nx.cpp:2:10: fatal error: Python.h: No such file"
    error = InductorError(CppCompileError(["g++"], output), inspect.currentframe())

    class Broken(Trainer):
        def backward(self, count: int, compiled: bool = True) -> Tensor:
            if pressed:
                signal.raise_signal(signal.SIGINT)
            raise error

    run = Broken(TINY, tmp_path, "cpu", None)
    if pressed:
        with pytest.raises(KeyboardInterrupt, match="stopped while kernels were made"):
            run.run(lambda row: None)
        assert failures(run.folder) == []
        return
    with pytest.raises(TrainingError, match=r"--compile: the compiler failed, leave --compile out: x\.cpp:2:10: fatal error: Python\.h"):
        run.run(lambda row: None)
    assert [entry["message"] for entry in failures(run.folder)] == ["the compiler failed"]


@needs_compiler
def test_what_no_kernel_can_do_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        fused(lambda x: print(x) or x.sum())(torch.ones(3))
    assert compiler_failed(caught.value)
    assert compiler_failed(RuntimeError("can't allocate memory")) is None


@pytest.mark.usefixtures("_eager")
def test_lines_of_too_many_shapes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_SHAPES", 3)
    with pytest.raises(InputError, match="--compile: these unpadded lines have too many shapes"):
        train(replace(TINY, layout="plain"), tmp_path, compiled=True)

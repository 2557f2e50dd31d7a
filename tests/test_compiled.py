"""Compiled kernels compute what the eager ones do; where they cannot be had, one line says so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._inductor import config

from empirical.data.noise import DROPOUT, GOLDEN, Noise, mix, step_key
from empirical.runs.store import load_run
from empirical.training import loop
from empirical.training.compiled import compiled
from empirical.training.loop import Trainer, train
from tests.command import called
from tests.networks import SPECS, TINY
from theory.errors import InputError

torch.set_num_threads(1)
needs_compiler = pytest.mark.skipif(shutil.which(config.cpp.cxx[1] or "") is None, reason="no C++ compiler")
RUN = "--base 3 --train 1-2 --width 3 --preset local --steps 4 --batch 8 --examples 20 --results runs --compile"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))


@needs_compiler
def test_compiled_training_is_eager_training() -> None:
    """The same lines, the same dropout, the same price: after some steps weights differ by what float arithmetic is worth."""
    spec = replace(SPECS["padded sparse"], layers=1)
    eager, fast = (Trainer(spec, Path("/nonexistent"), "cpu", None, compiles) for compiles in (False, True))
    for step in range(15, 20):  # in the last quarter a price is charged
        eager.step = fast.step = step
        torch.testing.assert_close(eager.train_step(), fast.train_step())
    for one, other in zip(eager.model.parameters(), fast.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_compiled_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "compiled", lambda function: function)
    run = train(TINY, tmp_path / "compiled", compiles=True)
    assert load_run(run.folder).result["compiled"] is True
    assert "compiled" not in train(TINY, tmp_path / "eager").result


@needs_compiler
def test_random_words_are_the_same_when_compiled() -> None:
    """Products of 64-bit words wrap around, and a compiler may not take them for numbers of any size."""

    def words(key: Tensor) -> Tensor:
        return Noise(key, DROPOUT).words(1000)

    key_M = step_key(torch.tensor([1, 2, 3]), torch.tensor(5))
    expected = mix(key_M[:, None] + torch.arange(DROPOUT, DROPOUT + 1000) * GOLDEN)
    assert torch.equal(words(key_M), expected)
    assert torch.equal(compiled(words)(key_M), expected)


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


@needs_compiler
def test_a_compiler_that_fails_is_one_line() -> None:
    refusal = r"--compile: the compiler failed, leave --compile out: \w"
    with config.patch({"cpp.cxx": (None, "false")}), pytest.raises(InputError, match=refusal):
        compiled(lambda x: (x * 3).cos().sum())(torch.ones(7))

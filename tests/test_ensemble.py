"""An ensemble's members end as runs of their own would, and are stored as such; nothing in its step waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from empirical.network.model import Attention
from empirical.runs.spec import RunSpec
from empirical.runs.store import failures, load_run
from empirical.training import loop as training
from empirical.training.ensemble import Ensemble, EnsembleTrainer, shape_of, train_together
from empirical.training.faults import TrainingError
from empirical.training.loop import Trainer, train
from tests.command import called
from tests.networks import SPECS, TINY
from theory.errors import InputError

torch.set_num_threads(1)
CPU = torch.device("cpu")

#: members that differ in seeds, tasks, moduli, lengths and laws, with lines of one shape
MIXED = [
    replace(TINY, task="mod-add", modulus=20), replace(TINY, task="mod-add", modulus=23, seed=1, train_lengths=(2,)),
    replace(TINY, task="mod-add", modulus=20, seed=5), replace(TINY, task="mod-mul", modulus=19, train_domain="both", sampling="domain"),
    replace(TINY, task="mod-add", modulus=20, train_pairs=30, seed=2), replace(TINY, task="mod-add", modulus=20, train_pairs=30, seed=3),
    replace(TINY, task="mod-mul", modulus=21, curriculum=7),
]  # fmt: skip


def close(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], tolerance: float) -> None:
    assert first.keys() == second.keys()
    for name, weight in first.items():
        torch.testing.assert_close(weight, second[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [*(name for name in SPECS if name != "padded mod"), "mixed"])
def test_members_end_as_runs_of_their_own(name: str) -> None:
    """With dropout, clipping, weight decay and warm-up: the same lines, masks and steps, up to rounding."""
    specs = MIXED if name == "mixed" else [replace(SPECS[name], seed=seed, clip=0.5) for seed in (0, 3)]
    ensemble = Ensemble(specs, CPU)
    ensemble.step = 12 * (specs[0].price > 0)  # in the second half a price is charged
    for _ in range(8):
        ensemble.train_step()
    for index, spec in enumerate(ensemble.specs):
        alone = Trainer(spec, Path("/nonexistent"), "cpu", None)
        start = {name: weight.clone() for name, weight in alone.model.state_dict().items()}
        alone.step = ensemble.step - 8
        for _ in range(8):
            loss = alone.train_step()
        close(dict(ensemble.member(index).state_dict()), dict(alone.model.state_dict()), 2e-4)
        assert float(loss) == pytest.approx(float(ensemble.loss_M[index]), rel=1e-4)
        assert any(not torch.allclose(weight, start[name], atol=1e-3) for name, weight in alone.model.state_dict().items())


def test_what_differs_in_shape_is_refused() -> None:
    for other in (replace(TINY, lr=1.0), replace(TINY, task="mul"), replace(TINY, width=4), replace(TINY, encoding="rope")):
        assert shape_of(other) != shape_of(TINY)
        with pytest.raises(InputError, match="ensemble of 2"):
            Ensemble([TINY, other], CPU)


class Waits(TorchDispatchMode):
    """Notes what the host waits for: reading a value, or a shape that depends on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "unique", "masked_select", "item", "is_nonzero", "lift_fresh")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(word in str(func) for word in self.WAITING):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", SPECS)
def test_no_step_waits(name: str) -> None:
    """After the first step neither drawing lines nor training reads a value back: what a CUDA graph needs."""
    ensemble = Ensemble([replace(SPECS[name], seed=seed) for seed in (0, 1)], CPU)
    ensemble.train_step()
    with Waits() as waits:
        ensemble.lines(4)
        ensemble.backward(16)
    assert waits.found == []
    with Waits() as waits:
        float(ensemble.loss_M.sum())
    assert waits.found != []


class Strangers(TorchDispatchMode):
    """Notes operations on tensors of the CPU, numbers apart."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        self.found += [str(func) for tensor in given if tensor.device.type == "cpu" and tensor.dim()]
        return func(*args, **(kwargs or {}))


def strangers(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a step does on the CPU if its device is another, which has no values and so gives none back."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # neither this nor a fused optimiser is known there
    monkeypatch.setattr(torch.optim, "AdamW", lambda groups, **_: torch.optim.SGD(groups, lr=0.1))
    ensemble = Ensemble([replace(spec, seed=seed) for seed in (0, 1)], torch.device("meta"))
    ensemble._update()
    with Strangers() as found:
        loss_M = ensemble._update()
    assert {loss_M.device.type, *(weight.device.type for weight in ensemble.weights.values())} == {"meta"}
    return found.found


@pytest.mark.parametrize("name", [*SPECS, "curriculum"])
def test_a_step_stays_on_its_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert strangers(replace(TINY, curriculum=10) if name == "curriculum" else SPECS[name], monkeypatch) == []


def test_what_stays_on_the_cpu_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted one: what attention cannot see, made without its device."""
    monkeypatch.setattr(Attention, "_hidden", lambda self, back_QK: torch.zeros(back_QK.shape, dtype=torch.bool))
    assert any("masked_fill" in name for name in strangers(TINY, monkeypatch))


def test_half_precision_trains_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU's arithmetic, rehearsed on the CPU: close to float32, and not equal to it."""
    ensemble, narrow = Ensemble(MIXED[:2], CPU), Ensemble(MIXED[:2], CPU)
    wide_M = ensemble.backward(16)
    autocast = torch.autocast
    with autocast("cpu", torch.bfloat16), monkeypatch.context() as patched:
        patched.setattr(torch, "autocast", lambda *_, **__: autocast("cpu", torch.bfloat16))
        half_M = narrow.backward(16)
    assert not torch.equal(wide_M, half_M)
    torch.testing.assert_close(wide_M, half_M, rtol=2e-2, atol=2e-2)


def runs_of(specs: list[RunSpec]) -> list[tuple[RunSpec, str | None]]:
    return [(spec, "together") for spec in specs]


def test_members_are_stored_as_runs(tmp_path: Path) -> None:
    """Also runs of another shape, which are trained after; all are marked with how they were trained, and are not trained again."""
    specs = [*MIXED[:3], replace(TINY, layout="interleaved", encoding="rope")]
    done = train_together(runs_of(specs), tmp_path)
    assert [run.spec for run in done] == specs
    for run in done:
        assert run.result["ensemble"]["members"] == (3 if run.spec in MIXED else 1)
        assert run.result["group"] == "together"
        alone = train(run.spec, tmp_path / "alone")
        assert [entry["examples"] for entry in alone.result["evaluation"]] == [entry["examples"] for entry in run.result["evaluation"]]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert train_together(runs_of(specs), tmp_path) == done
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert not list(tmp_path.glob("ensemble-*"))


@pytest.mark.parametrize("when", ["between steps", "while writing"])
def test_an_interrupted_ensemble_goes_on(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = train_together(runs_of(MIXED[:3]), tmp_path / "straight")

    class Killed(BaseException):
        pass

    stored = []

    def kill(*args: Any, store: Callable[..., Any] = training.store_run) -> Any:
        if stored:
            raise Killed
        stored.append(store(*args))
        return stored[-1]

    trainer = EnsembleTrainer(runs_of(MIXED[:3]), tmp_path / "resumed", "cpu")
    if when == "while writing":
        monkeypatch.setattr("empirical.training.ensemble.store_run", kill)
        with pytest.raises(Killed):
            trainer.run(lambda row: None)
        monkeypatch.undo()
    else:
        for _ in range(9):
            trainer.ensemble.train_step()
        trainer._save()
    seen: list[int] = []
    resumed = train_together(runs_of(MIXED[:3]), tmp_path / "resumed", report=lambda row: seen.append(row["step"]))
    assert seen == ([] if when == "while writing" else list(range(10, 21)))
    for first, second in zip(straight, resumed, strict=True):
        assert (first.folder / "weights.safetensors").read_bytes() == (second.folder / "weights.safetensors").read_bytes()
    assert not list((tmp_path / "resumed").glob("ensemble-*"))


def test_a_member_whose_loss_is_no_number_stops_alone(tmp_path: Path) -> None:
    trainer = EnsembleTrainer(runs_of(MIXED[:3]), tmp_path, "cpu")
    with torch.no_grad():
        trainer.ensemble.weights["norm.weight"][1] = float("nan")
    broken = trainer.ensemble.specs[1]
    with pytest.raises(TrainingError, match=f"1 of 3 runs failed.*{broken.digest}"):
        trainer.run(lambda row: None)
    assert [entry["message"] for entry in failures(tmp_path / broken.digest)] == ["loss is no number"]
    for spec in (spec for spec in MIXED[:3] if spec != broken):
        assert load_run(tmp_path / spec.digest).spec == spec
    assert not (tmp_path / broken.digest / "result.json").exists()


def test_a_sweep_trains_runs_of_one_shape_together(tmp_path: Path) -> None:
    """`arith-train sweep --executor ensemble`."""
    plan = tmp_path / "plan.toml"
    common = """encoding = "absolute"
layout = "padded"
width = 3
train = "1-2"
test = "3"
preset = "local"
steps = 3
examples = 20
batch = 8
"""
    tasks = {"sum": ('task = "mod-add"\nmodulus = 20', [0, 1]), "product": ('task = "mod-mul"\nmodulus = 30', [0])}
    plan.write_text("".join(f"[{name}]\n{task}\nseeds = {seeds}\n{common}\n" for name, (task, seeds) in tasks.items()))
    words = ("sweep", str(plan), "--executor", "ensemble", "--device", "cpu", "--results", str(tmp_path / "runs"))
    done = called("empirical", *words)
    assert done.code == 0, done.err
    assert "3 runs stored" in done.out
    runs = [load_run(path.parent) for path in (tmp_path / "runs").glob("*/result.json")]
    assert sorted((run.result["group"], run.spec.seed, run.result["ensemble"]["members"]) for run in runs) == [
        ("product", 0, 3), ("sum", 0, 3), ("sum", 1, 3),
    ]  # fmt: skip

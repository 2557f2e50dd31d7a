"""Training: resumable to the same weights, idempotent, silent on held-out pairs, and able to learn."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from empirical.data.lines import held_out
from empirical.data.noise import Noise, step_key
from empirical.data.streams import Stream
from empirical.network.model import weigh
from empirical.runs.spec import CHARGES
from empirical.runs.store import failures, load_model, load_run
from empirical.study.evaluate import answer, evaluate_weights
from empirical.training.faults import TrainingError
from empirical.training.loop import Trainer, build_model, learning_rate, load_checkpoint, loss_of, off_bos, price_at, softness_at, train
from empirical.training.worker import Terms
from tests.command import ROOT
from tests.networks import SPECS, TINY
from theory.errors import InputError

torch.set_num_threads(1)


class Stop(Exception):
    """Stands for Ctrl-C."""


def metrics(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize("name", ["padded absolute", "interleaved window", "plain none", "plain randomised", "interleaved coupled"])
def test_a_resumed_run_ends_like_a_straight_one(name: str, tmp_path: Path) -> None:
    spec = SPECS[name]
    straight = train(spec, tmp_path / "straight")
    trainer = Trainer(spec, tmp_path / "resumed", "cpu", None)

    def stop(row: dict[str, Any]) -> None:
        if row["step"] == 9:
            trainer._save()
            raise Stop

    with pytest.raises(Stop):
        trainer.run(stop)
    resumed = train(spec, tmp_path / "resumed")
    assert (resumed.folder / "weights.safetensors").read_bytes() == (straight.folder / "weights.safetensors").read_bytes()
    assert metrics(resumed.folder) == metrics(straight.folder)
    assert resumed.result["evaluation"] == straight.result["evaluation"]
    assert not (resumed.folder / "checkpoint.pt").exists()


def test_a_killed_run_ends_like_a_straight_one(tmp_path: Path) -> None:
    spec = replace(TINY, steps=400)
    job = Terms(tmp_path / "killed").job(spec, None)
    code = "import empirical.training.loop as t, json, sys; t.SAVE_EVERY_S = 0; "
    code += "from empirical.training.worker import work; work(json.load(sys.stdin))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True, env=environment)
    assert child.stdin is not None
    child.stdin.write(json.dumps(job))
    child.stdin.close()
    checkpoint = tmp_path / "killed" / spec.digest / "checkpoint.pt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    straight, resumed = train(spec, tmp_path / "straight"), train(spec, tmp_path / "killed")
    assert (resumed.folder / "weights.safetensors").read_bytes() == (straight.folder / "weights.safetensors").read_bytes()


def test_a_broken_checkpoint_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / TINY.digest).mkdir()
    (tmp_path / TINY.digest / "checkpoint.pt").write_bytes(b"cut short")
    assert train(TINY, tmp_path).result["digest"] == TINY.digest
    assert (tmp_path / TINY.digest / "checkpoint.broken").exists()


def test_a_finished_run_is_loaded(tmp_path: Path) -> None:
    first = train(TINY, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}

    def never(row: dict[str, Any]) -> None:
        raise AssertionError("trained again")

    assert train(TINY, tmp_path, report=never).result == first.result
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before


def test_stored_weights_give_the_counts_of_the_result(tmp_path: Path) -> None:
    done = train(replace(TINY, examples=80), tmp_path)
    counts = [{**entry, "truth_digits": None} for entry in done.result["evaluation"]]
    assert evaluate_weights(done.folder, done.spec.test_lengths, 80, done.spec.seed + 1_000_000) == counts


def test_held_out_pairs_carry_no_loss() -> None:
    trainer = Trainer(TINY, Path("/nonexistent"), "cpu", None)
    torch.manual_seed(0)
    drawn = trainer.stream.sampler.draw(400)
    hidden = drawn.take(held_out(drawn, TINY.heldout).nonzero()[:, 0])
    lines = trainer.stream.renderer.lines(hidden)
    loss = loss_of(trainer.model, lines, ~held_out(hidden, TINY.heldout))
    loss.backward()
    assert len(hidden.length_N) > 5
    assert float(loss.detach()) == 0
    assert all(weight.grad is None or not weight.grad.any() for weight in trainer.model.parameters())


def test_attention_has_a_price_once_the_task_is_learned() -> None:
    """The price is added for the weight off <bos>, in each layer; in the first half of training nothing is."""
    spec = replace(TINY, encoding="sparse", price=0.5, layers=2, steps=100)
    model, stream = build_model(spec), Stream(spec, torch.device("cpu"))
    lines, use_N = stream.lines(8, torch.tensor(0), Noise(step_key(torch.tensor(0), torch.tensor(0))))
    prices = [price_at(spec, torch.tensor(step)) for step in (0, 50, 60, 75, 100)]
    assert [float(price) for price in prices if price is not None] == pytest.approx([0, 0, 0.2, 0.5, 0.5])
    assert price_at(TINY, torch.tensor(100)) is None
    scores: list[torch.Tensor] = []
    model(lines.token_NT[:, :-1], lines.asked_Q - 1, scores=scores)
    spent = sum(float(score.softmax(3)[..., 1:].sum(-1).sum(-1).mean().detach()) for score in scores)
    assert len(scores) == 2
    assert 0 < spent < sum(score.shape[2] for score in scores)
    free, paid = (float(loss_of(model, lines, use_N, price=price).detach()) for price in (None, prices[2]))
    assert paid - free == pytest.approx(0.2 * spent, abs=1e-5)


def test_sparse_attention_may_start_soft() -> None:
    """Over the first `anneal` of training the share of softmax falls to 0, and every key has a slope while there is some."""
    spec = replace(TINY, encoding="sparse", price=0.5, anneal=0.5, steps=100)
    shares = [softness_at(spec, torch.tensor(step)) for step in (0, 25, 50, 99)]
    assert [float(share) for share in shares if share is not None] == pytest.approx([1, 0.5, 0, 0])
    assert softness_at(TINY, torch.tensor(0)) is None
    for share in shares:
        score = torch.tensor([9.0, 0.0, -3.0], requires_grad=True)
        weight = weigh(score, sparse=True, soft=share)
        assert torch.allclose(weight, share * score.softmax(0) + (1 - share) * torch.tensor([1.0, 0.0, 0.0]))
        (weight * torch.tensor([0.0, 1.0, 2.0])).sum().backward()
        assert score.grad is not None
        assert bool(score.grad.all()) == bool(share > 0)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_step_is_as_soft_as_the_run_says(layer: int) -> None:
    """Two runs that differ in annealing alone differ while there is softmax, by each layer, and at the end do not."""
    specs = [replace(TINY, encoding="sparse", price=0.5, anneal=anneal, dropout=0.0, layers=2) for anneal in (0.0, 0.5)]
    losses = {}
    for step in (5, 19):
        hard, soft = (Trainer(spec, Path("/nonexistent"), "cpu", None) for spec in specs)
        with torch.no_grad():
            for trainer in (hard, soft):  # where all scores are 0, both give every key the same
                for other in (0, 1):
                    trainer.model.get_parameter(f"blocks.{other}.attention.q.weight").mul_(1000 * (other == layer))
        hard.step = soft.step = step
        losses[step] = [float(trainer.train_step()) for trainer in (hard, soft)]
    assert abs(losses[5][0] - losses[5][1]) > 1e-5
    assert losses[19][0] == losses[19][1]


def test_a_step_charges_what_the_run_says() -> None:
    """In the last quarter the charges tell two runs apart, in the first half nothing does."""
    specs = [replace(TINY, encoding="priced", price=0.5, charge=charge, dropout=0.0) for charge in CHARGES]
    losses = {}
    for step in (5, 19):
        share, log = (Trainer(spec, Path("/nonexistent"), "cpu", None) for spec in specs)
        share.step = log.step = step
        losses[step] = [float(trainer.train_step()) for trainer in (share, log)]
    assert losses[5][0] == losses[5][1]
    assert abs(losses[19][0] - losses[19][1]) > 0.1


@pytest.mark.parametrize("keys", [5, 500])
def test_what_is_charged_has_a_slope_among_many_keys_where_it_is_the_logarithm(keys: int) -> None:
    """With all scores alike, <bos> has one share in `keys`: the share off it hardly falls as its score rises, the logarithm does."""
    slopes = {}
    for charge in CHARGES:
        score = torch.zeros(1, 1, 1, keys, requires_grad=True)
        off_bos([score], charge, asked=1).backward()
        assert score.grad is not None
        slopes[charge] = float(-score.grad[..., 0])
    rest = 1 - 1 / keys
    assert slopes == pytest.approx({"share": rest / keys, "log": rest})
    same = [off_bos([torch.zeros(1, 1, asked, keys)] * 2, "log", asked) for asked in (1, 7)]
    assert [float(nats) for nats in same] == pytest.approx([2 * math.log(keys)] * 2)


def test_learning_rate_warms_up_and_falls_to_a_tenth() -> None:
    rates = [learning_rate(TINY, step) for step in range(TINY.steps)]
    assert rates[0] == pytest.approx(TINY.lr / TINY.warmup)
    assert max(rates) == pytest.approx(TINY.lr)
    assert learning_rate(TINY, TINY.steps) == pytest.approx(TINY.lr / 10)


def test_a_windowed_layer_adds_numbers_twice_as_long(tmp_path: Path) -> None:
    spec = replace(
        TINY, layout="interleaved", encoding="window", window=5, dim=32, heads=4, steps=2000, batch=64, lr=4e-3, dropout=0.0,
        train_lengths=(1, 2, 3), test_lengths=(3, 6, 30), warmup=20,
    )  # fmt: skip
    done = train(spec, tmp_path)
    assert [entry["truth"] / entry["examples"] for entry in done.result["evaluation"]] == pytest.approx([1, 1, 1], abs=0.1)
    assert answer(load_run(done.folder), 3**20 - 1, 1) == 3**20
    assert not load_model(done).training


def test_every_seed_and_step_draws_a_batch_of_its_own(tmp_path: Path) -> None:
    """Also seeds that differ in their high bits alone."""
    drawn = []
    for seed in (0, 1, 2, 31, 2**31 - 1):
        trainer = Trainer(replace(TINY, seed=seed), tmp_path, "cpu", None)
        for _ in range(3):
            drawn.append(trainer.batch(16)[0].token_NT)
            trainer.train_step()
    assert len({str(token_NT.tolist()) for token_NT in drawn}) == len(drawn) == 15


# ------------------------------------------------------------------------------------------------------------------------------ faults


def test_a_loss_that_is_no_number_stops_the_run_on_record(tmp_path: Path) -> None:
    for attempt in (1, 2):
        trainer = Trainer(TINY, tmp_path, "cpu", None)
        with torch.no_grad():
            trainer.model.norm.weight[0] = float("nan")
        with pytest.raises(TrainingError, match=r"loss is nan at step 1: try a smaller lr than 0\.001") as caught:
            trainer.run(lambda row: None)
        assert "\n" not in str(caught.value)
        assert [entry["message"] for entry in failures(trainer.folder)] == ["loss is no number"] * attempt
    assert not (trainer.folder / "checkpoint.pt").exists()
    done = train(TINY, tmp_path)  # a failed attempt stays on record, and does not stand in the way
    assert len(failures(done.folder)) == 2


@pytest.mark.parametrize(("fits", "remedy"), [(5, "a batch of 4 fits"), (0, "not even a batch of 1 fits")])
def test_out_of_memory_names_the_batch_that_fits(fits: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(TINY, tmp_path, "cpu", None)
    backward = trainer.backward

    def limited(count: int, compiled: bool = True) -> torch.Tensor:
        assert compiled is (count == TINY.batch)  # smaller batches are tried without making kernels for them
        if count > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more")
        return backward(count)

    monkeypatch.setattr(trainer, "backward", limited)
    with pytest.raises(TrainingError, match=f"out of memory with a batch of 16 lines: {remedy}"):
        trainer.run(lambda row: None)
    assert failures(trainer.folder)[0]["batch_that_fits"] == (4 if fits else 0)


def test_another_error_is_not_taken_for_want_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Trainer, count: int) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Trainer, "backward", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        train(TINY, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="what is asked is the refusal where no GPU is, and one is here")
def test_an_absent_gpu_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="device cuda: no CUDA device is available, use --device cpu"):
        train(TINY, tmp_path, "cuda")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_a_resumable_run(tmp_path: Path) -> None:
    spec = replace(TINY, steps=12)
    straight = train(spec, tmp_path / "straight")
    steps: list[int] = []

    def press(row: dict[str, Any]) -> None:
        steps.append(row["step"])
        if row["step"] == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="stopped at step 5 of 12"):
        train(spec, tmp_path / "stopped", report=press)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = train(spec, tmp_path / "stopped", report=press)
    assert steps == list(range(1, 13))
    assert (resumed.folder / "weights.safetensors").read_bytes() == (straight.folder / "weights.safetensors").read_bytes()


def test_a_checkpoint_cut_anywhere_is_set_aside_and_other_errors_are_not_hidden(tmp_path: Path) -> None:
    trainer = Trainer(TINY, tmp_path, "cpu", None)
    trainer.train_step()
    trainer.folder.mkdir()
    trainer._save()
    path, code = trainer.folder / "checkpoint.pt", trainer.provenance["code_sha256"]
    whole = path.read_bytes()
    assert load_checkpoint(path, code) is not None
    for size in {0, 1, 3, 100, len(whole) // 3, len(whole) // 2, len(whole) - 1, *range(0, len(whole), max(1, len(whole) // 40))}:
        path.write_bytes(whole[:size])
        assert load_checkpoint(path, code) is None
        assert path.with_suffix(".broken").read_bytes() == whole[:size]
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        load_checkpoint(path, code)
    path.rmdir()
    path.write_bytes(whole)
    wider = Trainer(replace(TINY, dim=32), tmp_path / "wider", "cpu", None)
    wider.folder.mkdir(parents=True)
    (wider.folder / "checkpoint.pt").write_bytes(whole)
    with pytest.raises(RuntimeError, match="size mismatch"):
        wider._restore()

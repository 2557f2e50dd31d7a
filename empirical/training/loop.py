"""The training loop: resumable, with every step's randomness a function of (seed, step) alone."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from empirical.data.lines import Lines, renderer_of
from empirical.data.noise import DROPOUT, Noise, step_key
from empirical.data.streams import Stream
from empirical.network.encodings.numbering import make_numbering
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.runs.store import (
    Run,
    claimed,
    finished,
    load_run,
    provenance,
    registrations,
    self_digest,
    sha256,
    to_json,
    write_atomically,
)
from empirical.study.evaluate import EVALUATION_SEED, draw_test, evaluate, watched
from empirical.training.compiled import fused
from empirical.training.faults import compiler_guard, interruptible, memory_guard, refuse_nan
from theory.errors import InputError

CHECKPOINT = "checkpoint.pt"
SAVE_EVERY_S = 20

Report = Callable[[dict[str, Any]], None]


def make_device(name: str) -> torch.device:
    """A device by its name.

    Raises:
        InputError: a GPU is asked for and there is none; never a silent run on the CPU.
    """
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {name}: no CUDA device is available, use --device cpu")
    return torch.device(name)


def build_model(spec: RunSpec) -> GPT:
    """The untrained network; its weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return GPT(spec, make_numbering(spec).positions or 0)


def learning_rate(spec: RunSpec, step: int) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < spec.warmup:
        return spec.lr * (step + 1) / spec.warmup
    progress = (step - spec.warmup) / max(1, spec.steps - spec.warmup)
    return spec.lr * (0.55 + 0.45 * math.cos(math.pi * progress))


def price_at(spec: RunSpec, step: Tensor) -> Tensor | None:
    """What attention off <bos> costs at a step: nothing in the first half of training, all in the last quarter.

    A price before the task is learned keeps attention on <bos>, and it never is.
    """
    return spec.price * (4 * step / spec.steps - 2).clamp(0, 1) if spec.price else None


def softness_at(spec: RunSpec, step: Tensor) -> Tensor | None:
    """The share of softmax in sparse attention at a step: it falls from 1 to 0 over the first `anneal` of training.

    Sparsemax has no gradient for a key whose score is well below the largest; one of many may never be found. What is measured meanwhile
    is the network as it would be stored, with sparsemax.
    """
    return (1 - step / max(1, spec.anneal * spec.steps)).clamp(0, 1) if spec.anneal else None


def off_bos(scores: list[Tensor], charge: str, asked: int) -> Tensor:
    """What is charged for attention off <bos> (CHARGES): the mean over lines and heads, summed over queries and layers.

    By softmax, whatever gives the weights: sparsemax has no gradient for a <bos> that is far behind, and heads would rest where they are.
    The share off <bos> hardly falls either, where it is nearly all, as among many tokens; the logarithm of that on it does. It is divided
    by the tokens that are asked, so that a query weighs against its own loss alike in all widths. Below the last layer all tokens query.
    """
    log = charge == "log"
    charged = (-score_BHQK.log_softmax(3)[..., 0] if log else 1 - score_BHQK.softmax(3)[..., 0] for score_BHQK in scores)
    total = torch.stack([charged_BHQ.sum(-1).mean() for charged_BHQ in charged]).sum()
    return total / asked if log else total


def loss_of(
    model: Callable[..., Any], lines: Lines, use_N: Tensor, noise: Noise | None = None, price: Tensor | None = None, charge: str = "share",
    soft: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Mean cross-entropy of the answer tokens of the lines in use; with a price, also what is charged for attention."""
    scores: list[Tensor] | None = None if price is None else []
    asked_Q = lines.asked_Q
    logits_NQV: Tensor = model(lines.token_NT[:, :-1], asked_Q - 1, at_BT=lines.at_NT, noise=noise, scores=scores, soft=soft)
    target_NQ, weight_NQ = lines.token_NT[:, asked_Q], lines.answer_NT[:, asked_Q] & use_N[:, None]
    loss_NQ = F.cross_entropy(logits_NQV.flatten(0, 1).float(), target_NQ.flatten(), reduction="none").view(target_NQ.shape)
    total: Tensor = (loss_NQ * weight_NQ).sum() / weight_NQ.sum().clamp(min=1)
    if price is None or scores is None:
        return total
    return total + price * off_bos(scores, charge, len(asked_Q))


@torch.no_grad()
def teacher_forced(model: Callable[..., Any], lines: Lines) -> Tensor:
    """Which lines are argmax-correct at every answer token; the same lines that greedy decoding gets right."""
    asked_Q = lines.asked_Q
    logits_NQV: Tensor = model(lines.token_NT[:, :-1], asked_Q - 1, at_BT=lines.at_NT)
    right_NQ = logits_NQV.argmax(2) == lines.token_NT[:, asked_Q]
    return (right_NQ | ~lines.answer_NT[:, asked_Q]).all(1)


@torch.no_grad()
def round_to_half(model: GPT) -> None:
    """Round the weights to half precision, in which they are stored: what is evaluated is what anyone can load."""
    for weight in model.parameters():
        weight.copy_(weight.half())


def decay_groups(named: dict[str, Tensor], rate: float, stacked: int = 0) -> list[dict[str, Any]]:
    """Weight decay on matrices alone, not on the tables that attention looks up; of stacked runs, tensors have so many dimensions more."""
    decayed = {name for name, p in named.items() if p.dim() == 2 + stacked and ".encoding." not in name}
    parts = ([p for name, p in named.items() if (name in decayed) is wanted] for wanted in (True, False))
    return [{"params": part, "weight_decay": decay} for part, decay in zip(parts, (rate, 0.0), strict=True)]


def id_lines(spec: RunSpec, device: torch.device) -> Lines:
    """Held-out lines of the longest trained length, on which a run is measured: nothing outside the training lengths is looked at."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed + EVALUATION_SEED - 1)
        pairs, _ = draw_test(spec, spec.training.longest, 256, device)
        return renderer_of(spec, device).lines(pairs)


def load_checkpoint(path: Path, code: str) -> dict[str, Any] | None:
    """The state that a checkpoint holds; None where there is none to go on from.

    A file that a full disk cut short is set aside; one that other code wrote is removed, as other code draws other batches, and a mixture
    would be neither run.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError):  # what torch.load raises wherever a file is cut
        os.replace(path, path.with_suffix(".broken"))
        return None
    if state.get("code") != code:
        path.unlink()
        return None
    return state


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


class Trainer:
    """One run in its folder: restores the newest checkpoint, trains on, and writes the result."""

    def __init__(self, spec: RunSpec, results: Path, device: str, group: str | None, compiled: bool = False) -> None:
        self.spec, self.group, self.results = spec, group, results
        self.compiled, self.loss = compiled, fused(loss_of) if compiled else loss_of
        self.provenance = provenance()  # of the code that trains, whatever is edited meanwhile
        self.folder = results / spec.digest
        self.device = make_device(device)
        self.model = build_model(spec).to(self.device)
        groups = decay_groups(dict(self.model.named_parameters()), spec.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=spec.lr, betas=(0.9, 0.99), fused=True)
        self.stream, self.id_lines = Stream(spec, self.device), id_lines(spec, self.device)
        if compiled and spec.make_layout().unpadded and self.stream.renderer.known is None:
            raise InputError("--compile: these unpadded lines have too many shapes, each with kernels of its own: leave --compile out")
        self.seed = torch.tensor(spec.seed, device=self.device)
        self.step, self.seconds, self.metrics = 0, 0.0, list[dict[str, Any]]()
        self._restore()

    def batch(self, count: int) -> tuple[Lines, Tensor, Noise]:
        """The lines of the step to come, which of them carry loss, and the noise for dropout."""
        step = torch.tensor(self.step, device=self.device)
        key = step_key(self.seed, step)
        lines, use_N = self.stream.lines(count, step, Noise(key))
        return lines, use_N, Noise(key, DROPOUT)

    def backward(self, count: int, compiled: bool = True) -> Tensor:
        """The loss of a batch, and its gradients; in compiled kernels only where the run is, and where they are made for this batch."""
        lines, use_N, noise = self.batch(count)
        now = torch.tensor(self.step, device=self.device)
        price, soft = price_at(self.spec, now), softness_at(self.spec, now)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss: Tensor = (self.loss if compiled else loss_of)(self.model, lines, use_N, noise, price, self.spec.charge, soft)
        self.optimiser.zero_grad()
        loss.backward()
        return loss.detach()

    def train_step(self) -> Tensor:
        """One optimiser step on fresh lines; held-out pairs carry no loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.spec, self.step)
        loss = self.backward(self.spec.batch)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.spec.clip)
        self.optimiser.step()
        self.step += 1
        return loss

    def measure(self, loss: Tensor) -> dict[str, Any]:
        """Loss, held-out ID accuracy and seconds so far, and the counts at the watched lengths."""
        accuracy = float(teacher_forced(self.model, self.id_lines).double().mean())
        row = {"step": self.step, "loss": round(float(loss), 5), "id_accuracy": round(accuracy, 4), "seconds": round(self.seconds, 1)}
        return row | watched(self.model, self.spec)

    def run(self, report: Report, until: float = math.inf) -> Run:
        """Train to the end, evaluate, store. `report` hears of each measurement; `until` is a time of the clock, time.time().

        Raises:
            TrainingError: the loss is no number, or memory ran out.
            KeyboardInterrupt: Ctrl-C, or the time is up; a checkpoint of the last whole step is saved.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "spec.json", to_json(self.spec.to_dict()))
        registered = registrations(self.results).get(self.spec.digest)
        spec, folder, smaller = self.spec, self.folder, partial(self.backward, compiled=False)
        with interruptible(until) as stopped, memory_guard(spec, folder, smaller), compiler_guard(spec, folder, stopped):
            self._train(report, stopped)
        return self._finish(registered)

    def _train(self, report: Report, stopped: Callable[[], bool]) -> None:
        every, started, saved = max(1, self.spec.steps // 25), time.monotonic() - self.seconds, time.monotonic()
        while self.step < self.spec.steps:
            loss = self.train_step()
            self.seconds = time.monotonic() - started
            if self.step % every == 0 or self.step == self.spec.steps:
                row = self.measure(loss)
                refuse_nan(self.spec, self.folder, row, self.provenance["code_sha256"])
                self.metrics.append(row)
                report(row)
            if stopped():
                self._save()
                raise KeyboardInterrupt(f"stopped at step {self.step} of {self.spec.steps}; the same command goes on from there")
            if time.monotonic() - saved > SAVE_EVERY_S and bool(loss.isfinite()):
                self._save()
                saved = time.monotonic()

    def _finish(self, registered: str | None) -> Run:
        done = store_run(self.model, self.spec, self.folder, self.metrics, {
            "group": self.group,
            "predictions": registered,
            "device": device_name(self.device),
            "wall_s": round(self.seconds, 1),
            **({"compiled": True} if self.compiled else {}),
            **self.provenance,
        })  # fmt: skip
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return done

    def _save(self) -> None:
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "code": self.provenance["code_sha256"]}
        done = {"step": self.step, "seconds": self.seconds, "metrics": self.metrics, "compiled": self.compiled}
        save_checkpoint(self.folder / CHECKPOINT, {**state, **done})

    def _restore(self) -> None:
        if (state := load_checkpoint(self.folder / CHECKPOINT, self.provenance["code_sha256"])) is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.metrics = state["step"], state["seconds"], state["metrics"]
        self.compiled |= state["compiled"]  # a run that was compiled in part says so


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "cpu"


def store_run(model: GPT, spec: RunSpec, folder: Path, metrics: list[dict[str, Any]], facts: dict[str, Any]) -> Run:
    """Evaluate a trained network and write its run; the result comes last and marks it as finished."""
    from safetensors.torch import save

    write_atomically(folder / "spec.json", to_json(spec.to_dict()))
    round_to_half(model)
    evaluation = evaluate(model, spec, spec.test_lengths, spec.examples, spec.seed + EVALUATION_SEED)
    weights, rows = folder / "weights.safetensors", folder / "metrics.jsonl"
    write_atomically(weights, save({name: value.half().contiguous().cpu() for name, value in model.state_dict().items()}))
    write_atomically(rows, "".join(json.dumps(row) + "\n" for row in metrics).encode())
    result: dict[str, Any] = {
        "digest": spec.digest,
        "spec": spec.to_dict(),
        "weights_sha256": sha256(weights),
        "metrics_sha256": sha256(rows),
        "evaluation": evaluation,
        "data_stream": "per seed",
        **facts,
    }
    write_atomically(folder / "result.json", to_json({**result, "sha256": self_digest(result)}))
    return load_run(folder)


def train(
    spec: RunSpec, results: Path, device: str = "cpu", group: str | None = None, report: Report = lambda row: None, until: float = math.inf,
    compiled: bool = False,
) -> Run:
    """The finished run of a spec: loaded when it is stored already, else trained (or resumed) and stored.

    Raises:
        TrainingError, KeyboardInterrupt: as Trainer.run.
    """
    folder = results / spec.digest
    if finished(folder):
        return load_run(folder)
    with claimed(folder):
        if finished(folder):  # by another process, since
            return load_run(folder)
        return Trainer(spec, results, device, group, compiled).run(report, until)

"""The training loop: resumable, with every step's randomness a function of (seed, step) alone."""

from __future__ import annotations

import io
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from empirical.data import Lines, PairSampler, Renderer, held_out
from empirical.evaluate import draw_test, evaluate
from empirical.model import GPT
from empirical.spec import RunSpec
from empirical.store import Run, claimed, finished, load_run, provenance, registrations, self_digest, sha256, to_json, write_atomically

CHECKPOINT = "checkpoint.pt"
SAVE_EVERY_S = 20
EVALUATION_SEED = 1_000_000  # test pairs differ from seed to seed, and from every training seed's draws


def build_model(spec: RunSpec) -> GPT:
    """The untrained network; its weights depend on the seed alone."""
    task, layout = spec.make_task(), spec.make_layout()
    lengths = (*spec.train_lengths, *spec.test_lengths)
    tokens = max(len(layout.slots(layout.widths(task, length))) for length in lengths)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return GPT(spec, tokens)


def learning_rate(spec: RunSpec, step: int) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < spec.warmup:
        return spec.lr * (step + 1) / spec.warmup
    progress = (step - spec.warmup) / max(1, spec.steps - spec.warmup)
    return spec.lr * (0.55 + 0.45 * math.cos(math.pi * progress))


def answer_positions(lines: Lines) -> tuple[Tensor, Tensor]:
    """Positions (Q,) that some line answers at, and per line and position whether it does."""
    step_Q = lines.answer_NT.any(0).nonzero()[:, 0]
    return step_Q, lines.answer_NT[:, step_Q]


def loss_of(model: GPT, lines: Lines, use_N: Tensor) -> Tensor:
    """Mean cross-entropy of the answer tokens of the lines in use."""
    step_Q, answer_NQ = answer_positions(lines)
    logits_NQV: Tensor = model(lines.token_NT[:, :-1], step_Q - 1)
    loss_NQ = F.cross_entropy(logits_NQV.flatten(0, 1).float(), lines.token_NT[:, step_Q].flatten(), reduction="none").view(answer_NQ.shape)
    weight_NQ = answer_NQ & use_N[:, None]
    total: Tensor = (loss_NQ * weight_NQ).sum()
    return total / weight_NQ.sum().clamp(min=1)


@torch.no_grad()
def teacher_forced(model: GPT, lines: Lines) -> Tensor:
    """Which lines are argmax-correct at every answer token; the same lines that greedy decoding gets right."""
    step_Q, answer_NQ = answer_positions(lines)
    right_NQ: Tensor = model(lines.token_NT[:, :-1], step_Q - 1).argmax(2) == lines.token_NT[:, step_Q]
    return (right_NQ | ~answer_NQ).all(1)


@torch.no_grad()
def round_to_half(model: GPT) -> None:
    """Round the weights to half precision, in which they are stored: what is evaluated is what anyone can load."""
    for weight in model.parameters():
        weight.copy_(weight.half())


class Trainer:
    """One run in its folder: restores the newest checkpoint, trains on, and writes the result."""

    def __init__(self, spec: RunSpec, results: Path, device: str, group: str | None) -> None:
        self.spec, self.group, self.results = spec, group, results
        self.provenance = provenance()  # of the code that trains, whatever is edited meanwhile
        self.folder = results / spec.digest
        self.device = torch.device(device)
        self.model = build_model(spec).to(self.device)
        self.optimiser = torch.optim.AdamW(self._groups(), lr=spec.lr, betas=(0.9, 0.99), fused=True)
        self.sampler = PairSampler(spec.train_domain, spec.train_lengths, spec.base, self.device)
        self.renderer = Renderer(spec.make_task(), spec.make_layout(), self.device)
        self.step, self.seconds, self.metrics = 0, 0.0, list[dict[str, Any]]()
        self._restore()

    def _groups(self) -> list[dict[str, Any]]:
        """Weight decay on matrices alone."""
        matrices = [p for name, p in self.model.named_parameters() if p.dim() == 2 and "distance" not in name]
        others = [p for name, p in self.model.named_parameters() if p.dim() != 2 or "distance" in name]
        return [{"params": matrices, "weight_decay": self.spec.weight_decay}, {"params": others, "weight_decay": 0.0}]

    def train_step(self) -> Tensor:
        """One optimiser step on fresh lines; held-out pairs carry no loss."""
        spec = self.spec
        torch.manual_seed((spec.seed * 2_654_435_761 + self.step + 1) % 2**32)  # torch on the CPU keeps 32 bits of a seed
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(spec, self.step)
        pairs = self.sampler.draw(spec.batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = loss_of(self.model, self.renderer.lines(pairs), ~held_out(pairs, spec.heldout))
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), spec.clip)
        self.optimiser.step()
        self.step += 1
        return loss.detach()

    def measure(self, loss: Tensor) -> dict[str, Any]:
        """Loss and held-out ID accuracy at the longest trained length; nothing outside the training lengths."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.spec.seed + EVALUATION_SEED - 1)
            pairs, _ = draw_test(self.spec, self.spec.training.longest, 256, self.device)
        self.model.eval()
        accuracy = float(teacher_forced(self.model, self.renderer.lines(pairs)).double().mean())
        self.model.train()
        return {"step": self.step, "loss": round(float(loss), 5), "id_accuracy": round(accuracy, 4), "seconds": round(self.seconds, 1)}

    def run(self, report: Callable[[dict[str, Any]], None]) -> Run:
        """Train to the end, evaluate, store. `report` hears of each measurement."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "spec.json", to_json(self.spec.to_dict()))
        registered = registrations(self.results).get(self.spec.digest)
        self.model.train()
        every, started, saved = max(1, self.spec.steps // 25), time.monotonic() - self.seconds, time.monotonic()
        while self.step < self.spec.steps:
            loss = self.train_step()
            if self.step % every == 0 or self.step == self.spec.steps:
                self.seconds = time.monotonic() - started
                self.metrics.append(self.measure(loss))
                report(self.metrics[-1])
                if time.monotonic() - saved > SAVE_EVERY_S:
                    self._save()
                    saved = time.monotonic()
        self.seconds = time.monotonic() - started
        return self._finish(registered)

    def _finish(self, registered: str | None) -> Run:
        from safetensors.torch import save

        spec = self.spec
        round_to_half(self.model)
        evaluation = evaluate(self.model, spec, spec.test_lengths, spec.examples, spec.seed + EVALUATION_SEED)
        weights, metrics = self.folder / "weights.safetensors", self.folder / "metrics.jsonl"
        write_atomically(weights, save({name: value.half().contiguous().cpu() for name, value in self.model.state_dict().items()}))
        write_atomically(metrics, "".join(json.dumps(row) + "\n" for row in self.metrics).encode())
        result: dict[str, Any] = {
            "digest": spec.digest,
            "spec": spec.to_dict(),
            "group": self.group,
            "predictions": registered,
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "wall_s": round(self.seconds, 1),
            "weights_sha256": sha256(weights),
            "metrics_sha256": sha256(metrics),
            "evaluation": evaluation,
            "data_stream": "per seed",
            **self.provenance,
        }
        write_atomically(self.folder / "result.json", to_json({**result, "sha256": self_digest(result)}))
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        return load_run(self.folder)

    def _save(self) -> None:
        buffer = io.BytesIO()
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "code": self.provenance["code_sha256"]}
        torch.save({**state, "step": self.step, "seconds": self.seconds, "metrics": self.metrics}, buffer)
        write_atomically(self.folder / CHECKPOINT, buffer.getvalue())

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception:  # a checkpoint that a full disk cut short: start over rather than stop
            os.replace(path, path.with_suffix(".broken"))
            return
        if state.get("code") != self.provenance["code_sha256"]:  # other code draws other batches: a mixture would be neither run
            path.unlink()
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.metrics = state["step"], state["seconds"], state["metrics"]


def train(
    spec: RunSpec, results: Path, device: str = "cpu", group: str | None = None, report: Callable[[dict[str, Any]], None] = lambda row: None
) -> Run:
    """The finished run of a spec: loaded when it is stored already, else trained (or resumed) and stored."""
    folder = results / spec.digest
    if finished(folder):
        return load_run(folder)
    with claimed(folder):
        if finished(folder):  # by another process, since
            return load_run(folder)
        return Trainer(spec, results, device, group).run(report)

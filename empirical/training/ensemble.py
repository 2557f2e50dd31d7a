"""Many runs of one shape, trained as one model with stacked weights.

The runs may differ in their seeds, tasks and data: each member has its own lines, gradients, clipping and optimiser state, and its weights
end equal to those of a run of its own, up to rounding. On a GPU the whole step, lines included, is captured as one CUDA graph, in bf16.

Shapes: M members, N lines of each, T tokens; weights have M in front.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from empirical.data.lines import Lines
from empirical.data.noise import DROPOUT, Noise, step_key
from empirical.data.streams import Stream
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec, canonical_json
from empirical.runs.store import Run, claimed, finished, load_run, provenance, registrations
from empirical.study.evaluate import watched
from empirical.training.faults import TrainingError, interruptible, memory_guard, refuse_nan
from empirical.training.loop import (
    CHECKPOINT,
    SAVE_EVERY_S,
    Report,
    build_model,
    decay_groups,
    device_name,
    id_lines,
    learning_rate,
    load_checkpoint,
    loss_of,
    make_device,
    price_at,
    save_checkpoint,
    softness_at,
    store_run,
    teacher_forced,
)
from theory.errors import InputError

Weights = dict[str, Tensor]

SIZE = 64  # members of an ensemble

#: what members of an ensemble may differ in
OWN = (
    "task", "expr", "modulus", "machine", "train_lengths", "test_lengths", "train_domain", "test_domain", "heldout", "examples", "seed",
    "sampling", "curriculum", "train_pairs", "watched_lengths",
)  # fmt: skip
TESTED = ("test_lengths", "test_domain", "examples", "watched_lengths")  # of these, what training does not see
SAVE_SHARE = 20  # between two checkpoints at least so many times what one takes: those of large ensembles hold gigabytes
EAGER_STEPS = 3  # before a step is captured, so that everything it needs is allocated


def shape_of(spec: RunSpec) -> tuple[Any, ...]:
    """What members must have in common: settings, weights and lines of one shape. Equal shapes train together."""
    settings = canonical_json({key: value for key, value in asdict(spec).items() if key not in OWN})
    stream = Stream(spec, torch.device("cpu"))
    lines, _ = stream.lines(1, torch.tensor(0), Noise(step_key(torch.tensor(spec.seed), torch.tensor(0))))
    weights = tuple((name, tuple(weight.shape)) for name, weight in build_model(spec).named_parameters())
    return settings, weights, lines.token_NT.shape[1], tuple(lines.asked_Q.tolist())


def data_of(spec: RunSpec) -> str:
    """What members must have in common to draw their lines at one go; sets of pairs are each seed's own."""
    left_out = TESTED if spec.train_pairs else (*TESTED, "seed")
    return canonical_json({key: value for key, value in asdict(spec).items() if key not in left_out})


class Ensemble:
    """Stacked weights, and one optimiser step for all of them. Members are ordered so that those with equal data stand together.

    Raises:
        InputError: no members, or members of different shapes.
    """

    def __init__(self, specs: Sequence[RunSpec], device: torch.device) -> None:
        if len({shape_of(spec) for spec in specs}) != 1:
            raise InputError(f"an ensemble of {len(specs)} runs: give at least one, all with equal settings, weights and lines")
        self.specs, self.device = sorted(specs, key=lambda spec: (data_of(spec), spec.seed)), device
        models = [build_model(spec).to(device) for spec in self.specs]
        self.model = models[0]
        weights, _ = stack_module_state(models)
        self.weights: Weights = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        self.lr = torch.tensor(0.0, device=device)
        cuda = device.type == "cuda"
        groups = decay_groups(self.weights, self.common.weight_decay, stacked=1)
        self.optimiser = torch.optim.AdamW(groups, lr=self.lr if cuda else 0.0, betas=(0.9, 0.99), fused=True, capturable=cuda)
        self.streams = [(Stream(same[0], device), len(same)) for same in (list(part) for _, part in groupby(self.specs, data_of))]
        self.seed_M = torch.tensor([spec.seed for spec in self.specs], device=device)
        self.now = torch.tensor(0, device=device)
        self.step = self.eager = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.capturable = cuda
        self.loss_M = torch.zeros(len(self.specs), device=device)

    @property
    def common(self) -> RunSpec:
        """A member, for the settings that all share."""
        return self.specs[0]

    def lines(self, count: int) -> tuple[Lines, Tensor, Tensor]:
        """Lines (M, N, T) of the step `now`, which of them carry loss, and the members' keys (M,)."""
        key_M = step_key(self.seed_M, self.now)
        drawn, first = [], 0
        for stream, members in self.streams:
            drawn.append(stream.lines(members * count, self.now, Noise(key_M[first : first + members])))
            first += members

        def joined(parts: list[Tensor]) -> Tensor:
            return torch.cat(parts).view(len(self.specs), count, *parts[0].shape[1:])

        lines = [part for part, _ in drawn]
        places = [part.at_NT for part in lines if part.at_NT is not None]
        token_MNT, answer_MNT = (joined([getattr(part, name) for part in lines]) for name in ("token_NT", "answer_NT"))
        at_MNT = joined(places) if places else None
        return Lines(token_MNT, answer_MNT, at_MNT, lines[0].asked_Q), joined([use_N for _, use_N in drawn]), key_M

    def backward(self, count: int) -> Tensor:
        """Losses (M,) of `count` lines of each member, and their gradients."""
        lines, use_MN, key_M = self.lines(count)
        price, soft = price_at(self.common, self.now), softness_at(self.common, self.now)

        def loss(weights: Weights, token_NT: Tensor, answer_NT: Tensor, at_NT: Tensor | None, use_N: Tensor, key: Tensor) -> Tensor:
            def model(*args: Any, **more: Any) -> Any:
                return functional_call(self.model, weights, args, more)

            once = Lines(token_NT, answer_NT, at_NT, lines.known_Q)
            return loss_of(model, once, use_N, Noise(key, DROPOUT), price, self.common.charge, soft)

        over = (0, 0, 0, None if lines.at_NT is None else 0, 0, 0)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda", cache_enabled=False):
            loss_M: Tensor = torch.vmap(loss, over)(self.weights, lines.token_NT, lines.answer_NT, lines.at_NT, use_MN, key_M)
        self.optimiser.zero_grad()
        loss_M.sum().backward()  # gradients as the weights lie in memory, on which the fused optimiser relies
        return loss_M.detach()

    def train_step(self) -> None:
        """One optimiser step of every member. On a GPU nothing here waits for it."""
        rate = learning_rate(self.common, self.step)
        self.now.fill_(self.step)
        self.lr.fill_(rate)
        if not self.capturable:
            for group in self.optimiser.param_groups:
                group["lr"] = self.lr if self.device.type == "cuda" else rate
        if self.graph is not None:
            self.graph.replay()
        elif self.capturable and self.eager >= EAGER_STEPS and self._capture():
            self.train_step()
            return
        else:
            self.loss_M = self._update()
            self.eager += 1
        self.step += 1

    def _update(self) -> Tensor:
        loss_M = self.backward(self.common.batch)
        self._clip()
        self.optimiser.step()
        return loss_M

    def _clip(self) -> None:
        """Each member's gradient is cut to its own norm."""
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        norm_M = torch.stack([gradient.reshape(len(self.specs), -1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        factor_M = (self.common.clip / (norm_M + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(factor_M.view(-1, *[1] * (gradient.dim() - 1)))

    def _capture(self) -> bool:
        """Record the step as a CUDA graph; False, and never again, where it holds something that cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        try:
            with torch.cuda.graph(graph):
                self.loss_M = self._update()
        except RuntimeError:  # lines that only the host can compute, such as results beyond int64 of tasks without a machine
            self.capturable = False
            return False
        self.graph = graph
        return True

    def accuracy(self, index: int, lines: Lines) -> float:
        """The share of lines that a member answers right."""
        weights = {name: weight[index] for name, weight in self.weights.items()}
        right_N = teacher_forced(lambda *args, **more: functional_call(self.model, weights, args, more), lines)
        return float(right_N.double().mean())

    def member(self, index: int) -> GPT:
        """The network of one member."""
        model = build_model(self.specs[index]).to(self.device)
        model.load_state_dict({name: weight[index].detach() for name, weight in self.weights.items()})
        return model

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights, "optimiser": self.optimiser.state_dict(), "step": self.step}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, weight in self.weights.items():
            weight.copy_(state["weights"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.device.type == "cuda":
            for group in self.optimiser.param_groups:
                group["lr"] = self.lr  # the tensor that every step fills, not the loaded copy
        self.step = state["step"]


class EnsembleTrainer:
    """An ensemble with its folder: restores the newest checkpoint, trains on, and writes each member as a run of its own."""

    def __init__(self, runs: Sequence[tuple[RunSpec, str | None]], results: Path, device: str) -> None:
        self.results, self.provenance, self.device = results, provenance(), make_device(device)
        self.folder = results / f"ensemble-{hashlib.sha256(' '.join(sorted(spec.digest for spec, _ in runs)).encode()).hexdigest()[:16]}"
        state = load_checkpoint(self.folder / CHECKPOINT, self.provenance["code_sha256"])
        members = [spec.digest for spec, _ in runs if not finished(results / spec.digest)] if state is None else list(state["metrics"])
        self.groups = {spec.digest: group for spec, group in runs if spec.digest in members}
        self.metrics: dict[str, list[dict[str, Any]]] = {digest: [] for digest in self.groups}
        self.failed: list[str] = []
        self.seconds = 0.0
        self.ensemble = Ensemble([spec for spec, _ in runs if spec.digest in members], self.device)
        self.id_lines = [id_lines(spec, self.device) for spec in self.ensemble.specs]
        if state is not None:
            self.ensemble.restore(state)
            self.seconds, self.metrics, self.failed = state["seconds"], state["metrics"], state["failed"]

    def run(self, report: Report, until: float = math.inf) -> list[Run]:
        """Train to the end, evaluate and store every member; one whose loss is no number is recorded as failed, the others go on.

        Raises:
            TrainingError: some member failed (the others are stored), or memory ran out.
            KeyboardInterrupt: Ctrl-C, or the time `until` has come; a checkpoint of the last whole step is saved.
            Busy: another process trains one of the runs.
        """
        with ExitStack() as stack:
            for digest in self.groups:
                stack.enter_context(claimed(self.results / digest))
            return self._run(report, until)

    def _run(self, report: Report, until: float) -> list[Run]:
        registered = registrations(self.results)
        with interruptible(until) as stopped, memory_guard(self.ensemble.common, self.folder, self.ensemble.backward):
            self._train(report, stopped)
        self._save()  # members are written one after the other
        done = []
        for index, spec in enumerate(self.ensemble.specs):
            folder = self.results / spec.digest
            if spec.digest in self.failed:
                continue
            if not finished(folder):
                store_run(self.ensemble.member(index), spec, folder, self.metrics[spec.digest], self._facts(spec, registered))
            done.append(load_run(folder))
        (self.folder / CHECKPOINT).unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()
        if self.failed:
            raise TrainingError(f"{len(self.failed)} of {len(self.groups)} runs failed, as their folders record: {', '.join(self.failed)}")
        return done

    def _train(self, report: Report, stopped: Callable[[], bool]) -> None:
        ensemble, steps = self.ensemble, self.ensemble.common.steps
        every, started, saved, cost = max(1, steps // 25), time.monotonic() - self.seconds, time.monotonic(), 0.0
        while ensemble.step < steps:
            ensemble.train_step()
            if ensemble.step % every == 0 or ensemble.step == steps:
                self._measure(report, started)
            self.seconds = time.monotonic() - started
            if stopped():
                self._save()
                raise KeyboardInterrupt(f"stopped at step {ensemble.step} of {steps}; the same command goes on from there")
            if time.monotonic() - saved > max(SAVE_EVERY_S, SAVE_SHARE * cost):
                begun = time.monotonic()
                self._save()
                saved = time.monotonic()
                cost = saved - begun

    def _measure(self, report: Report, started: float) -> None:
        rows, losses = [], self.ensemble.loss_M.tolist()
        self.seconds = time.monotonic() - started
        for index, spec in enumerate(self.ensemble.specs):
            if spec.digest in self.failed:
                continue
            row = {"step": self.ensemble.step, "loss": round(losses[index], 5), "seconds": round(self.seconds, 1)}
            try:
                refuse_nan(spec, self.results / spec.digest, {**row, "ensemble": self.folder.name}, self.provenance["code_sha256"])
            except TrainingError:
                self.failed.append(spec.digest)
                continue
            counts = watched(self.ensemble.member(index), spec) if spec.watched_lengths else {}
            rows.append({**row, "id_accuracy": round(self.ensemble.accuracy(index, self.id_lines[index]), 4), **counts})
            self.metrics[spec.digest].append(rows[-1])
        if rows:
            means = {name: sum(row[name] for row in rows) / len(rows) for name in ("loss", "id_accuracy")}
            report({"step": self.ensemble.step, "seconds": self.seconds, **means})

    def _facts(self, spec: RunSpec, registered: dict[str, str]) -> dict[str, Any]:
        members = len(self.groups)
        return {
            "group": self.groups[spec.digest],
            "predictions": registered.get(spec.digest),
            "device": device_name(self.device),
            "wall_s": round(self.seconds / members, 1),
            "ensemble": {"members": members, "wall_s": round(self.seconds, 1), "cuda_graph": self.ensemble.graph is not None},
            **self.provenance,
        }

    def _save(self) -> None:
        state = {"code": self.provenance["code_sha256"], "seconds": self.seconds, "metrics": self.metrics, "failed": self.failed}
        save_checkpoint(self.folder / CHECKPOINT, {**state, **self.ensemble.state()})


def train_together(
    runs: Sequence[tuple[RunSpec, str | None]], results: Path, device: str = "cpu", report: Report = lambda row: None,
    size: int = SIZE, until: float = math.inf,
) -> list[Run]:  # fmt: skip
    """The finished runs of specs with their groups; those of one shape are trained together, at most `size` at a time.

    Finished runs are loaded; an ensemble that was interrupted goes on where it stopped.

    Raises:
        TrainingError: runs failed; what could be trained is stored.
        KeyboardInterrupt: Ctrl-C, or the time `until` has come; the same call goes on.
    """
    alike: dict[tuple[Any, ...], list[tuple[RunSpec, str | None]]] = {}
    for spec, group in runs:
        alike.setdefault(shape_of(spec), []).append((spec, group))
    failures = []
    for same in alike.values():
        for part in (same[first : first + size] for first in range(0, len(same), size)):
            if all(finished(results / spec.digest) for spec, _ in part):
                continue
            if time.time() >= until:
                raise KeyboardInterrupt("the time is up; the same command goes on from here")
            try:
                EnsembleTrainer(part, results, device).run(report, until)
            except TrainingError as error:
                failures.append(str(error))
    if failures:
        raise TrainingError("; ".join(failures))
    return [load_run(results / spec.digest) for spec, _ in runs]

"""What training and evaluation cost, beside a plain loop: python -m benchmarks.training [--seconds S] [--members M] [--write].

Ratios of the two in one run, taken turn by turn, as machines differ and are busy; absolute speeds are printed beside them. Counted are

- training on the CPU, per process: processes of their own, one thread each, processor seconds;
- training on the CPU, the machine: one fast process a core, one thread each, against one plain process with a thread a core; wall seconds;
- both with --compile, too, where there is a compiler: once the kernels are made, which takes 30 to 60 s, or 3 s where they are on disk;
- evaluation: exact matches with the truth and with the truncated function, teacher-forced (study.scoring), against decoding token by
  token without a cache; and greedy decoding with a cache, which is run where outputs are wanted;
- on a GPU: the members' steps of an ensemble of micro models against the steps of one plain loop.

The share of the peak is the matrix products of a step by the seconds of a step, beside the speed of one large matrix product.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain import PlainGPT, plain_greedy, plain_loss
from empirical.data.lines import Lines, PairSampler, renderer_of
from empirical.process import settle
from empirical.runs.spec import PRESETS, RunSpec
from empirical.study.evaluate import greedy
from empirical.study.scoring import exact_matches
from empirical.training.compiled import compiler
from empirical.training.ensemble import Ensemble
from empirical.training.loop import Trainer, learning_rate

HERE = Path(__file__).resolve().parent
PROCESS, MACHINE, COMPILED = "training, a process", "training, the machine", ", compiled"
BARS = {PROCESS: 1.5, PROCESS + COMPILED: 1.5, MACHINE: 2.5, MACHINE + COMPILED: 2.5, "evaluation": 20.0, "ensemble on a GPU": 10.0}
ROUNDS, TURNS = 5, 15  # of what is timed in one process, and of processes


def spec_of(preset: str, width: int = 6, batch: int = 64) -> RunSpec:
    """The papers' addition, of a size that trains on a CPU: lengths 1-3 in the padded layout."""
    layers, heads, dim = PRESETS[preset]
    return RunSpec(
        task="add", train_lengths=(1, 2, 3), test_lengths=(width,), encoding="absolute", layout="padded", width=width,
        layers=layers, heads=heads, dim=dim, batch=batch, steps=1000,
    )  # fmt: skip


class PlainTrainer:
    """The plain loop, on the lines that the run itself draws."""

    def __init__(self, spec: RunSpec, device: str = "cpu") -> None:
        self.inner = Trainer(spec, Path("/nonexistent"), device, None)
        self.model = PlainGPT(spec, len(self.inner.model.positions if self.inner.model.positions is not None else ())).to(device)
        self.model.load_state_dict(self.inner.model.state_dict())
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=spec.lr, betas=(0.9, 0.99), weight_decay=spec.weight_decay)

    def train_step(self) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.inner.spec, self.inner.step)
        lines, use_N, _ = self.inner.batch(self.inner.spec.batch)
        loss = plain_loss(self.model, lines, use_N)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.inner.spec.clip)
        self.optimiser.step()
        self.inner.step += 1
        return loss.detach()


@dataclass(frozen=True)
class Row:
    """One comparison: how often a second each way does its thing, the median of the ratios, and the share of the peak where it is known."""

    name: str
    case: str
    unit: str
    plain: float
    fast: float
    ratio: float
    tokens: float
    share: float | None = None


def rate(action: Callable[[], object], seconds: float, clock: Callable[[], float] = time.process_time) -> float:
    """How often a second the action runs, by the given clock; a GPU is waited for at the end."""
    done, start = 0, clock()
    while clock() - start < seconds or not done:
        action()
        done += 1
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return done / (clock() - start)


def compare(
    name: str, case: str, unit: str, plain: Callable[[], object], fast: Callable[[], object], seconds: float, tokens: int
) -> Row:
    """Both in turns. `tokens` are those of one fast action."""
    for action in (plain, fast):
        action()
    rates = [(rate(plain, seconds), rate(fast, seconds)) for _ in range(ROUNDS)]
    first, second = (median(part) for part in zip(*rates, strict=True))
    return Row(name, case, unit, first, second, median(b / a for a, b in rates), tokens * second)


def peak(device: str = "cpu", size: int = 1024, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of one large matrix product, the best of a few."""
    a = torch.randn(size, size, dtype=dtype, device=device)
    return max(rate(lambda: a @ a, 0.05) for _ in range(5)) * 2 * size**3


def flops_of(action: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        action()
    return float(counter.get_total_flops())


def ways() -> tuple[str, ...]:
    """How training is done here: as it is and, where there is a compiler, in compiled kernels."""
    _, there = compiler()
    return ("fast", "compiled") if there else ("fast",)


def training(spec: RunSpec, case: str, seconds: float) -> list[Row]:
    """One process against one process, a thread each; all ways in turns."""
    turns = _turns(spec, [(way, 1, 1) for way in ("plain", *ways())], seconds / 2, "processor")
    flops, top = flops_of(Trainer(spec, Path("/nonexistent"), "cpu", None).train_step), peak()
    return [replace(row, share=flops * row.fast / top) for row in _rows(PROCESS, spec, case, turns)]


def _rows(name: str, spec: RunSpec, case: str, turns: list[list[float]]) -> list[Row]:
    """Turns of the plain way and of each of ours, in steps a second."""
    tokens = Trainer(spec, Path("/nonexistent"), "cpu", None).batch(spec.batch)[0].token_NT.numel()
    plain, *ours = zip(*turns, strict=True)
    ratios = [median(b / a for a, b in zip(plain, each, strict=True)) for each in ours]
    names = [name + (COMPILED if way == "compiled" else "") for way in ways()]
    return [
        Row(name, case, "steps", median(plain), median(each), ratio, tokens * median(each))
        for name, each, ratio in zip(names, ours, ratios, strict=True)
    ]


def evaluation(spec: RunSpec, case: str, seconds: float, cached: bool, count: int = 128) -> Row:
    """Pairs whose answers are held against the truth and against the truncated function, or are wanted themselves.

    The network is untrained, so what it writes is neither: one that truncates needs a second pass over the answer, a third more.
    """
    trainer = PlainTrainer(spec)
    plain, fast = trainer.model.eval(), trainer.inner.model  # the plain one has torch's dropout, which heeds the mode
    torch.manual_seed(0)
    pairs = PairSampler("either", (spec.width,), spec.base, torch.device("cpu")).draw(count)
    renderer, cut = renderer_of(spec, torch.device("cpu")), spec.make_task().truncated(spec.training.longest)

    def exact(out_NT: Tensor, lines: Lines) -> int:
        return int(((out_NT == lines.token_NT) | ~lines.answer_NT).all(1).sum())

    def slow() -> tuple[int, int]:
        truth, learned = renderer.lines(pairs), renderer.lines(pairs, cut)
        out_NT = plain_greedy(plain, truth)
        return exact(out_NT, truth), exact(out_NT, learned)

    def quick() -> tuple[int, int]:
        truth, learned = renderer.lines(pairs), renderer.lines(pairs, cut)
        if cached:
            out_NT = greedy(fast, truth)
            return exact(out_NT, truth), exact(out_NT, learned)
        first, second = exact_matches(fast, (truth, learned))
        return int(first.sum()), int(second.sum())

    if slow() != quick():
        raise RuntimeError(f"the ways disagree: {slow()} and {quick()} of {count}")
    name = "decoding with a cache" if cached else "evaluation"
    row = compare(name, case, "pairs", slow, quick, seconds, renderer.lines(pairs).token_NT.numel())
    return replace(row, plain=row.plain * count, fast=row.fast * count)


def machine(spec: RunSpec, case: str, seconds: float, cores: int) -> list[Row]:
    """One fast process a core against one plain process on all cores, in wall seconds, turn by turn."""
    turns = _turns(spec, [("plain", 1, cores), *((way, cores, 1) for way in ways())], seconds, "wall")
    return _rows(MACHINE, spec, case, turns)


def _turns(spec: RunSpec, teams: Sequence[tuple[str, int, int]], seconds: float, clock: str) -> list[list[float]]:
    """Steps a second of each team in turns: a way of training, processes side by side, threads each. All live on between turns."""
    running = [[_start(spec, way, seconds, clock, threads) for _ in range(count)] for way, count, threads in teams]
    try:
        for child in (child for team in running for child in team):
            _heard(child)  # ready, and its kernels made
        return [[_asked(team) for team in running] for _ in range(TURNS)]
    finally:
        for child in (child for team in running for child in team):
            child.communicate()


def _start(spec: RunSpec, way: str, seconds: float, clock: str, threads: int) -> subprocess.Popen[str]:
    job = json.dumps({"spec": spec.to_dict(), "way": way, "seconds": seconds, "clock": clock, "threads": threads})
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, "-m", "benchmarks.training", "--job", job]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def _asked(team: Sequence[subprocess.Popen[str]]) -> float:
    """Steps a second of processes that begin together."""
    for child in team:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return sum(float(_heard(child)) for child in team)


def _heard(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def work(job: dict[str, Any]) -> None:
    """One process: a plain one takes torch as it is, a fast one is set up as a worker of a sweep."""
    from empirical.runs.spec import spec_from_dict

    plain, spec = job["way"] == "plain", spec_from_dict(job["spec"])
    torch.set_num_threads(job["threads"])
    if not plain:
        settle()
    trainer = PlainTrainer(spec) if plain else Trainer(spec, Path("/nonexistent"), "cpu", None, job["way"] == "compiled")
    for _ in range(5):
        trainer.train_step()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(rate(trainer.train_step, job["seconds"], time.perf_counter if job["clock"] == "wall" else time.process_time), flush=True)


def ensemble(spec: RunSpec, case: str, seconds: float, members: int, device: str) -> Row:
    """Steps of all members of an ensemble against those of one plain loop."""
    cuda = device == "cuda"
    plain = PlainTrainer(spec, device)
    together = Ensemble([replace(spec, seed=seed) for seed in range(members)], torch.device(device))
    for _ in range(6 if cuda else 1):
        together.train_step()
    flops = flops_of(lambda: together.backward(spec.batch))
    tokens = together.lines(spec.batch)[0].token_NT.numel()

    def ten() -> None:
        for _ in range(10 if cuda else 1):
            together.train_step()

    row = compare("ensemble on a GPU" if cuda else "ensemble on the CPU", case, "steps of a member", plain.train_step, ten, seconds, tokens)
    each = 10 if cuda else 1
    steps, ratio = row.fast * each, row.ratio * each * members
    top = peak(device, 8192, torch.bfloat16) if cuda else peak()
    return replace(row, fast=steps * members, ratio=ratio, tokens=tokens * steps, share=flops * steps / top)


def table(rows: list[Row], versions: dict[str, str]) -> str:
    lines = [
        "# What training and evaluation cost, beside a plain loop",
        "",
        "Written by `python -m benchmarks.training --write`, which also says what each row compares; all figures are in `training.json`.",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
        "",
        "| what | case | a second | plain | here | ratio | bar | tokens a second | share of peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        bar = "" if row.name not in BARS else f"{BARS[row.name]:g}" + ("" if row.ratio >= BARS[row.name] else ", missed")
        share = "" if row.share is None else f"{row.share:.0%}"
        speeds = f"{row.plain:.3g} | {row.fast:.3g} | {row.ratio:.2f}"
        lines.append(f"| {row.name} | {row.case} | {row.unit} | {speeds} | {bar} | {row.tokens:.3g} | {share} |")
    return "\n".join(lines) + "\n"


def measure(seconds: float, members: int) -> list[Row]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(1)
    rows = []
    for preset, width in (("small", 6), ("nano", 6), ("micro", 20)):
        spec, case = spec_of(preset, width), f"{preset}, width {width}"
        rows += training(spec, case, seconds)
        rows += [evaluation(spec, case, seconds, False), evaluation(spec, case, seconds, True)]
    rows += machine(spec_of("small"), f"small, width 6, {cores} cores", seconds, cores)
    rows.append(ensemble(spec_of("nano"), f"nano, width 6, {members} members", seconds, members, "cpu"))
    if torch.cuda.is_available():
        rows.append(ensemble(spec_of("micro", 20), "micro, width 20, 64 members", seconds, 64, "cuda"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--members", type=int, default=8, help="of the ensemble on the CPU")
    parser.add_argument("--write", action="store_true", help="write training.md and training.json here")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        work(given.job)
        return
    rows, versions = measure(given.seconds, given.members), {"python": platform.python_version(), "torch": torch.__version__}
    print(table(rows, versions))
    if given.write:
        (HERE / "training.md").write_text(table(rows, versions))
        (HERE / "training.json").write_text(json.dumps({"versions": versions, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()

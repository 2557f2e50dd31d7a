"""Commands of `arith-train` for many runs: register, sweep, export, import."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from empirical.commands.options import Compiled, Device, Groups, Json, Results, RunNames, find_runs, interruptible, usable_device
from theory.errors import InputError
from theory.words import counted

if TYPE_CHECKING:
    from empirical.training.sweep import Job, Swept
    from empirical.training.worker import Terms

PlanFile = Annotated[Path, typer.Argument(help="TOML plan: one table per group, with a list of seeds")]
EXECUTORS = "embedded (a process per run), ray (local, or at RAY_ADDRESS), or ensemble (runs of one shape as one model: for a GPU)"
LEFT = 75  # exit code: stopped in time, try again
Archive = Annotated[Path, typer.Argument(help="archive of runs, .tar.gz")]


def register(plan: PlanFile, results: Results = Path("results")) -> None:
    """Write the predictions for every group of a plan to the run store, before anything is trained."""
    from empirical.runs.plan import read_plan, register_plan

    groups = read_plan(plan)
    print(f"{len(groups)} predictions registered in {register_plan(groups, plan, results)}: commit it before the runs")


def sweep(
    plan: Annotated[list[str] | None, typer.Argument(help="TOML plan, or axes of a grid")] = None,
    grid: Annotated[list[str] | None, typer.Option(help="axes of a grid: task=add,mul pe=absolute,relative seed=0-4")] = None,
    group: Annotated[str | None, typer.Option(help="put before the names of a grid's groups")] = None,
    results: Results = Path("results"),
    jobs: Annotated[int | None, typer.Option(min=1, max=1024, help="runs at a time; default: cores, GPUs, or 64 of an ensemble")] = None,
    device: Device = "auto",
    share: Annotated[float, typer.Option(help="part of a GPU that one run takes")] = 1.0,
    executor: Annotated[str, typer.Option(help=EXECUTORS)] = "embedded",
    retries: Annotated[int, typer.Option(min=0, max=10, help="further attempts at a run that crashes")] = 1,
    compiled: Compiled = False,
    seconds: Annotated[float | None, typer.Option(min=1, help="stop after so long, with checkpoints; exit code 75: runs are left")] = None,
    as_json: Json = False,
) -> int:
    """Train every run of a plan or a grid; finished runs are passed over, so an interrupted sweep goes on where it stopped."""
    until = math.inf if seconds is None else time.time() + seconds
    from empirical.runs.grid import read_grid
    from empirical.runs.plan import read_plan
    from empirical.training.sweep import jobs_of
    from empirical.training.worker import Terms

    axes = [word for word in plan or () if "=" in word]
    files = [word for word in plan or () if "=" not in word]
    if len(files) + bool(grid or axes) != 1:
        raise InputError("give one plan file or one grid, like --grid task=add,mul pe=absolute,relative seed=0-4")
    if group and files:
        raise InputError("--group goes with --grid: the groups of a plan have names of their own")
    groups = read_plan(Path(files[0])) if files else read_grid(" ".join([*(grid or ()), *axes]), group)
    planned = jobs_of(groups)
    if executor == "ensemble":
        if compiled:
            raise InputError("--compile goes with runs in processes of their own, not with --executor ensemble")
        return _together(planned, results, device, jobs, until, as_json)
    with interruptible():
        swept = _swept(planned, Terms(results, device, until, compiled), executor, jobs, share, retries, as_json)
    if as_json:
        ended = {"trained": list(swept.trained), "stored": list(swept.stored), "failed": swept.failed, "left": list(swept.left)}
        print(json.dumps(ended, indent=1))
    elif swept.trained or swept.failed or swept.left:
        left = f", {len(swept.left)} left: the same command goes on" if swept.left else ""
        print(f"{len(swept.trained)} trained, {len(swept.stored)} stored before, {len(swept.failed)} failed{left}")
    if swept.failed:
        raise InputError(f"{counted(len(swept.failed), 'run')} failed, see above: run the sweep again to retry")
    return LEFT if swept.left else 0


def _together(planned: Any, results: Path, device: str, size: int | None, until: float, as_json: bool) -> int:
    """Runs of one shape trained as one model each."""
    from empirical.training.ensemble import SIZE, train_together
    from empirical.training.progress import bar
    from empirical.training.sweep import unfinished

    where, runs = usable_device(device), [(job.spec, job.group) for job in planned]
    with interruptible(), bar(max(job.spec.steps for job in planned), counted(len(planned), "run")) as report:
        try:
            train_together(runs, results, where, report, size or SIZE, until)
        except KeyboardInterrupt:
            if time.time() < until:
                raise
    left = [job.spec.digest for job in unfinished(planned, results)]
    stored = [job.spec.digest for job in planned if job.spec.digest not in left]
    if as_json:
        print(json.dumps({"stored": stored, "left": left}, indent=1))
    else:
        print(f"{counted(len(stored), 'run')} stored in {results}{f', {len(left)} left: the same command goes on' if left else ''}")
    return LEFT if left else 0


def _swept(
    planned: list[Job], asked: Terms, executor: str, slots: int | None, share: float, retries: int, quiet: bool
) -> Swept:
    from empirical.training.board import Board
    from empirical.training.compiled import check_compiler
    from empirical.training.ray_tasks import RayTasks
    from empirical.training.sweep import Executor, Processes, sweep, unfinished

    if executor not in ("embedded", "ray"):
        raise InputError(f"unknown executor {executor!r}: choose embedded, ray or ensemble")
    if not 0 < share <= 1:
        raise InputError(f"--share {share}: must lie above 0, and at 1 at most")
    waiting, elsewhere = unfinished(planned, asked.results), executor == "ray" and asked.device == "cuda"
    terms = asked if elsewhere else replace(asked, device=usable_device(asked.device))  # a cluster may have what this machine lacks
    if terms.compiled and waiting:
        check_compiler(terms.device)
    with Board(waiting) as board:
        make = Processes if executor == "embedded" else RayTasks
        chosen: Executor = make(terms, slots, share)
        if not quiet:
            limit = f", {min(chosen.slots, len(waiting))} at a time" if waiting else ""
            print(f"{counted(len(planned), 'run')} planned, {len(waiting)} to train{limit}", flush=True)
        return sweep(planned, terms.results, chosen, board, retries, terms.until)


def export(
    archive: Archive, runs: RunNames = None, group: Groups = None, results: Results = Path("results"), as_json: Json = False
) -> None:
    """Write finished runs into one archive, with digests, to move them to another machine."""
    from empirical.runs.archive import export_runs

    chosen = find_runs(results, runs, group)
    export_runs(chosen, archive)
    if as_json:
        print(json.dumps({"archive": str(archive), "runs": [run.spec.digest for run in chosen]}, indent=1))
    else:
        print(f"{counted(len(chosen), 'run')} in {archive}, {archive.stat().st_size / 1e6:.1f} MB")


def import_command(archive: Archive, results: Results = Path("results"), as_json: Json = False) -> None:
    """Take the runs of an archive into the store, digests checked; what is finished here is never overwritten."""
    from empirical.runs.archive import import_runs

    done = import_runs(archive, results)
    if as_json:
        print(json.dumps({"new": list(done.new), "kept": list(done.kept)}, indent=1))
        return
    kept = f"; {len(done.kept)} were finished here already, and are as they were" if done.kept else ""
    print(f"{counted(len(done.new), 'run')} imported into {results}{kept}")


def trim(runs: RunNames = None, group: Groups = None, results: Results = Path("results"), as_json: Json = False) -> None:
    """Leave the weights of finished runs out of their store, to save room; counts, metrics and digests stay."""
    from empirical.runs.store import WEIGHTS
    from empirical.runs.store import trim as trimmed

    chosen = [run for run in find_runs(results, runs, group) if (run.folder / WEIGHTS).exists()]  # beside a pointer, too: trim was killed
    saved = sum((run.folder / WEIGHTS).stat().st_size for run in chosen)
    for run in chosen:
        trimmed(run)
    if as_json:
        print(json.dumps({"trimmed": [run.spec.digest for run in chosen], "bytes": saved}, indent=1))
    else:
        print(f"weights of {counted(len(chosen), 'run')} left out of {results}: {saved / 1e6:.1f} MB less")

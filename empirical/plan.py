"""Plans: experiments as a TOML file, their predictions registered before training, and their runs side by side.

A plan is one table per group: the settings of a RunSpec (`train` and `test` for the lengths) and a list `seeds`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from empirical.spec import PRESETS, RunSpec, spec_from_dict
from empirical.store import ROOT, finished, provenance, sha256, to_json, write_atomically
from theory.errors import InputError


@dataclass(frozen=True)
class Group:
    """One experiment: a spec, and the seeds it is run with."""

    name: str
    spec: RunSpec
    seeds: tuple[int, ...]

    @property
    def specs(self) -> list[RunSpec]:
        return [replace(self.spec, seed=seed) for seed in self.seeds]


def read_plan(path: Path) -> list[Group]:
    """The groups of a plan.

    Raises:
        InputError: the file is missing, no TOML, or a setting is unknown or refused.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: give a TOML plan") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from None
    groups = []
    for name, table in tables.items():
        try:
            groups.append(_group(name, table))
        except InputError as error:
            raise InputError(f"{path}: [{name}]: {error}") from None
    if not groups:
        raise InputError(f"{path}: no groups: write one table per experiment")
    return groups


def _group(name: str, table: Any) -> Group:
    if not isinstance(table, dict):
        raise InputError("a table of settings is expected")
    values = dict(table)
    seeds = values.pop("seeds", None)
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds) or len(set(seeds)) < len(seeds):
        raise InputError("`seeds` must be a list of different whole numbers")
    if not isinstance(preset := values.pop("preset", "small"), str) or preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}: choose from {', '.join(PRESETS)}")
    layers, heads, dim = PRESETS[preset]
    for short, long in (("train", "train_lengths"), ("test", "test_lengths")):
        if short in values:
            values[long] = values.pop(short)
    return Group(name, spec_from_dict({"layers": layers, "heads": heads, "dim": dim, **values}), tuple(seeds))


def register_plan(groups: list[Group], plan: Path, results: Path) -> Path:
    """Write what theory says of each group to the store: predictions.json for plan.toml, predictions-x.json for plan-x.toml.

    Raises:
        InputError: a run of the plan is finished already, so a prediction would come too late.
    """
    path = results / f"predictions{plan.stem.removeprefix('plan')}.json"
    late = [spec.digest for group in groups for spec in group.specs if finished(results / spec.digest)]
    if late:
        raise InputError(f"run {late[0]} is finished, predictions come before runs: register a plan of new runs")
    write_atomically(path, to_json({"plan_sha256": sha256(plan), "groups": predictions(groups), **provenance()}))
    return path


def predictions(groups: list[Group]) -> dict[str, Any]:
    """What theory says of each group, and the runs it speaks of: seed -> digest."""
    from theory.predictions.predict import predict
    from theory.predictions.report import prediction_json

    out = {}
    for group in groups:
        spec = group.spec
        found = predict(spec.make_task(), spec.make_encoding(), spec.make_layout(), spec.training, spec.test_lengths, spec.test_domain)
        out[group.name] = {**prediction_json(found), "runs": {str(one.seed): one.digest for one in group.specs}}
    return out


def train_all(groups: list[Group], results: Path, jobs: int, device: str, report: Callable[[str], None]) -> int:
    """Train what is not finished, each run in a process of its own with one thread. Returns how many failed."""
    waiting = [(group.name, spec) for group in groups for spec in group.specs if not finished(results / spec.digest)]
    report(f"{sum(len(group.seeds) for group in groups)} runs planned, {len(waiting)} to train, {jobs} at a time")

    def one(item: tuple[str, RunSpec]) -> bool:
        name, spec = item
        job = {"spec": spec.to_dict(), "results": str(results), "device": device, "group": name}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "empirical.plan"]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, env=environment, check=False)
        text = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
        report(f"{name} seed {spec.seed}: {text[-1] if text else f'stopped with exit code {done.returncode}'}")
        return done.returncode == 0

    with ThreadPoolExecutor(jobs) as pool:
        return sum(not good for good in pool.map(one, waiting))


def work(job: dict[str, Any]) -> None:
    """One run of a sweep, in this process."""
    import torch

    from empirical.train import train

    torch.set_num_threads(1)
    done = train(spec_from_dict(job["spec"]), Path(job["results"]), job["device"], job["group"])
    accuracy = ", ".join(f"{entry['length']}: {entry['truth'] / entry['examples']:.1%}" for entry in done.result["evaluation"])
    print(f"{done.spec.digest} in {done.result['wall_s']} s, right at length {accuracy}")


if __name__ == "__main__":
    work(json.load(sys.stdin))

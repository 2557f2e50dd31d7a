"""Plans: experiments as a TOML file, and their predictions, registered before training.

A plan is one table per group: the settings of a run, under the names of RunSpec or of `arith-train run`, and a list `seeds`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from empirical.runs.settings import make_spec
from empirical.runs.spec import RunSpec
from empirical.runs.store import finished, provenance, sha256, to_json, write_atomically
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
    group = Group(name, make_spec(values), tuple(seeds))
    _ = group.specs  # refuses a seed that no run may have
    return group


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

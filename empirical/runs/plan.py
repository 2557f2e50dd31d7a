"""Plans: experiments as a TOML file, and their predictions, registered before training.

A plan is one table per group: the settings of a run, under the names of RunSpec or of `arith-train run`, and a list `seeds`. Settings above
the first table are those of every group that does not say otherwise; one that names another task names it whole.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from empirical.runs.settings import long_names, make_spec
from empirical.runs.spec import RunSpec
from empirical.runs.store import finished, provenance, sha256, to_json, write_atomically
from theory.errors import InputError

NAMING = {"task", "expr", "machine", "modulus"}  # settings that say together what the task is
SETTINGS = {field.name for field in fields(RunSpec)} | {"preset", "seeds"}


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
    common = {name: value for name, value in tables.items() if not isinstance(value, dict) and set(long_names({name: value})) <= SETTINGS}
    groups = []
    for name, table in ((name, table) for name, table in tables.items() if name not in common):
        try:
            groups.append(_group(name, table, common))
        except InputError as error:
            raise InputError(f"{path}: [{name}]: {error}") from None
    if not groups:
        raise InputError(f"{path}: no groups: write one table per experiment")
    return groups


def _group(name: str, table: Any, common: dict[str, Any]) -> Group:
    if not isinstance(table, dict):
        raise InputError(f"neither a table nor a setting that groups share: choose from {', '.join(sorted(SETTINGS))}")
    own = long_names(table)
    replaced = {*own, *(NAMING if own.keys() & NAMING else ())}
    values = {**{key: value for key, value in long_names(common).items() if key not in replaced}, **own}
    seeds = values.pop("seeds", None)
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds) or len(set(seeds)) < len(seeds):
        raise InputError("`seeds` must be a list of different whole numbers")
    group = Group(name, make_spec(values), tuple(seeds))
    _ = group.specs  # refuses a seed that no run may have
    return group


def register_plan(groups: list[Group], plan: Path, results: Path) -> Path:
    """Write what theory says of each group to the store: predictions.json for plan.toml, predictions-x.json for plan-x.toml or x.toml.

    Raises:
        InputError: a run of the plan is finished already, so a prediction would come too late.
    """
    name = plan.stem.removeprefix("plan").removeprefix("-")
    path = results / f"predictions{name and f'-{name}'}.json"
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
        setting = spec.make_task(), spec.make_encoding(), spec.make_layout(), spec.training
        found = predict(*setting, spec.test_lengths, spec.test_domain, spec.steps)
        out[group.name] = {**prediction_json(found), "runs": {str(one.seed): one.digest for one in group.specs}}
    return out

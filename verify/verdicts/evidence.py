"""What a claim rests on: counts of trained networks or of a published row, and the exact values they are held against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.exact.accuracy import truncation_accuracy
from theory.language.domains import parse_lengths
from theory.language.tasks import Task, make_task
from verify.claims.schema import PACKAGED, ROOT, Table, first_existing
from verify.verdicts.statistics import Cell

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

#: the papers' models (layers, heads, dim) and operand width; anything else is reduced scale
PAPER_MODELS = {(3, 3, 48), (4, 4, 128), (6, 6, 384)}
PAPER_WIDTH = 20


class Unmeasured(Exception):
    """The evidence lacks a number that the claim speaks of."""


@dataclass(frozen=True)
class Setting:
    """What an accuracy was measured on: the task, the longest trained length and the test domain."""

    task: Task
    trained: int
    domain: str
    spec: RunSpec | None = None


def results_folder(path: Path | None) -> Path:
    """The given results, else the checkout's, else the packaged ones.

    Raises:
        InputError: a given folder does not exist.
    """
    if path is not None and not path.is_dir():
        raise InputError(f"{path}: no such folder: give a folder of runs with --results")
    return path or first_existing(ROOT / "results", PACKAGED / "results")


def load_evidence(folder: Path) -> list[Run]:
    """All finished runs in a folder, digests checked; pilot runs are left out.

    Raises:
        InputError: a run was cut or edited, or holds what no run writes.
    """
    from empirical.runs.store import load_run, load_runs

    try:
        runs = load_runs(folder)
    except (KeyError, TypeError):  # a result without a group, or with one that is no text
        runs = [load_run(path.parent) for path in sorted(folder.glob("*/result.json"))]
    for run in runs:
        if problem := _result_problem(run.result):
            raise InputError(f"{run.folder / 'result.json'}: {problem}: restore the folder, or delete it and train again")
    return [run for run in runs if run.result.get("group") and not run.result["group"].startswith("pilot-")]


def _result_problem(result: Mapping[str, Any]) -> str:
    """What is wrong with a result whose digest is right, or nothing."""
    if not isinstance(result.get("group"), str | None):
        return f"group is {result['group']!r}, no text"
    for name in ("weights_sha256", "commit", "predictions", "data_stream"):
        if not isinstance(result.get(name), str | None):
            return f"{name} is {result[name]!r}, no text"
    entries = result.get("evaluation", [])
    if not isinstance(entries, list):
        return "evaluation is no list"
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            return f"evaluation.{index} is no object"
        for name in ("length", "examples", "truth", "learned"):
            value = entry.get(name)
            if not (type(value) is int and value >= 0) and not (name == "learned" and value is None):
                return f"evaluation.{index}.{name} is {value!r}, no count"
    return ""


def of_group(runs: Sequence[Run], group: str) -> list[Run]:
    """The runs of one group: one experiment, one run per seed (equal specs share a folder, so no seed comes twice).

    Raises:
        InputError: the group mixes experiments, or holds a network twice.
    """
    found = [run for run in runs if run.result["group"] == group]
    if len({replace(run.spec, seed=0) for run in found}) > 1:
        raise InputError(f"group {group} mixes runs that differ in more than their seed: give them groups of their own")
    if copied := copies(found):
        raise InputError(f"group {group}: {copied}")
    return found


def is_paper_scale(spec: RunSpec) -> bool:
    """Whether a run has the papers' model, width, layout and base."""
    model = (spec.layers, spec.heads, spec.dim)
    return model in PAPER_MODELS and spec.layout == "padded" and spec.base == 10 and spec.width >= PAPER_WIDTH


def learned_in_distribution(run: Run, least: float | None) -> bool:
    """Whether the network is right on at least this share of unseen pairs at the longest trained length.

    The longest alone: of the shortest lengths so few pairs exist that a handful is held out.
    """
    cells = [entry for entry in run.result["evaluation"] if entry["length"] == run.spec.training.longest]
    return least is None or (bool(cells) and all(entry["truth"] >= least * entry["examples"] for entry in cells))


def registered(run: Run) -> bool:
    """Whether the run was trained, from committed code, under a prediction that the store still holds, unchanged.

    Raises:
        InputError: it says so, but the code was not committed, or the prediction was edited since.
    """
    from empirical.runs.store import registrations

    stated, held = run.result.get("predictions"), registrations(run.folder.parent).get(run.spec.digest)
    if stated is not None and run.result.get("dirty"):
        raise InputError(f"network {run.spec.digest} is marked as registered, but its code was not committed: train it again from a commit")
    if stated is not None and held is not None and held != stated:
        raise InputError(f"network {run.spec.digest}: its registered predictions were edited since: restore them")
    return stated is not None and held == stated


def missing(runs: Sequence[Run], group: str) -> list[str]:
    """The digests registered for a group, or for groups by name ('annealed-*'), without a finished run in the stores of these runs.

    Else one could choose among seeds.

    Raises:
        InputError: a file of registered predictions is not readable.
    """
    from empirical.runs.store import registrations

    found, named = {run.spec.digest for run in runs}, set[str]()
    for store in {run.folder.parent for run in runs}:
        registrations(store)  # refuses what is no such file
        for path in store.glob("predictions*.json"):
            groups = json.loads(path.read_bytes())["groups"]
            named.update(digest for name in groups if fnmatchcase(name, group) for digest in groups[name]["runs"].values())
    return sorted(named - found)


def copies(runs: Sequence[Run]) -> str:
    """Two networks with the same weights, which are one network; or nothing."""
    first: dict[str, Run] = {}
    for run in runs:
        weights = run.result.get("weights_sha256")
        if weights is not None and (other := first.setdefault(weights, run)) is not run:
            return f"networks {other.spec.digest} and {run.spec.digest} have the same weights: one of them is a copy"
    return ""


def run_cells(run: Run, measure: str, lengths: Sequence[int]) -> list[Cell]:
    """Committed counts of one network, one cell per length.

    Raises:
        Unmeasured: a length was not measured.
    """
    return cells_of({entry["length"]: entry for entry in run.result["evaluation"]}, measure, lengths)


def cells_of(entries: dict[int, dict[str, int | None]], measure: str, lengths: Sequence[int]) -> list[Cell]:
    """Cells from evaluation entries by length."""
    cells = []
    for length in lengths:
        count = entries.get(length, {}).get(measure)
        if count is None:
            raise Unmeasured(f"{measure} was not measured at length {length}")
        examples = entries[length]["examples"]
        if examples is None or not 0 <= count <= examples or examples < 1:
            raise ValueError(f"{count} right answers of {examples} at length {length}")
        cells.append(Cell(length, count, examples))
    return cells


def table_cells(table: Table) -> list[Cell]:
    """Counts behind a row of percentages."""
    lengths = parse_lengths(table.lengths)
    return [Cell(length, round(share * table.samples / 100), table.samples) for length, share in zip(lengths, table.percent, strict=True)]


def setting_of_run(spec: RunSpec) -> Setting:
    return Setting(spec.make_task(), spec.training.longest, spec.test_domain, spec)


def setting_of_table(table: Table) -> Setting:
    return Setting(make_task(table.task, base=table.base, modulus=table.modulus), table.trained, table.domain)


def expected_value(value: float | str, setting: Setting, length: int) -> Fraction:
    """The accuracy that a decision names: a number, a fraction, or a formula of verify.claims.schema.FORMULAS.

    Raises:
        Unmeasured: the formula does not apply to this setting.
    """
    if value == "truncation_accuracy":
        exact = truncation_accuracy(setting.task, setting.trained, length, setting.domain)
        if exact is None:
            raise Unmeasured(f"no exact accuracy is known for {setting.task.text}")
        return exact
    if value == "predicted":
        return _predicted(setting, length)
    if value == "reciprocal":
        modulus = setting.task.modulus
        if modulus is None:
            raise Unmeasured(f"{setting.task.text} has no modulus, so no 1/p'")
        return Fraction(gcd(modulus, setting.task.base**setting.trained), modulus)
    return Fraction(value)


def _predicted(setting: Setting, length: int) -> Fraction:
    """What theory.predictions.predict says of the run's own setting, trained for as long as it takes."""
    from theory.predictions.predict import predict

    if (spec := setting.spec) is None:
        raise Unmeasured("a published row names no layout and encoding to predict from")
    found = predict(setting.task, spec.make_encoding(), spec.make_layout(), spec.training, (length,), setting.domain)
    if (exact := found.accuracy[0].exact) is None:
        raise Unmeasured(f"no accuracy is predicted for {setting.task.text} in this setting")
    return exact

"""Theory against observation: what was registered for each group of networks, and what the networks did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.predictions.rules import AGREEING, DECAYING, FAILING, RIGHT
from verify.statistics import Cell, Interval, clopper_pearson

if TYPE_CHECKING:
    from empirical.store import Run

OUTCOMES = ("exact", "truncation", "decays", "fails")


@dataclass(frozen=True)
class Row:
    """One registered group: the outcome predicted for longer operands, and the one observed, the mean over its networks."""

    group: str
    task: str
    base: int
    encoding: str
    layout: str
    trained: str
    predicted: str
    status: str
    observed: str
    networks: int
    registered: int

    @property
    def agrees(self) -> bool | None:
        """None where nothing was predicted, or nothing is observed yet."""
        return None if self.observed not in (*OUTCOMES, "mixed") or self.predicted not in OUTCOMES else self.observed == self.predicted


def registered_groups(results: Path) -> dict[str, dict[str, Any]]:
    """Group -> what was registered for it, from the prediction files of a store.

    Raises:
        InputError: such a file does not say what a prediction says.
    """
    from empirical.store import registrations

    registrations(results)  # refuses what is no such file
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(results.glob("predictions*.json")):
        groups = json.loads(path.read_bytes())["groups"]
        if wrong := [name for name, said in groups.items() if not _readable(said)]:
            raise InputError(f"{path}: groups.{wrong[0]}: no registered prediction: restore the file, or register the plan again")
        found |= groups
    return found


def _readable(said: Any) -> bool:
    """Whether a group holds what the report shows of it."""
    try:
        lengths, values = said["train"]["lengths"], [row["value"] for row in said["accuracy"] if row["length"] > 0]
        texts = (said["task"]["expression"], said["encoding"], said["layout"], said["status"])
        whole = bool(lengths) and all(type(length) is int for length in lengths) and type(said["task"]["base"]) is int
        shares = all(value is None or 0 <= value <= 1 for value in values)
        return whole and shares and all(isinstance(text, str) for text in texts) and isinstance(said["outcome"], dict)
    except (KeyError, TypeError):
        return False


def observed_outcome(runs: Sequence[Run]) -> str:
    """What networks of one group do on longer operands, from mean accuracies at n+1 and at 2n (else at the longest length).

    In this order: exact (truth at least 99 % at both), truncation (at least 95 % agreement at n+1), decays (truth at least 50 % at n+1
    and lower at 2n), fails (truth below 5 % at n+1), else mixed.
    """
    shares: dict[str, dict[int, list[float]]] = {"truth": {}, "learned": {}}
    for run in runs:
        for entry in run.result["evaluation"]:
            for measure, by_length in shares.items():
                if entry[measure] is not None and run.spec.training.region(entry["length"]) == "upward":
                    by_length.setdefault(entry["length"], []).append(entry[measure] / entry["examples"])
    truth, learned = ({n: sum(each) / len(each) for n, each in by_length.items()} for by_length in shares.values())
    if not truth:
        return "not measured"
    near, longest = min(truth), runs[0].spec.training.longest
    far = 2 * longest if 2 * longest in truth else max(truth)
    if min(truth[near], truth[far]) >= float(RIGHT):
        return "exact"
    if learned.get(near, 0.0) >= float(AGREEING):
        return "truncation"
    if truth[near] >= float(DECAYING) and truth[far] < truth[near]:
        return "decays"
    return "fails" if truth[near] < float(FAILING) else "mixed"


def matrix(groups: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> list[Row]:
    """A row per registered group."""
    rows = []
    for name, said in groups.items():
        mine = [run for run in runs if run.result["group"] == name]
        rows.append(
            Row(
                name, str(said["task"]["expression"]), int(said["task"]["base"]), str(said["encoding"]), str(said["layout"]),
                _spelled(said["train"]["lengths"]), str(said["outcome"].get("upward")), str(said["status"]),
                observed_outcome(mine) if mine else "no runs yet", len(mine), len(said["runs"]),
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: row.networks == 0)  # those that wait for their runs, last


def _spelled(lengths: Sequence[int]) -> str:
    """'1-4' for a range, else '2,4'."""
    first, last = lengths[0], lengths[-1]
    whole = len(lengths) > 1 and list(lengths) == list(range(first, last + 1))
    return f"{first}-{last}" if whole else ",".join(map(str, lengths))


def exact_points(groups: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> Iterator[tuple[str, int, float, Cell, Interval]]:
    """Group, length, the accuracy registered for it, the counts of one network there and their interval; upward lengths alone."""
    for run in runs:
        said = groups.get(str(run.result["group"]), {})
        exact = {row["length"]: row["value"] for row in said.get("accuracy", ()) if row.get("value") is not None}
        for entry in run.result["evaluation"]:
            length = entry["length"]
            if length in exact and run.spec.training.region(length) == "upward":
                cell = Cell(length, entry["truth"], entry["examples"])
                yield str(run.result["group"]), length, exact[length], cell, clopper_pearson(cell.correct, cell.examples, 0.05)

"""Theory against observation: what was registered for each group of networks, and what the networks did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.predictions.rulebook import AGREEING, DECAYING, FAILING, RIGHT
from verify.verdicts import evidence as ev
from verify.verdicts.statistics import Cell, Interval, clopper_pearson

if TYPE_CHECKING:
    from empirical.runs.store import Run

OUTCOMES = ("exact", "truncation", "decays", "fails")
NOT_LEARNED = "not learned"
LEARNED = 0.95  # mean share of held-out pairs of the longest trained length from which on a task counts as learned


@dataclass(frozen=True)
class Shares:
    """Mean accuracies of the networks of a group on longer operands: at n+1, at 2n (else the longest), and as truncated at n+1."""

    near: float | None = None
    far: float | None = None
    truncated: float | None = None


@dataclass(frozen=True)
class Row:
    """One registered group: the outcome predicted for longer operands, and the one observed, the mean over its networks.

    `steps` is how long they were trained; 0 where none has finished.
    """

    group: str
    task: str
    base: int
    encoding: str
    layout: str
    trained: str
    predicted: str
    status: str
    rule: str
    observed: str
    shares: Shares
    digests: tuple[str, ...]  # of the networks that have finished
    registered: int
    steps: int = 0

    @property
    def agrees(self) -> bool | None:
        """None where nothing was predicted, nothing is observed yet, or the task was not learned."""
        return None if self.observed not in (*OUTCOMES, "mixed") or self.predicted not in OUTCOMES else self.observed == self.predicted


def registered_groups(results: Path) -> dict[str, dict[str, Any]]:
    """Group -> what was registered for it, from the prediction files of a store.

    Raises:
        InputError: such a file does not say what a prediction says.
    """
    from empirical.runs.store import registrations

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
        named = bool(said["runs"]) and all(isinstance(digest, str) for digest in said["runs"].values())
        whole = named and bool(lengths) and all(type(length) is int for length in lengths) and type(said["task"]["base"]) is int
        shares = all(value is None or 0 <= value <= 1 for value in values)
        return whole and shares and all(isinstance(text, str) for text in texts) and isinstance(said["outcome"], dict)
    except (KeyError, TypeError, AttributeError):
        return False


def observed_outcome(runs: Sequence[Run], presupposed: bool = True) -> tuple[str, Shares]:
    """What networks of one group do on longer operands, and the mean accuracies behind it.

    In this order: not learned (below 95 % of held-out pairs on the longest trained length, where a prediction presupposes that the task is
    learned), exact (truth at least 99 % at n+1 and 2n), truncation (at least 95 % agreement at n+1), decays (truth at least 50 % at n+1
    and lower at 2n), fails (truth below 5 % at n+1), else mixed.
    """
    shares: dict[str, dict[int, list[float]]] = {"truth": {}, "learned": {}}
    for run in runs:
        for entry in run.result["evaluation"]:
            for measure, by_length in shares.items():
                if entry[measure] is not None:
                    by_length.setdefault(entry["length"], []).append(entry[measure] / entry["examples"])
    means = {measure: {n: sum(each) / len(each) for n, each in by_length.items()} for measure, by_length in shares.items()}
    longest, region = runs[0].spec.training.longest, runs[0].spec.training.region
    truth = {n: share for n, share in means["truth"].items() if region(n) == "upward"}
    if not truth:
        return "not measured", Shares()
    near, far = min(truth), 2 * longest if 2 * longest in truth else max(truth)
    found = Shares(truth[near], truth[far], means["learned"].get(near))
    if presupposed and means["truth"].get(longest, 1.0) < LEARNED:
        return NOT_LEARNED, found
    if min(truth[near], truth[far]) >= float(RIGHT):
        return "exact", found
    if (found.truncated or 0.0) >= float(AGREEING):
        return "truncation", found
    if truth[near] >= float(DECAYING) and truth[far] < truth[near]:
        return "decays", found
    return "fails" if truth[near] < float(FAILING) else "mixed", found


def networks_of(group: str, said: Mapping[str, Any], runs: Sequence[Run]) -> list[Run]:
    """The finished networks of a group that its registration names, and that were trained under it.

    Raises:
        InputError: a registration was edited since, or the code of a network was not committed.
    """
    named = set(said["runs"].values())
    return [run for run in runs if run.result["group"] == group and run.spec.digest in named and ev.registered(run)]


def matrix(groups: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> list[Row]:
    """A row per registered group."""
    rows = []
    for name, said in groups.items():
        mine = networks_of(name, said, runs)
        observed, shares = observed_outcome(mine, said["outcome"].get("in_distribution") == "exact") if mine else ("no runs yet", Shares())
        rows.append(
            Row(
                name, str(said["task"]["expression"]), int(said["task"]["base"]), str(said["encoding"]), str(said["layout"]),
                _spelled(said["train"]["lengths"]), str(said["outcome"].get("upward")), str(said["status"]),
                str(said.get("rule", "")), observed, shares, tuple(run.spec.digest for run in mine), len(said["runs"]),
                max((run.spec.steps for run in mine), default=0),
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: not row.digests)  # those that wait for their runs, last


def _spelled(lengths: Sequence[int]) -> str:
    """'1-4' for a range, else '2,4'."""
    first, last = lengths[0], lengths[-1]
    whole = len(lengths) > 1 and list(lengths) == list(range(first, last + 1))
    return f"{first}-{last}" if whole else ",".join(map(str, lengths))


def exact_points(groups: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> Iterator[tuple[str, int, float, Cell, Interval]]:
    """Group, length, the accuracy registered for it, the counts of one network there and their interval; upward lengths alone."""
    for name, said in groups.items():
        exact = {row["length"]: row["value"] for row in said["accuracy"] if row["value"] is not None}
        for run in networks_of(name, said, runs) if exact else ():
            for entry in run.result["evaluation"]:
                length = entry["length"]
                if length in exact and run.spec.training.region(length) == "upward":
                    cell = Cell(length, entry["truth"], entry["examples"])
                    yield name, length, exact[length], cell, clopper_pearson(cell.correct, cell.examples, 0.05)

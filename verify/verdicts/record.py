"""What networks did under each rule of the theory as it stands, which predictions quote (theory.predictions.seen).

A group counts under the rule that decides it today, not under the one that was registered for it: rules are renamed and sharpened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from theory.predictions.rulebook import RULES
from theory.predictions.rules import decide
from theory.predictions.seen import Seen
from verify.verdicts.observed import NOT_LEARNED, Row
from verify.verdicts.score import score

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run


def record_of(results: Path, runs: Sequence[Run]) -> dict[str, Seen]:
    """By rule, over the registered groups whose networks have all finished and learned their task."""
    specs = {run.spec.digest: run.spec for run in runs}
    rows = [(row, rule_of(specs[row.digests[0]])) for row in score(results, runs).rows if row.observed != NOT_LEARNED]
    return {name: _seen(name, [row for row, rule in rows if rule == name]) for name in sorted({rule for _, rule in rows})}


def _seen(name: str, rows: Sequence[Row]) -> Seen:
    observed = [row.observed for row in rows]
    near = [row.shares.near for row in rows if row.shares.near is not None]
    rule = RULES[name]
    told = rule.outcome == "truncation" or "A2" in rule.assumptions or name.startswith("zeros only")  # of other rules, it says nothing
    cut = [row.shares.truncated for row in rows if told and row.shares.truncated is not None]
    counts = {outcome: observed.count(outcome) for outcome in sorted(set(observed))}
    return Seen(len(rows), counts, round(median(near), 4), round(median(cut), 4) if len(cut) == len(rows) else None)


def rule_of(spec: RunSpec) -> str:
    """The name of the rule that decides a run."""
    return decide(spec.make_task(), spec.make_encoding(), spec.make_layout(), spec.training, spec.test_domain, spec.steps).name


def record_json(found: dict[str, Seen]) -> str:
    return json.dumps({name: asdict(seen) for name, seen in found.items()}, indent=1) + "\n"

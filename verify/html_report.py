"""The report as one HTML file without a network: scoreboard, matrix of theory against observation, calibration, a section per claim."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.claims import Assumption, Claim, Loaded, RunsEvidence
from verify.dependence import shaken
from verify.engine import Verdict
from verify.formats import SIGNS
from verify.observed import OUTCOMES, Row, exact_points, matrix, registered_groups
from verify.plots import Point, accuracy_plot, calibration_plot
from verify.report import FAMILIES
from verify.statistics import VERDICTS, clopper_pearson

if TYPE_CHECKING:
    from empirical.store import Run

TEMPLATE = Path(__file__).resolve().parent / "report.html.jinja"


@dataclass(frozen=True)
class Section:
    """One claim as the page shows it."""

    claim: Claim
    verdict: Verdict
    plot: str
    networks: Sequence[Mapping[str, Any]]
    facts: str

    @property
    def words(self) -> str:
        """What the search looks at."""
        claim = self.claim
        said = (claim.id, claim.family, claim.statement, claim.prediction, claim.population, self.verdict.verdict, self.verdict.detail)
        return " ".join(said).lower()


@dataclass(frozen=True)
class Calibration:
    """How often predictions of one kind came true."""

    name: str
    right: int
    of: int
    low: float
    high: float


def html_report(loaded: Loaded, verdicts: Sequence[Verdict], provenance: Mapping[str, Any], runs: Sequence[Run], results: Path) -> str:
    """The page; `runs` and `results` are those that the verdicts rest on."""
    from jinja2 import Environment, StrictUndefined

    groups = registered_groups(results)
    claims = {claim.id: claim for claim in loaded.claims}
    sections = [section(claims[verdict.id], verdict, groups) for verdict in verdicts]
    rows = matrix(groups, runs)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        sections=sections,
        families={name: FAMILIES.get(name, name) for name in dict.fromkeys(verdict.family for verdict in verdicts)},
        notes=shaken(loaded, verdicts),
        verdict_of={verdict.id: verdict.verdict for verdict in verdicts},
        counts={name: sum(verdict.verdict == name for verdict in verdicts) for name in VERDICTS},
        signs=SIGNS,
        verdict_names=VERDICTS,
        assumptions=[(one, tested(one, loaded.claims, verdicts)) for one in loaded.assumptions],
        rows=rows,
        outcomes=(*OUTCOMES, "mixed"),
        calibration=calibration(rows),
        calibration_plot=_calibration_plot(groups, runs),
        provenance=provenance,
    )


def tested(assumption: Assumption, claims: Sequence[Claim], verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """Verdict -> the claims that test an assumption: those that rest on it."""
    resting = {claim.id for claim in claims if assumption.id in (claim.assumptions or ())}
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.id in resting:
            found.setdefault(verdict.verdict, []).append(verdict.id)
    return found


def section(claim: Claim, verdict: Verdict, groups: Mapping[str, Mapping[str, Any]]) -> Section:
    evidence = verdict.evidence
    facts = {key: value for key, value in evidence.items() if key not in ("runs", "networks", "row", "regions", "expected", "rival")}
    networks = evidence.get("runs") or evidence.get("networks") or ()
    return Section(claim, verdict, _plot(claim, verdict, groups), networks, json.dumps(facts, indent=1) if facts else "")


def _plot(claim: Claim, verdict: Verdict, groups: Mapping[str, Mapping[str, Any]]) -> str:
    """The evidence of a claim on counts; nothing for proofs and certificates."""
    evidence = verdict.evidence
    points: list[Point] = []
    order = list(dict.fromkeys(run["group"] for run in evidence.get("runs", ())))
    for run in evidence.get("runs", ()):
        for cell in run["cells"]:
            label = f"{run['group']}, seed {run['seed']}, length {cell['length']}"
            share = cell["correct"] / cell["examples"]
            points.append(Point(f"length {cell['length']}", share, cell["low"], cell["high"], label, order.index(run["group"])))
    for cell in evidence.get("row", ()):
        interval = clopper_pearson(cell["correct"], cell["examples"], 0.05)
        label = f"published, length {cell['length']}"
        points.append(Point(f"length {cell['length']}", cell["correct"] / cell["examples"], interval.low, interval.high, label))
    if not points:
        return ""
    regions = {f"length {length}": (float(low), float(high)) for length, (low, high) in evidence.get("regions", {}).items()}
    exact = {f"length {length}": float(share) for length, share in evidence.get("expected", {}).items()} or _registered(claim, groups)
    shown = {point.column for point in points}
    exact = {column: share for column, share in exact.items() if column in shown}
    return accuracy_plot(f"Evidence of {claim.id}", points, regions, exact)


def _registered(claim: Claim, groups: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The exact accuracies that theory registered for the group of a claim on the truth."""
    if not isinstance(claim.evidence, RunsEvidence) or claim.evidence.measure != "truth" or claim.evidence.than is not None:
        return {}
    said = groups.get(claim.evidence.runs.group, {})
    return {f"length {row['length']}": row["value"] for row in said.get("accuracy", ()) if row.get("value") is not None}


def calibration(rows: Sequence[Row]) -> list[Calibration]:
    """By outcome predicted and by status: of the registered groups that have runs, how many did as predicted."""
    found = []
    kinds = [(name, [row for row in rows if row.predicted == name]) for name in OUTCOMES]
    kinds += [(name, [row for row in rows if row.status == name]) for name in ("proven", "conditional", "hypothesis")]
    kinds.append(("all", list(rows)))
    for name, mine in kinds:
        judged = [row for row in mine if row.agrees is not None]
        if judged:
            right = sum(row.agrees is True for row in judged)
            interval = clopper_pearson(right, len(judged), 0.05)
            found.append(Calibration(name, right, len(judged), interval.low, interval.high))
    return found


def _calibration_plot(groups: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> str:
    points = [
        (predicted, Point("", cell.correct / cell.examples, interval.low, interval.high, f"{group}, length {length}"))
        for group, length, predicted, cell, interval in exact_points(groups, runs)
    ]
    return calibration_plot("Accuracy on longer operands: observed against registered", points)



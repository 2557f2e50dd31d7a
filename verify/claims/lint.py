"""What a claims file that reads well may still have wrong, and its schema for editors."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from theory.errors import InputError
from theory.predictions.rulebook import ASSUMPTIONS
from verify.checks import REGISTRY
from verify.claims.dependence import misplaced
from verify.claims.evidence_kinds import Runs
from verify.claims.schema import (
    ROOT,
    CertificateEvidence,
    CheckEvidence,
    Claim,
    ClaimsFile,
    Loaded,
    PairsEvidence,
    ProbesEvidence,
    RunsEvidence,
    TableEvidence,
)
from verify.verdicts.evidence import setting_of_table

if TYPE_CHECKING:
    from empirical.runs.store import Run


def problems(loaded: Loaded, runs: Sequence[Run]) -> list[str]:
    """What should be mended: one line each. Of this project's own file, every check must be named by a claim."""
    found = []
    named = {claim.evidence.check for claim in loaded.claims if isinstance(claim.evidence, CheckEvidence)}
    if loaded.path.resolve() == ROOT / "paper_claims.yaml":
        found += [f"check {name} is named by no claim" for name in REGISTRY if name not in named]
    used = {name for claim in loaded.claims for name in claim.assumptions or ()}
    for assumption in loaded.assumptions:
        if assumption.id not in used:
            found.append(f"assumption {assumption.id} is used by no claim")
        if ASSUMPTIONS.get(assumption.id, assumption.statement) != assumption.statement:
            found.append(f"assumption {assumption.id} differs from what theory says: {ASSUMPTIONS[assumption.id]}")
    found += misplaced(loaded.claims)
    statements: dict[str, str] = {}
    known = {str(run.result["group"]) for run in runs}
    for claim in loaded.claims:
        if (other := statements.setdefault(claim.statement, claim.id)) != claim.id:
            found.append(f"claims {other} and {claim.id} say the same")
        if "TODO" in claim.statement:  # as people draft claims
            found.append(f"claim {claim.id} is not written yet")
        if isinstance(claim.evidence, TableEvidence):
            try:
                setting_of_table(claim.evidence.table)
            except InputError as error:
                found.append(f"claim {claim.id}: {error}")
        groups = groups_of(claim, known)
        registered = any(run.result.get("predictions") is not None for run in runs if run.result["group"] in groups)
        if registered and claim.registration is None:
            found.append(f"claim {claim.id}: its runs are registered, but the claim does not say when")
    return found


def silent(loaded: Loaded, runs: Sequence[Run]) -> list[str]:
    """Claims whose selector matches no run: these are untested."""
    known = {str(run.result["group"]) for run in runs}
    named = [(claim.id, group) for claim in loaded.claims for group in groups_of(claim, known)]
    return [f"claim {claim}: no run of group {group}" for claim, group in named if group not in known]


def groups_of(claim: Claim, known: Collection[str] = ()) -> list[str]:
    """The groups of runs that a claim rests on; for names such as 'annealed-*' the known ones that match, or else the name as it stands."""
    match claim.evidence:
        case RunsEvidence(runs=mine, than=None) | ProbesEvidence(probes=mine) | CertificateEvidence(certificates=mine):
            return [mine.group]
        case RunsEvidence(runs=mine, than=Runs(group=other)):
            return [mine.group, other]
        case PairsEvidence(pairs=first, than=second):
            matching = [[group for group in sorted(known) if fnmatchcase(group, name)] or [name] for name in (first, second)]
            return [group for groups in matching for group in groups]
    return []


def schema() -> str:
    """The JSON Schema of a claims file, for editors that check YAML while it is written."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Claims of arith-verify"}
    return json.dumps({**ClaimsFile.model_json_schema(), **head}, indent=1)

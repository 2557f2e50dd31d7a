"""The claims file: what each claim says, what it predicts, and what would decide it.

A claim rests on one of eight kinds of evidence: a live proof (`check`), trained networks of this project by counts (`runs`), by their
hidden states (`probes`), by proof for all lengths (`certificates`) or by how many are proved (`pairs`), the predictions registered for
networks (`score`), a row of a published table (`table`), or nothing yet (`pending`, with the reason).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict, ValidationError, field_validator, model_validator

from theory.errors import InputError
from verify.claims.evidence_kinds import (
    CertificateEvidence,
    CheckEvidence,
    Count,
    Evidence,
    Level,
    Model,
    PairsEvidence,
    PendingEvidence,
    ProbesEvidence,
    RunsEvidence,
    ScoreEvidence,
    Share,
    Table,
    TableEvidence,
    Text,
    evidence_kind_of,
    resolve_lengths,
)
from verify.claims.yamlfile import Document, read_yaml

__all__ = [
    "FORMULAS", "PACKAGED", "ROOT", "CertificateEvidence", "CheckEvidence", "Claim", "ClaimsFile", "Loaded", "PairsEvidence",
    "PendingEvidence", "ProbesEvidence", "RunsEvidence", "ScoreEvidence", "Table", "TableEvidence", "first_existing",
    "load_claims", "resolve_lengths",
]  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGED = Path(__file__).resolve().parent.parent / "data"

#: formulas that a prediction may name; verify.verdicts.evidence computes them
FORMULAS = ("truncation_accuracy", "reciprocal", "predicted")

#: a share as text; short and without an exponent, for 1e999999999 is hours of work as a fraction
_SHARE = re.compile(r"\d{1,40}(\.\d{1,40}|/\d{1,40})?", re.ASCII)


class Source(Model):
    """Where the statement stands: P1, P2, `ours` for a statement of this project, or another paper by any name."""

    paper: Annotated[str, Field(min_length=1, max_length=60)]
    version: Text
    location: Text


class Decision(Model):
    """The rule that turns evidence into a verdict, and its numbers; verify.verdicts.statistics defines the rules.

    `expected` is a number, a fraction as text, or a formula; `id_at_least` sets aside networks that did not learn
    their training lengths, about which a statement on longer inputs says nothing.
    """

    rule: Literal["proof", "at_least", "at_most", "equals", "compare", "more_often", "goodness_of_fit", "fits_better"]
    alpha: Level | None = None
    threshold: Share | None = None
    expected: float | str | None = None
    rival: float | str | None = None
    margin: Share | None = None
    min_seeds: Count | None = None
    min_examples: Count | None = None
    id_at_least: Share | None = None

    @field_validator("expected", "rival")
    @classmethod
    def _known_value(cls, value: float | str | None) -> float | str | None:
        if value is None or value in FORMULAS:
            return value
        try:
            share = Fraction(value) if isinstance(value, float) or _SHARE.fullmatch(value) else None
        except ZeroDivisionError:
            share = None
        if share is None:
            raise ValueError(f"{value!r} is no number, no fraction and none of {', '.join(FORMULAS)}")
        if not 0 <= share <= 1:
            raise ValueError(f"{value!r} is not between 0 and 1")
        return value


#: rule -> (kinds of evidence it goes with, the fields it needs, beside those of the evidence)
_RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "proof": (("check", "certificates", "pending"), ()),
    "at_least": (("runs", "probes", "score", "table", "pending"), ("alpha", "threshold", "min_examples")),
    "at_most": (("runs", "score", "table", "pending"), ("alpha", "threshold", "min_examples")),
    "equals": (("runs", "table", "pending"), ("alpha", "expected", "margin", "min_examples")),
    "compare": (("runs",), ("alpha", "margin", "min_examples")),
    "more_often": (("pairs",), ("alpha", "min_examples")),
    "goodness_of_fit": (("table",), ("alpha", "expected", "margin", "min_examples")),
    "fits_better": (("table",), ("alpha", "expected", "rival", "min_examples")),
}


ClaimId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")]
AssumptionId = Annotated[str, Field(pattern=r"^A[1-9][0-9]?$")]
Ids = Annotated[tuple[ClaimId, ...], Strict(False), Field(min_length=1, max_length=100)]


class Registration(Model):
    """When a prediction was written down, and in which commit: before the runs that test it."""

    date: Annotated[str, Field(pattern=r"^20\d\d-[01]\d-[0-3]\d$")]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]

    @field_validator("date")
    @classmethod
    def _in_the_calendar(cls, value: str) -> str:
        date.fromisoformat(value)  # a ValueError says what is wrong
        return value


class Assumption(Model):
    """A hypothesis about learners that predictions rest on; the claims that name it test it."""

    id: AssumptionId
    statement: Text


class Claim(Model):
    """One statement, with everything needed to decide it. Predictions come from theory or from the statement."""

    id: ClaimId
    family: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,30}$")]
    source: Source
    quoted: bool
    statement: Text
    kind: Literal["theorem", "derived", "empirical", "table"]
    scale: Literal["symbolic", "reduced", "paper"]
    quantity: Text
    population: Text
    prediction: Text
    decision: Decision
    evidence: Evidence
    reported: Text | None = None
    refines: ClaimId | None = None
    depends_on: Ids | None = None
    assumptions: Annotated[tuple[AssumptionId, ...], Strict(False), Field(min_length=1, max_length=20)] | None = None
    registration: Registration | None = None

    @property
    def evidence_kind(self) -> str:
        return evidence_kind_of(self.evidence)

    @property
    def statistical(self) -> bool:
        """Whether counts decide it, so that it is corrected for the other claims of its family."""
        return self.evidence_kind in ("runs", "probes", "pairs", "score", "table")

    @model_validator(mode="after")
    def _consistent(self) -> Claim:
        rule, kind = self.decision.rule, self.evidence_kind
        kinds, needed = _RULES[rule]
        if kind not in kinds:
            raise ValueError(f"rule {rule} goes with {' or '.join(kinds)} evidence, not with {kind}")
        if kind in ("runs", "probes", "certificates"):
            needed = (*needed, "min_seeds")
        allowed = {*needed, "rule", *(["id_at_least"] if kind in ("runs", "probes") else []), *(["min_seeds"] if kind == "pending" else [])}
        if missing := [name for name in needed if getattr(self.decision, name) is None]:
            raise ValueError(f"rule {rule} needs {', '.join(missing)}")
        if extra := sorted(self.decision.model_fields_set - allowed):
            raise ValueError(f"rule {rule} with {kind} evidence takes no {', '.join(extra)}")
        if (rule == "compare") != (isinstance(self.evidence, RunsEvidence) and self.evidence.than is not None):
            raise ValueError("rule compare and `than` go together")
        if (kind == "check") != (self.scale == "symbolic"):
            raise ValueError("scale symbolic and check evidence go together")
        if (kind == "table") != (self.kind == "table"):
            raise ValueError("kind table and table evidence go together")
        return self


class ClaimsFile(Model):
    """All claims, in the order of the file."""

    version: Literal[1]
    assumptions: Annotated[tuple[Assumption, ...], Strict(False)] = ()
    claims: Annotated[tuple[Claim, ...], Strict(False), Field(min_length=1)]


@dataclass(frozen=True)
class Loaded:
    """A claims file that passed every check."""

    path: Path
    sha256: str
    claims: tuple[Claim, ...]
    assumptions: tuple[Assumption, ...] = ()


def load_claims(path: Path | None = None) -> Loaded:
    """Read the given claims file, else the checkout's, else the packaged one.

    Raises:
        InputError: `paper_claims.yaml:LINE: path: message` for the first problem of the file.
    """
    path = path or first_existing(ROOT / "paper_claims.yaml", PACKAGED / "paper_claims.yaml")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: give a claims file with --claims") from None
    document = read_yaml(raw, path.name)
    if not isinstance(document.value, dict):
        raise InputError(f"{path.name}:1: a mapping with `version` and `claims` is expected")
    try:
        file = ClaimsFile.model_validate(document.value)
    except ValidationError as error:
        raise InputError(_describe(error, document, path.name)) from None
    _refuse_duplicates(file.claims, document, path.name)
    _refuse_unknown(file, document, path.name)
    return Loaded(path, hashlib.sha256(raw).hexdigest(), file.claims, file.assumptions)


def first_existing(*paths: Path) -> Path:
    """The first path that exists, else the last."""
    return next((path for path in paths if path.exists()), paths[-1])


def _describe(error: ValidationError, document: Document, name: str) -> str:
    """The first problem in the file, with its line and its path in the document."""
    problems = [(_place(problem["loc"]), problem["msg"]) for problem in error.errors(include_url=False)]
    inner = [path for path, _ in problems]  # a list whose items are all refused counts as empty, too, which is not the problem
    problems = [one for one in problems if not any(len(path) > len(one[0]) and path[: len(one[0])] == one[0] for path in inner)]
    path, message = min(problems, key=lambda problem: document.line(problem[0]))
    message = " ".join(message.removeprefix("Value error, ").split())[:500]
    return f"{name}:{document.line(path)}: {'.'.join(map(str, path))}: {message}"


def _place(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A pydantic location as a path in the document: behind `evidence` stands the tag of the union, which is no key."""
    return (*loc[:3], *loc[4:]) if loc[2:3] == ("evidence",) else loc


def _refuse_duplicates(claims: Sequence[Claim], document: Document, name: str) -> None:
    first: dict[str, int] = {}
    for index, claim in enumerate(claims):
        line = document.line(("claims", index, "id"))
        if claim.id in first:
            raise InputError(f"{name}:{line}: claims.{index}.id: duplicate id {claim.id!r}, first used in line {first[claim.id]}")
        first[claim.id] = line


def _refuse_unknown(file: ClaimsFile, document: Document, name: str) -> None:
    """References to claims and assumptions that the file does not hold, or named twice, and claims that rest on themselves."""
    ids, declared = {claim.id for claim in file.claims}, [assumption.id for assumption in file.assumptions]
    for index, assumption in enumerate(file.assumptions):
        if declared.index(assumption.id) < index:
            line = document.line(("assumptions", index, "id"))
            raise InputError(f"{name}:{line}: assumptions.{index}.id: {assumption.id} is declared twice")
    for index, claim in enumerate(file.claims):
        for key, known in (("refines", ids), ("depends_on", ids), ("assumptions", set(declared))):
            named, where = _named(claim, key), f"{name}:{document.line(('claims', index, key))}: claims.{index}.{key}"
            if unknown := sorted(set(named) - known):
                raise InputError(f"{where}: unknown {'assumption' if key == 'assumptions' else 'claim'} {unknown[0]!r}")
            if twice := [one for one in named if named.count(one) > 1]:
                raise InputError(f"{where}: {twice[0]} is named twice")
    _refuse_circles(file, "depends_on", "depends on", document, name)
    _refuse_circles(file, "refines", "refines", document, name)


def _named(claim: Claim, key: str) -> tuple[str, ...]:
    """The claims or assumptions that a key of a claim names."""
    named = getattr(claim, key) or ()
    return (named,) if isinstance(named, str) else named


def _refuse_circles(file: ClaimsFile, key: str, verb: str, document: Document, name: str) -> None:
    needs = {claim.id: _named(claim, key) for claim in file.claims}
    for index, claim in enumerate(file.claims):
        above = dict.fromkeys(needs[claim.id], claim.id)  # each claim reached -> one that depends on it
        for step in (todo := list(above)):  # which grows
            new = [one for one in needs[step] if one not in above]
            above |= dict.fromkeys(new, step)
            todo += new
        if claim.id in above:
            circle = [claim.id, above[claim.id]]
            while circle[-1] != claim.id:
                circle.append(above[circle[-1]])
            line = document.line(("claims", index, key))
            shown = f" {verb} ".join(reversed(circle))
            raise InputError(f"{name}:{line}: claims.{index}.{key}: {claim.id} {verb} itself: {shown}")

"""The claims file: what each claim says, what it predicts, and what would decide it.

A claim rests on one of five kinds of evidence: a live proof (`check`), trained networks of this project by counts (`runs`) or by proof
for all lengths (`certificates`), a row of a published table (`table`), or nothing yet (`pending`, with the reason).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, Tag, ValidationError, field_validator, model_validator

from theory.errors import InputError
from theory.language.domains import DOMAINS, parse_lengths
from verify.checks import REGISTRY, parameter_problem
from verify.yamlfile import Document, read_yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = Path(__file__).resolve().parent / "data"

#: formulas that a prediction may name; verify.evidence computes them
FORMULAS = ("truncation_accuracy", "reciprocal", "predicted")


class Model(BaseModel):
    """Frozen, strict (no text for a number), and closed: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Text = Annotated[str, Field(min_length=1, max_length=2000)]
Level = Annotated[float, Field(gt=0, le=0.5)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Percents = Annotated[tuple[Annotated[float, Field(ge=0, le=100)], ...], Strict(False), Field(min_length=1, max_length=1000)]


class Source(Model):
    """Where the statement stands. `ours` marks a statement of this project."""

    paper: Literal["P1", "P2", "ours"]
    version: Text
    location: Text


class Decision(Model):
    """The rule that turns evidence into a verdict, and its numbers; verify.statistics defines the rules.

    `expected` is a number, a fraction as text, or a formula; `id_at_least` sets aside networks that did not learn
    their training lengths, about which a statement on longer inputs says nothing.
    """

    rule: Literal["proof", "at_least", "at_most", "equals", "compare", "goodness_of_fit", "fits_better"]
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
            share = Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{value!r} is no number, no fraction and none of {', '.join(FORMULAS)}") from None
        if not 0 <= share <= 1:
            raise ValueError(f"{value!r} is not between 0 and 1")
        return value


class CheckEvidence(Model):
    """A proof or computation of verify.checks, run live."""

    check: Text
    params: dict[str, Any] = {}

    @model_validator(mode="after")
    def _known_check(self) -> CheckEvidence:
        if self.check not in REGISTRY:
            raise ValueError(f"unknown check {self.check!r}: choose from {', '.join(REGISTRY)}")
        if problem := parameter_problem(self.check, self.params):
            raise ValueError(f"check {self.check}: {problem}")
        return self


_RELATIVE = re.compile(r"([1-9]\d?)?n(?:\+(\d{1,3}))?")


def resolve_lengths(text: str, longest: int) -> tuple[int, ...]:
    """Test lengths such as '4-6', 'n+1' or 'n+1, 2n, 100'; n is the longest trained length.

    Raises:
        InputError: not of that form.
    """
    found: set[int] = set()
    for part in text.split(","):
        if match := _RELATIVE.fullmatch(part.strip()):
            found.add(int(match[1] or 1) * longest + int(match[2] or 0))
        else:
            found.update(parse_lengths(part))
    return tuple(sorted(found))


def _lengths(text: str) -> str:
    try:
        resolve_lengths(text, 1)
    except InputError as error:
        raise ValueError(f"{error} (or relative to the longest trained length: n+1, 2n)") from None
    return text


def _plain_lengths(text: str) -> str:
    try:
        parse_lengths(text)
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


class Runs(Model):
    """Which trained networks: a group label."""

    group: Text

    @field_validator("group")
    @classmethod
    def _no_pilot(cls, group: str) -> str:
        if group.startswith("pilot-"):
            raise ValueError(f"{group!r}: pilot runs are never evidence")
        return group


class RunsEvidence(Model):
    """Counts of trained networks at some test lengths; with `than`, compared with another group."""

    runs: Runs
    measure: Literal["truth", "learned"]
    lengths: Text
    than: Runs | None = None

    _check = field_validator("lengths")(_lengths)


class CertificateEvidence(Model):
    """Every trained network of a group proved right at every length, or every one refuted by an input; proved live, from the weights.

    With `digits`, on operands of up to so many digits alone: what a banded network is certified for ends below its width.
    """

    certificates: Runs
    outcome: Literal["certified", "refuted"]
    digits: Annotated[int, Field(ge=1, le=1000)] | None = None


class Table(Model):
    """One row of a published table: percentages at test lengths, and the setting they were measured in."""

    task: Text
    base: Annotated[int, Field(ge=2, le=1000)] = 10
    modulus: Annotated[int, Field(ge=2, le=10**6)] | None = None
    trained: Annotated[int, Field(ge=1, le=1000)]
    domain: Literal["either", "both", "sampler"]
    lengths: Text
    percent: Percents
    samples: Count

    _check = field_validator("lengths")(_plain_lengths)

    @model_validator(mode="after")
    def _same_size(self) -> Table:
        if self.domain not in DOMAINS:
            raise ValueError(f"unknown domain {self.domain!r}")
        if len(self.percent) != len(parse_lengths(self.lengths)):
            raise ValueError(f"{len(self.percent)} percentages for {len(parse_lengths(self.lengths))} lengths")
        return self


class TableEvidence(Model):
    table: Table


class PendingEvidence(Model):
    """No evidence can exist yet; the text says what is missing."""

    pending: Text


_KINDS: dict[str, type[Model]] = {
    "check": CheckEvidence,
    "runs": RunsEvidence,
    "certificates": CertificateEvidence,
    "table": TableEvidence,
    "pending": PendingEvidence,
}


def _evidence_kind(value: Any) -> str:
    """The kind of evidence, by the first key that names one."""
    for kind, model in _KINDS.items():
        if isinstance(value, model) or (isinstance(value, dict) and kind in value):
            return kind
    return ""


Evidence = Annotated[
    Annotated[CheckEvidence, Tag("check")]
    | Annotated[RunsEvidence, Tag("runs")]
    | Annotated[CertificateEvidence, Tag("certificates")]
    | Annotated[TableEvidence, Tag("table")]
    | Annotated[PendingEvidence, Tag("pending")],
    Discriminator(
        _evidence_kind, custom_error_type="evidence", custom_error_message=f"evidence needs one of the keys {', '.join(_KINDS)}"
    ),
]

#: rule -> (kinds of evidence it goes with, the fields it needs, beside those of the evidence)
_RULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "proof": (("check", "certificates", "pending"), ()),
    "at_least": (("runs", "table", "pending"), ("alpha", "threshold", "min_examples")),
    "at_most": (("runs", "table", "pending"), ("alpha", "threshold", "min_examples")),
    "equals": (("runs", "table", "pending"), ("alpha", "expected", "margin", "min_examples")),
    "compare": (("runs",), ("alpha", "margin", "min_examples")),
    "goodness_of_fit": (("table",), ("alpha", "expected", "margin", "min_examples")),
    "fits_better": (("table",), ("alpha", "expected", "rival", "min_examples")),
}


class Claim(Model):
    """One statement, with everything needed to decide it. Predictions come from theory or from the statement."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$")]
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
    refines: Text | None = None

    @property
    def evidence_kind(self) -> str:
        return _evidence_kind(self.evidence)

    @model_validator(mode="after")
    def _consistent(self) -> Claim:
        rule, kind = self.decision.rule, self.evidence_kind
        kinds, needed = _RULES[rule]
        if kind not in kinds:
            raise ValueError(f"rule {rule} goes with {' or '.join(kinds)} evidence, not with {kind}")
        if kind in ("runs", "certificates"):
            needed = (*needed, "min_seeds")
        allowed = {*needed, "rule", *(["id_at_least"] if kind == "runs" else []), *(["min_seeds"] if kind == "pending" else [])}
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
    claims: Annotated[tuple[Claim, ...], Strict(False), Field(min_length=1)]


@dataclass(frozen=True)
class Loaded:
    """A claims file that passed every check."""

    path: Path
    sha256: str
    claims: tuple[Claim, ...]


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
        claims = ClaimsFile.model_validate(document.value).claims
    except ValidationError as error:
        raise InputError(_describe(error, document, path.name)) from None
    _refuse_duplicates(claims, document, path.name)
    return Loaded(path, hashlib.sha256(raw).hexdigest(), claims)


def first_existing(*paths: Path) -> Path:
    """The first path that exists, else the last."""
    return next((path for path in paths if path.exists()), paths[-1])


def _describe(error: ValidationError, document: Document, name: str) -> str:
    """The first problem in the file, with its line and its path in the document."""
    problems = [(_place(problem["loc"]), problem["msg"]) for problem in error.errors(include_url=False)]
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

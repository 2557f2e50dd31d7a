"""The kinds of evidence that a claim may rest on, and how each is written; see verify.claims.schema."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, Tag, field_validator, model_validator

from theory.errors import InputError
from theory.language.domains import DOMAINS, parse_lengths
from verify.checks import REGISTRY, parameter_problem


class Model(BaseModel):
    """Frozen, strict (no text for a number), and closed: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


#: without control characters, which a terminal would obey
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")]
Level = Annotated[float, Field(gt=0, le=0.5)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Percents = Annotated[tuple[Annotated[float, Field(ge=0, le=100)], ...], Strict(False), Field(min_length=1, max_length=1000)]


class CheckEvidence(Model):
    """A proof or computation of verify.checks, run live."""

    check: Annotated[Text, Field(json_schema_extra={"enum": list(REGISTRY)})]
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


def _no_pilots(group: str) -> str:
    if group.startswith("pilot-"):
        raise ValueError(f"{group!r}: pilot runs are never evidence")
    return group


class Runs(Model):
    """Which trained networks: a group label."""

    group: Text

    _no_pilots = field_validator("group")(_no_pilots)


class RunsEvidence(Model):
    """Counts of trained networks at some test lengths; with `than`, compared with another group."""

    runs: Runs
    measure: Literal["truth", "learned"]
    lengths: Text
    than: Runs | None = None

    _check = field_validator("lengths")(_lengths)


class ProbesEvidence(Model):
    """What training did to the hidden states of a group's networks, or what undoes truncation: a trial per input, live from the weights.

    The measures are those of empirical.study.trials and empirical.study.truncation.
    """

    probes: Runs
    measure: Literal["result digits", "digit sums", "carries", "equivalent inputs", "shadowed zeros", "keys of zeros"]
    lengths: Text

    _check = field_validator("lengths")(_lengths)


class ScoreEvidence(Model):
    """Predictions registered before training, a trial each: did the networks of a group do as predicted? Groups by name, as in 'grid-*'."""

    score: Text


class CertificateEvidence(Model):
    """Every trained network of a group proved right at every length, or every one refuted by an input; proved live, from the weights.

    With `digits`, on operands of up to so many digits alone: what a banded network is certified for ends below its width. A sparse network
    is `truncating` if it answers every input as the one cut to the trained length, whatever it answers there, and `local` if it computes
    each digit of the result from the roles of a local rule (theory.local.alignment.ROLES).
    """

    certificates: Runs
    outcome: Literal["certified", "refuted", "truncating", "local"]
    digits: Annotated[int, Field(ge=1, le=1000)] | None = None


class PairsEvidence(Model):
    """Networks that are equal but for some settings, a pair for each seed: is the one proved more often where the other is not?

    Groups by name, as in 'annealed-*'. `differ` names the fields of a run's specification that a pair may differ in; a network without a
    partner says nothing. A claim speaks of `min_examples` pairs: fewer or more of them decide nothing.
    """

    pairs: Text
    than: Text
    differ: Annotated[tuple[Text, ...], Strict(False), Field(min_length=1, max_length=10)]

    _no_pilots = field_validator("pairs", "than")(_no_pilots)

    @field_validator("differ")
    @classmethod
    def _known_fields(cls, differ: tuple[str, ...]) -> tuple[str, ...]:
        from empirical.runs.spec import RunSpec

        known = [field.name for field in fields(RunSpec) if field.name != "seed"]
        if unknown := [name for name in differ if name not in known]:
            raise ValueError(f"{unknown[0]!r} is no setting of a run: choose from {', '.join(known)}")
        if len(set(differ)) < len(differ):
            raise ValueError("a setting is named twice")
        return differ


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
    "probes": ProbesEvidence,
    "score": ScoreEvidence,
    "certificates": CertificateEvidence,
    "pairs": PairsEvidence,
    "table": TableEvidence,
    "pending": PendingEvidence,
}


def evidence_kind_of(value: Any) -> str:
    """The kind of evidence, by the first key that names one."""
    for kind, model in _KINDS.items():
        if isinstance(value, model) or (isinstance(value, dict) and kind in value):
            return kind
    return ""


Evidence = Annotated[
    Annotated[CheckEvidence, Tag("check")]
    | Annotated[RunsEvidence, Tag("runs")]
    | Annotated[ProbesEvidence, Tag("probes")]
    | Annotated[ScoreEvidence, Tag("score")]
    | Annotated[CertificateEvidence, Tag("certificates")]
    | Annotated[PairsEvidence, Tag("pairs")]
    | Annotated[TableEvidence, Tag("table")]
    | Annotated[PendingEvidence, Tag("pending")],
    Discriminator(
        evidence_kind_of, custom_error_type="evidence", custom_error_message=f"evidence needs one of the keys {', '.join(_KINDS)}"
    ),
]

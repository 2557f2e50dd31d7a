"""What a proof check rests on, as objects that are checked again by code that did not find them; see theory.proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from theory.errors import InputError
from theory.language.domains import make_training
from theory.language.tasks import Task, make_task
from theory.proofs.property_report import all_properties
from verify.checks import CheckResult
from verify.claims.schema import CheckEvidence, Claim
from verify.verdicts.engine import attempt

MODULAR = ("low support", "base compatible", "multiplicative order")
#: check -> the properties that its statement is about
PROPERTIES = {
    "translation_invariant": ("translation invariant", "finite machine, least significant first", "every base", "section bound"),
    "depends_on_low_digits": MODULAR,
    "needs_every_digit": MODULAR,
}
TRAINED = "4"  # no property in question looks at the training domain


@dataclass(frozen=True)
class Certified:
    """One property of one task: its certificate in words, and whether the proof object held when checked again (None: there is none)."""

    task: str
    base: int
    name: str
    value: bool | None
    certificate: str
    rechecked: bool | None


def certify_claim(claim: Claim) -> tuple[CheckResult, list[Certified]]:
    """The check of a claim run now, and certificates of the properties that it is about; none where it counts instead.

    Raises:
        InputError: the claim does not rest on a check.
    """
    if not isinstance(claim.evidence, CheckEvidence):
        raise InputError(f"claim {claim.id} rests on no live check: for a network, arith-verify certify RUN prints its certificate")
    check, params = claim.evidence.check, claim.evidence.params
    wanted, found = PROPERTIES.get(check, ()), []
    for task in _tasks(check, params):
        for row in all_properties(task, make_training("either", TRAINED)):
            if row.name in wanted and row.applies:
                verdict = row.verdict
                found.append(Certified(task.text, task.base, row.name, verdict.value, verdict.certificate, row.rechecked))
    return attempt((check, params)), found


def _tasks(check: str, params: Mapping[str, Any]) -> Iterator[Task]:
    if check == "translation_invariant":
        yield from (make_task(expr=params["expr"], base=base) for base in params["bases"])
    elif check in PROPERTIES:
        yield from (make_task(f"mod-{params['operation']}", base=params["base"], modulus=p) for p in params["moduli"])

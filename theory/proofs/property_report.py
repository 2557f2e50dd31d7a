"""All decidable properties of a task at once, each with its certificate, and the certificates checked again.

`arith-theory properties` prints this. A row's verdict is True or False, both proven, or None: undecided, outside the class that is decided,
or a property that the task cannot have (`applies` is False). Certificates of undecided rows say why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from theory.automata.machines import Machine, TooLarge
from theory.automata.monoids import aperiodicity
from theory.automata.rests import All, Serial
from theory.automata.serial import invariance, serial
from theory.automata.triviality import r_triviality
from theory.language.domains import Training
from theory.language.expressions import affine
from theory.language.tasks import Task
from theory.predictions.report import columns, ranges
from theory.proofs.refutations import count_rests, digit_pairs
from theory.proofs.residues import ResidueGroup, multiplicative_order, residue_aperiodicity
from theory.proofs.task_verdicts import Decided, compatibility, identifiability, shift_equivariance, support
from theory.proofs.verdicts import Proof, Verdict, io_memory

MAX_MONOID = 5_000  # elements that are listed here
MAX_SHOWN = 300  # characters of a certificate in the text
ENDS = {"lsd": "least significant first", "msd": "most significant first"}


@dataclass(frozen=True)
class Row:
    """One property of a task.

    Attributes:
        name: the property.
        verdict: with the certificate in words and its proof object.
        how: the method of the proof; `-` where there is none.
        rechecked: whether the proof object was checked again with success; None where there is none.
        applies: False for a property that the task cannot have, like a modulus that divides a power of the base.
    """

    name: str
    verdict: Verdict
    how: str
    rechecked: bool | None
    applies: bool = True


def all_properties(task: Task, training: Training) -> tuple[Row, ...]:
    """Every property of the task; identifiability is for the training domain. Each distinct proof is checked again once."""
    known: dict[int, bool] = {}
    rows = []
    for name, applies, decide in _questions(task, training):
        verdict, how = decide() if applies else (Verdict(None, "does not apply: " + NOT_APPLICABLE[name]), "-")
        rows.append(Row(name, verdict, how, None if verdict.proof is None else _checked(verdict.proof, known), applies))
    return tuple(rows)


NOT_APPLICABLE = {
    "delay": "no finite machine in either direction",
    "every base": "the digit rules that are proven for a symbolic base are those of alpha*a + beta*b and a - b",
    "base compatible": "no outermost modulus",
    "identifiable": "no outermost modulus that training could miss",
    "multiplicative order": "no outermost modulus",
    "I/O memory": "no finite machine in either direction",
    "aperiodic": "no finite machine in either direction",
    "R-trivial": "no finite machine in either direction",
}


def _checked(proof: Proof, known: dict[int, bool]) -> bool:
    """Check a proof, and the parts of a proof one by one, each once."""
    if isinstance(proof, All):
        return len(proof.proofs) > 0 and all(_checked(part, known) for part in proof.proofs)
    if id(proof) not in known:  # the proofs live as long as the rows, so an id names one
        known[id(proof)] = proof.check()
    return known[id(proof)]


def _questions(task: Task, training: Training) -> Iterator[tuple[str, bool, Callable[[], Decided]]]:
    """(name, whether the task can have the property, how it is decided)."""
    ends = {direction: serial(task, direction) for direction in ENDS}
    modular = task.modulus is not None
    machine = next(((direction, found.machine) for direction, found in ends.items() if found.machine is not None), None)
    none = all(found.verdict.value is False for found in ends.values())
    linear = affine(task.inner) if modular and none else None

    yield "shift equivariant", True, partial(shift_equivariance, task)
    for direction, words in ENDS.items():
        yield f"finite machine, {words}", True, partial(_existence, ends[direction])
    yield "delay", not none, partial(_delay, ends)
    yield "translation invariant", True, partial(invariance, task)
    yield "every base", _symbolic(task) is not None, partial(_every_base, task)
    yield "base compatible", modular, partial(compatibility, task)
    yield "low support", True, partial(support, task)
    yield "identifiable", modular, partial(identifiability, task, training)
    yield "multiplicative order", modular, partial(_order, task)
    yield "I/O memory", not none, partial(_of_machine, machine, io_memory)
    if linear is not None:
        yield "aperiodic", True, partial(_residues, task, linear)
        yield "R-trivial", True, partial(_residues_r_trivial, task, linear)
    else:
        yield "aperiodic", not none, partial(_of_machine, machine, partial(aperiodicity, limit=MAX_MONOID))
        yield "R-trivial", not none, partial(_of_machine, machine, r_triviality)
    yield "section bound", True, partial(_sections, task)


def _existence(found: Serial) -> Decided:
    return found.verdict, found.how


def _delay(ends: dict[str, Serial]) -> Decided:
    """The least delay over the directions in which there is a machine."""
    found = [(found.verdict.digits, ENDS[direction], found) for direction, found in ends.items() if found.verdict.digits is not None]
    if not found:
        return Verdict(None, "undecided: no machine was found, and it is not proven that there is none"), "-"
    text = "; ".join(f"{digits} {words}" for digits, words, _ in found)
    best = min(found, key=lambda each: each[0])[2]
    return Verdict(True, text, best.verdict.digits, All(tuple(each.verdict.proof for *_, each in found if each.verdict.proof))), best.how


def _of_machine(machine: tuple[str, Machine] | None, decide: Callable[[Machine], Verdict]) -> Decided:
    if machine is None:
        return Verdict(None, "undecided: no machine was built; see the rows of the machines"), "-"
    direction, table = machine
    found = decide(table)
    return Verdict(found.value, f"{ENDS[direction]}: {found.certificate}", found.digits, found.proof), "machine" if found.proof else "-"


def _residues(task: Task, linear: tuple[int, int, int]) -> Decided:
    """Of the machine that follows the residue while it reads."""
    found = residue_aperiodicity(task.base, task.modulus or 1, linear[:2])
    return Verdict(found.value, f"following the residue: {found.certificate}", found.digits, found.proof), "algebra of residues"


def _residues_r_trivial(task: Task, linear: tuple[int, int, int]) -> Decided:
    """A monoid that holds a group of two or more elements is not R-trivial: the elements of a group are R-equivalent."""
    found, how = _residues(task, linear)
    if not isinstance(found.proof, ResidueGroup):
        return Verdict(None, "undecided: no machine was built"), "-"
    return Verdict(False, f"{found.certificate}, whose elements are R-equivalent", None, found.proof), how


def _order(task: Task) -> Decided:
    found = multiplicative_order(task.base, task.modulus or 1)
    return found, "arithmetic" if found.proof else "-"


def _symbolic(task: Task) -> tuple[int, int] | None:
    """(alpha, beta) of a task whose digit rule is proven for every base."""
    found = affine(task.expression)
    if found is None or found[2] or (min(found) < 0 and found != (1, -1, 0)):
        return None
    return found[:2]


def _every_base(task: Task) -> Decided:
    """The digit rule, for a symbolic base."""
    from theory.proofs.smt import ADDITION, SUBTRACTION, every_base, every_base_linear

    slopes = _symbolic(task) or (1, 1)
    rules = {(1, 1): ADDITION, (1, -1): SUBTRACTION}
    found = every_base(rules[slopes]) if slopes in rules else every_base_linear(*slopes)
    name = f"digit rule of {rules[slopes].name}, " if slopes in rules else ""
    note = "; right modulo B^n at every width n, and its last borrow is the sign" if slopes == (1, -1) else ""
    return Verdict(found.value, f"{name}{found.certificate}{note}", None, found.proof), "z3" if found.proof else "-"


def _sections(task: Task) -> Decided:
    """How many states a reader needs that has read the low digits."""
    try:
        found = count_rests(task)
    except TooLarge as reason:
        return Verdict(None, f"undecided: {reason}"), "-"
    kind = "exactly" if found.exact else "at least"
    after = f"after {digit_pairs(found.depth)}, with {found.written} result digits written"
    text = f"{kind} {found.count} different rests {after}: a reader needs as many states there"
    return Verdict(True, text, found.count, found), "Myhill-Nerode"


# ------------------------------------------------------------------------------------------------------------------------ output


def properties_text(task: Task, training: Training, rows: tuple[Row, ...]) -> str:
    """One line per property."""
    head = ("property", "verdict", "checked again", "how", "certificate")
    lengths = ranges(training.lengths)
    title = f"{task.text} in base {task.base}; training: lengths {lengths} ({training.domain})"
    return "\n".join([title, "", *columns([head, *map(_cells, rows)])])


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {True: "true", False: "false", None: "unknown" if row.applies else "n/a"}[row.verdict.value]
    again, text = {True: "yes", False: "FAILED", None: "-"}[row.rechecked], row.verdict.certificate
    shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... (--json prints all)"
    return row.name, verdict, again, row.how, shown


def properties_json(task: Task, training: Training, rows: tuple[Row, ...]) -> dict[str, Any]:
    """The object that `properties --json` prints; `number` is the delay, the digits, the order or the count that a property has."""
    return {
        "task": task.to_dict(),
        "train": {"domain": training.domain, "lengths": list(training.lengths)},
        "properties": [
            {
                "property": row.name,
                "applies": row.applies,
                "verdict": row.verdict.value,
                "number": row.verdict.digits,
                "certificate": row.verdict.certificate,
                "how": row.how,
                "rechecked": row.rechecked,
            }
            for row in rows
        ],
    }

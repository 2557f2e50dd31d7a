"""The digit-serial machine of a task, as `arith-theory machine` prints it."""

from __future__ import annotations

from typing import Any

from theory.automata.formats import MAX_DRAWN, labelled_edges, title, to_dot, to_json, to_mermaid
from theory.automata.machines import Machine, TooLarge
from theory.automata.monoids import aperiodicity, transition_monoid
from theory.automata.rests import Serial, count_states
from theory.automata.serial import serial
from theory.automata.triviality import r_triviality
from theory.errors import InputError
from theory.language.tasks import Task
from theory.predictions.report import answer
from theory.proofs.property_report import ENDS, MAX_MONOID
from theory.proofs.refutations import count_rests, digit_pairs
from theory.proofs.verdicts import Verdict, io_memory, recurrence

WRITERS = {"dot": to_dot, "mermaid": to_mermaid, "json": to_json}
FORMATS = ("text", *WRITERS)
OTHER = {"lsd": "msd", "msd": "lsd"}


def machine_of(task: Task, direction: str) -> Serial:
    """The machine of a task, or the proof that there is none.

    Raises:
        InputError: an unknown direction, or undecided: the limit or the class is named.
    """
    if direction not in ENDS:
        raise InputError(f"unknown direction {direction!r}: choose lsd or msd")
    found = serial(task, direction)
    if found.verdict.value is None or (found.verdict.value and found.machine is None):
        raise InputError(f"no machine of {task.text} in base {task.base}, {ENDS[direction]}: {found.verdict.certificate}")
    return found


def write(task: Task, direction: str, found: Serial, format: str) -> str:
    """In one of FORMATS.

    Raises:
        InputError: an unknown format, nothing to draw, or too large a drawing.
    """
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}: choose from {', '.join(FORMATS)}")
    if format == "text":
        return machine_text(task, direction, found)
    if found.machine is None:
        raise InputError(f"there is no machine of {task.text}, {ENDS[direction]}: --format text says why")
    return WRITERS[format](found.machine).rstrip("\n")


def machine_text(task: Task, direction: str, found: Serial) -> str:
    """The machine and what is known of it, or why there is none."""
    head = f"{task.text} in base {task.base}, {ENDS[direction]}"
    again = f"checked again: {'yes' if _checked(found) else 'FAILED'}"
    if found.machine is None:
        why = f"why: {found.verdict.certificate} ({found.how}; {again})"
        return "\n".join([f"{head}: no finite machine", why, *_sections(task), _hint(task, direction)])
    machine = found.machine
    lines = [
        head,
        f"computes the task at every length: {found.verdict.certificate} ({found.how}; {again})",
        f"states: {len(machine.table)}, minimal",
        f"delay: {found.verdict.digits}",
        *(f"{name}: {answer(verdict)}" for name, verdict in _facts(machine).items()),
        f"transition monoid: {_monoid(machine)}",
    ]
    if len(machine.table) > MAX_DRAWN:
        return "\n".join([*lines, "", f"the table of {len(machine.table)} states: --format json"])
    edges = [f"  {s} -> {t}: {' | '.join(label)}" for s, t, label in labelled_edges(machine)]
    return "\n".join([*lines, "", f"start {machine.start}; edges: {title(machine).rpartition(', ')[2]}", *edges])


def machine_json(task: Task, direction: str, found: Serial) -> dict[str, Any]:
    """The object that `machine --json` prints; `--format json` prints the machine's table alone."""
    base = {
        "task": task.to_dict(),
        "direction": direction,
        "exists": found.verdict.value,
        "certificate": found.verdict.certificate,
        "how": found.how,
        "rechecked": _checked(found),
    }
    if found.machine is None:
        return base | {"sections": _section_count(task)}
    facts = {
        name: {"verdict": verdict.value, "number": verdict.digits, "certificate": verdict.certificate}
        for name, verdict in _facts(found.machine).items()
    }
    sizes = {"states": len(found.machine.table), "delay": found.verdict.digits, "monoid": _elements(found.machine)}
    return base | sizes | {"properties": facts}


def _checked(found: Serial) -> bool:
    return found.verdict.proof is not None and found.verdict.proof.check()


def _facts(machine: Machine) -> dict[str, Verdict]:
    return {
        "comes back to its start": recurrence(machine),
        "I/O memory": io_memory(machine),
        "aperiodic": aperiodicity(machine, MAX_MONOID),
        "R-trivial": r_triviality(machine),
    }


def _elements(machine: Machine) -> int | None:
    """Elements of the transition monoid; None for more than MAX_MONOID."""
    try:
        return len(transition_monoid(machine, MAX_MONOID).elements)
    except TooLarge:
        return None


def _monoid(machine: Machine) -> str:
    size = _elements(machine)
    return f"more than {MAX_MONOID} elements" if size is None else f"{size} elements" if size != 1 else "1 element"


def _section_count(task: Task) -> dict[str, Any] | None:
    try:
        found = count_rests(task)
    except TooLarge:
        return None
    return {"depth": found.depth, "count": found.count, "exact": found.exact, "rechecked": found.check()}


def _sections(task: Task) -> list[str]:
    counts = _section_count(task)
    if counts is None:
        return []
    kind, again = "exactly" if counts["exact"] else "at least", "yes" if counts["rechecked"] else "FAILED"
    seen = f"{kind} {counts['count']} different rests after {digit_pairs(counts['depth'])}"
    return [f"section bound: {seen} (Myhill-Nerode; checked again: {again})"]


def _hint(task: Task, direction: str) -> str:
    other = serial(task, OTHER[direction])
    if other.machine is None:
        return f"{ENDS[OTHER[direction]]}: {'no finite machine either' if other.verdict.value is False else 'not decided'}"
    return f"{ENDS[OTHER[direction]]} there is one of {count_states(other.machine)}: --direction {OTHER[direction]}"

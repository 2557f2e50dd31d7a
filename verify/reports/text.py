"""Verdicts as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from theory.words import counted
from verify.claims.dependence import shaken
from verify.claims.schema import Claim, Loaded
from verify.verdicts.engine import Verdict
from verify.verdicts.statistics import UNTESTED, VERDICTS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from verify.checks import CheckResult
    from verify.checks.certificates import Certified
    from verify.verdicts.controls import Control
    from verify.verdicts.ledger import Change

#: headings of the families of this project's claims; others stand under their own name
FAMILIES = {
    "P1": "P1: arXiv 2308.08268",
    "P2": "P2: arXiv 2407.17963",
    "tables": "Tables of the papers, row by row",
    "refinements": "Ours: refinements, and readings that we expect to be refuted",
    "registered": "Predictions registered for small bases",
    "certificates": "Certificates: trained networks proved right at every length",
}
STYLES = {"supported": "green", "refuted": "red", "inconclusive": "yellow", "untested": "dim", "error": "bold magenta"}


def make_console() -> Console:
    """Standard output; wide where it is not a terminal, so that a saved table is not folded to 80 columns."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=140)


def tally(verdicts: Sequence[Verdict | Control]) -> str:
    """'12 supported, 3 refuted, ...' in a fixed order."""
    counts = {name: sum(verdict.verdict == name for verdict in verdicts) for name in VERDICTS}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def print_verdicts(console: Console, loaded: Loaded, verdicts: Sequence[Verdict]) -> None:
    """One row per claim, with what the verdict rests on."""
    statements = {claim.id: _escape(claim.statement) for claim in loaded.claims}
    notes = shaken(loaded, verdicts)
    widest = max(len("claim"), *(len(verdict.id) for verdict in verdicts))
    for family in dict.fromkeys(verdict.family for verdict in verdicts):
        console.print(f"[bold]{_escape(FAMILIES.get(family, family))}[/bold]")
        table = _table("claim", "kind", "verdict", "statement, and why")
        table.columns[0].width, table.columns[2].width = widest, 12
        for verdict in (verdict for verdict in verdicts if verdict.family == family):
            why = f"{statements[verdict.id]}\n[dim]{_escape(verdict.detail)}[/dim]"
            why += f"\n[red]{_escape(notes[verdict.id])}[/red]" if verdict.id in notes else ""
            table.add_row(verdict.id, verdict.kind, f"[{STYLES[verdict.verdict]}]{verdict.verdict}[/]", why)
        console.print(table)
    console.print(f"{counted(len(verdicts), 'claim')}: {tally(verdicts)}")
    print_source(console, loaded)


def controls_json(found: Sequence[Control], seed: int) -> str:
    """The JSON object that `controls --json` prints."""
    return json.dumps({"seed": seed, "controls": [{**asdict(control), "passed": control.passed} for control in found]}, indent=1)


def print_controls(console: Console, found: Sequence[Control], seed: int) -> None:
    """A line per kind of control, and each control that failed."""
    table = _table("control", "must be", "passed", "verdicts")
    for name in dict.fromkeys(control.name for control in found):
        kind = [control for control in found if control.name == name]
        tried = [control for control in kind if control.verdict != UNTESTED]
        must = "supported" if name == "as predicted" else "not supported"
        table.add_row(name, must, f"{sum(control.passed for control in tried)} of {len(tried)}", tally(kind))
    console.print(table)
    for control in found:
        if not control.passed:
            word = "[bold red]failed[/]" if control.alarming else "[yellow]weak[/]"
            shown = f"{control.claim}, {control.name}: {control.verdict}: {_escape(control.detail)}"
            console.print(f"{word}: {shown}", highlight=False)
    console.print(f"{counted(len({control.claim for control in found}), 'claim')} controlled, with --seed {seed}", highlight=False)


def print_changes(console: Console, found: Sequence[Change], last: Mapping[str, Any]) -> None:
    """A line per claim that is not as it was."""
    for change in found:
        match change.what:
            case "verdict":
                console.print(f"[bold]{change.claim}[/bold]: was {_escape(change.before)}", highlight=False)
                console.print(f"   now {_escape(change.now)}", highlight=False)
            case "claim":
                console.print(f"[bold]{change.claim}[/bold]: the claim was edited; was {change.before}, now {change.now}", highlight=False)
            case "evidence":
                console.print(f"[bold]{change.claim}[/bold]: other evidence: {_escape(change.now)}", highlight=False)
            case what:
                console.print(f"[bold]{change.claim}[/bold]: {what}: {_escape(change.now or change.before)}", highlight=False)
    console.print(f"{len(found)} of {len(last['verdicts'])} claims changed in the run of {last['time']}", highlight=False)


def print_source(console: Console, loaded: Loaded) -> None:
    """Which file was read: a verdict means nothing without it."""
    console.print(f"claims file {loaded.path}\nsha256 {loaded.sha256}", soft_wrap=True, highlight=False)


def print_list(console: Console, loaded: Loaded) -> None:
    """All claims, without deciding any."""
    table = _table("claim", "source", "kind", "scale", "statement")
    for claim in loaded.claims:
        source = _escape(f"{claim.source.paper} {claim.source.location}")
        table.add_row(claim.id, source, claim.kind, claim.scale, _escape(claim.statement))
    console.print(table)
    print_source(console, loaded)


def print_claim(console: Console, claim: Claim, claims: Sequence[Claim]) -> None:
    """Everything the file says about one claim, and which others rest on it."""
    said = claim.model_dump(exclude_none=True)
    said["needed by"] = [other.id for other in claims if claim.id in (other.depends_on or ())] or "no other claim"
    for name, value in said.items():
        parts = [f"{key}: {part}" for key, part in value.items()] if isinstance(value, dict) else value
        text = parts if isinstance(parts, str) else ", ".join(parts) if isinstance(parts, list | tuple) else str(parts)
        console.print(f"[bold]{name:>12}[/bold]  {_escape(text)}", highlight=False)


def print_certificate(console: Console, claim: Claim, result: CheckResult, found: Sequence[Certified]) -> None:
    """The verdict now, and each certificate with what checking it again gave."""
    console.print(f"[{STYLES[result.verdict]}]{result.verdict}[/]: {_escape(claim.statement)}", highlight=False)
    console.print(f"{_escape(result.detail)}; {result.examined} cases", highlight=False)
    for one in found:
        again = {True: "checked again", False: "[bold red]does not hold when checked again[/]", None: "no object to check again"}
        value = {True: "true", False: "false", None: "undecided"}[one.value]
        console.print(f"\n{_escape(one.task)} in base {one.base}: {one.name}: {value} ({again[one.rechecked]})", highlight=False)
        console.print(f"   {_escape(one.certificate)}", highlight=False)
    if not found:
        console.print("the check counts and computes: it leaves no smaller object than itself to check again", highlight=False)


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False, expand=True)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("kind", "verdict", "scale"))
    return table


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)

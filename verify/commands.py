"""What the commands of arith-verify share: choosing claims, deciding them, printing, the ledger, the exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from theory.errors import InputError
from verify.claims.schema import Loaded

if TYPE_CHECKING:
    from verify.verdicts.engine import Verdict


def known(loaded: Loaded, ids: list[str]) -> None:
    known = {claim.id for claim in loaded.claims}
    if unknown := [name for name in ids if name not in known]:
        from difflib import get_close_matches

        close = get_close_matches(unknown[0], known, 3)
        remedy = f"did you mean {', '.join(close)}?" if close else "`arith-verify list` names them"
        raise InputError(f"unknown claim {unknown[0]!r}: {remedy}")


@contextmanager
def shown_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, and the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading the evidence", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


@dataclass(frozen=True)
class Asked:
    """How claims are to be decided: the options that `all`, `run` and `report` share."""

    results: Path | None
    examples: int
    seed: int | None
    sample: bool
    retrain: tuple[str, ...] = ()
    into: Path = Path("retrained")
    ledger: Path | None = None


def chosen(loaded: Loaded, only: list[str] | None, scale: str | None) -> list[str]:
    """The ids of the families and of the scale asked for."""
    families = {claim.family for claim in loaded.claims}
    if unknown := [name for name in only or () if name not in families]:
        raise InputError(f"unknown family {unknown[0]!r}: choose from {', '.join(sorted(families))}")
    if scale not in (None, "symbolic", "reduced", "paper"):
        raise InputError(f"unknown scale {scale!r}: choose from symbolic, reduced, paper")
    ids = [claim.id for claim in loaded.claims if claim.family in (only or families) and scale in (None, claim.scale)]
    if not ids:
        raise InputError(f"no claim of {', '.join(only or ())} is of scale {scale}")
    return ids


def decide(loaded: Loaded, ids: list[str], asked: Asked) -> tuple[list[Verdict], dict[str, Any]]:
    """Decide, and note it in the ledger."""
    from functools import partial
    from secrets import randbelow

    from verify.certificates.outcomes import outcomes
    from verify.verdicts import ledger as book
    from verify.verdicts.engine import attempt, crashed, run_claims, sampled
    from verify.verdicts.evidence import load_evidence, results_folder
    from verify.verdicts.probes import probe_jobs
    from verify.verdicts.provenance import provenance
    from verify.verdicts.reevaluate import evaluate_jobs
    from verify.verdicts.retrain import retrain
    from verify.verdicts.workers import Workers

    folder = results_folder(asked.results)
    runs = load_evidence(folder)
    seed = randbelow(2**31) if asked.seed is None else asked.seed
    known(loaded, list(asked.retrain))
    with shown_progress() as progress, Workers() as workers:
        if asked.retrain:
            anew = [claim for claim in loaded.claims if claim.id in asked.retrain]
            runs = retrain(anew, runs, folder, asked.into, workers, progress)
        verdicts = run_claims(
            loaded.claims, ids, runs, asked.examples, seed, sample=asked.sample, progress=progress,
            reevaluate=partial(evaluate_jobs, workers=workers),
            probe=partial(probe_jobs, workers=workers),
            certify=partial(outcomes, live=sampled(runs, seed) if asked.sample else None, workers=workers),
            prove=lambda checks: (result for _, result in workers.run(attempt, checks, crashed)),
        )  # fmt: skip
    rests_on = provenance(loaded, runs, seed, asked.examples, asked.sample)
    try:
        book.append(asked.ledger or book.default_path(), book.entry(loaded, verdicts, rests_on))
    except InputError as error:
        typer.echo(f"not noted: {error}", err=True)
    return verdicts, rests_on


def print_result(loaded: Loaded, verdicts: list[Verdict], provenance: dict[str, Any], json: bool, markdown: bool) -> None:
    from verify.reports import formats
    from verify.reports.text import make_console, print_verdicts

    if json:
        typer.echo(formats.verdicts_json(verdicts, provenance))
    elif markdown:
        typer.echo(formats.markdown(loaded, verdicts, provenance))
    else:
        console = make_console()
        print_verdicts(console, loaded, verdicts)
        which = "one network of each group" if provenance["sample"] else "networks"
        console.print(f"{which} evaluated again with --seed {provenance['seed']} --examples {provenance['examples']}", highlight=False)


def failing(fail_on: str) -> set[str]:
    """The verdicts to fail on; `error` always is one."""
    from verify.verdicts.statistics import SUPPORTED, VERDICTS

    names = {name.strip() for name in fail_on.split(",")} - {""}
    if unknown := sorted(names - set(VERDICTS) | names & {SUPPORTED}):
        raise InputError(f"--fail-on {unknown[0]}: choose from refuted, inconclusive, untested, error")
    return names | {"error"}


def exit_code(verdicts: list[Verdict], bad: set[str]) -> int:
    """0 when every check ran (a refuted claim is a finding), 1 when one did not or a verdict is one to fail on."""
    return int(any(verdict.verdict in bad for verdict in verdicts))


def writable(paths: Sequence[Path]) -> None:
    """Look before anything is decided, which takes minutes, whether the files can be written.

    Raises:
        InputError: one of them cannot, or is named twice.
    """
    for index, path in enumerate(paths):
        if path in paths[:index]:
            raise InputError(f"{path}: asked for in two formats: name a file for each")
        if not path.parent.is_dir():
            raise InputError(f"{path}: {path.parent} is no folder: name a file that can be written")
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise InputError(f"{path}: {'a folder' if path.is_dir() else 'not writable'}: name a file that can be written")


def write(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader never sees half a file."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: name a file that can be written") from None
    typer.echo(f"{path}: {len(text.encode())} bytes", err=True)

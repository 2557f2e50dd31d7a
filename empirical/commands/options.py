"""What the commands of `arith-train` share: options, and how runs and devices are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from theory.errors import InputError

if TYPE_CHECKING:
    from empirical.runs.store import Run

Results = Annotated[Path, typer.Option("--results", help="run store: one folder per RunSpec digest")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
Compiled = Annotated[bool, typer.Option("--compile", help="compiled kernels on the CPU: needs a C++ compiler, see README")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto")]
RunName = Annotated[str, typer.Argument(help="digest of a run, or its first characters")]
RunNames = Annotated[list[str] | None, typer.Argument(help="digests of runs, or their first characters")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="all runs of a group; 'add-*' names several groups")]


def usable_device(name: str) -> str:
    """`cpu` or `cuda`.

    Raises:
        InputError: an unknown name, or a GPU asked for where none is.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"unknown device {name!r}: choose cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: no CUDA device is available, use --device cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def existing(results: Path) -> Path:
    if not results.is_dir():
        raise InputError(f"{results}: no such folder: give a run store with --results")
    return results


def find_run(results: Path, digest: str) -> Run:
    """The finished run that a digest, or its first characters, names."""
    from empirical.runs.store import load_run

    found = sorted(path.parent for path in existing(results).glob("*/result.json") if path.parent.name.startswith(digest))
    if len(found) != 1:
        raise InputError(f"{'no run' if not found else f'{len(found)} runs'} in {results} with digest {digest!r}: see arith-train list")
    return load_run(found[0])


def find_runs(results: Path, names: Sequence[str] | None, groups: Sequence[str] | None) -> list[Run]:
    """The runs named, then those of the groups, each once."""
    from empirical.runs.store import load_runs

    if not names and not groups:
        raise InputError("no runs: name them by digest, or a group with --group: see arith-train list")
    found = [find_run(results, name) for name in names or ()]
    stored = load_runs(existing(results)) if groups else []
    for pattern in groups or ():
        here = [run for run in stored if fnmatchcase(run.result["group"] or "", pattern)]
        if not here:
            raise InputError(f"no run of a group {pattern!r} in {results}: see arith-train list")
        found += here
    return list({run.folder: run for run in found}.values())


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends a command in one line; what it had begun goes on when the command is given again."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command goes on from the last checkpoint", err=True)
        raise typer.Exit(130) from None

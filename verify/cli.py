"""arith-verify: what the papers claim, and what proofs and trained networks say to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theory.cli import run
from theory.errors import InputError
from verify.claims import Loaded, load_claims

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ClaimsOption = Annotated[Path | None, typer.Option("--claims", help="Claims file; default: the checkout's, else the packaged one.")]
ResultsOption = Annotated[Path | None, typer.Option("--results", help="Folder of runs; default: the checkout's, else the packaged one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ExamplesOption = Annotated[int, typer.Option("--examples", min=20, max=100_000, help="Fresh inputs per network and test length.")]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of the fresh inputs; default: a new one.")]


@app.command("all")
def check_all(
    claims: ClaimsOption = None,
    results: ResultsOption = None,
    json: JsonOption = False,
    examples: ExamplesOption = 200,
    seed: SeedOption = None,
) -> None:
    """Decide every claim."""
    loaded = load_claims(claims)
    _run(loaded, [claim.id for claim in loaded.claims], results, json, examples, seed)


@app.command("run")
def check_some(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Claims to decide; `arith-verify list` names them.")],
    claims: ClaimsOption = None,
    results: ResultsOption = None,
    json: JsonOption = False,
    examples: ExamplesOption = 200,
    seed: SeedOption = None,
) -> None:
    """Decide the claims named."""
    loaded = load_claims(claims)
    _known(loaded, ids)
    _run(loaded, ids, results, json, examples, seed)


@app.command("list")
def list_claims(claims: ClaimsOption = None, json: JsonOption = False) -> None:
    """Show all claims without deciding any."""
    loaded = load_claims(claims)
    if json:
        from json import dumps

        head = {"claims_file": str(loaded.path), "sha256": loaded.sha256}
        typer.echo(dumps({**head, "claims": [claim.model_dump(mode="json", exclude_none=True) for claim in loaded.claims]}, indent=1))
        return
    from verify.report import make_console, print_list

    print_list(make_console(), loaded)


@app.command("show")
def show_claim(
    claim_id: Annotated[str, typer.Argument(metavar="ID", help="A claim; `arith-verify list` names them.")],
    claims: ClaimsOption = None,
    json: JsonOption = False,
) -> None:
    """Show everything the file says about one claim."""
    loaded = load_claims(claims)
    _known(loaded, [claim_id])
    claim = next(claim for claim in loaded.claims if claim.id == claim_id)
    if json:
        typer.echo(claim.model_dump_json(indent=1, exclude_none=True))
        return
    from verify.report import make_console, print_claim

    print_claim(make_console(), claim)


@app.command("certify")
def certify_network(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Digest of a run, or its first characters.")] = None,
    results: ResultsOption = None,
    check: Annotated[Path | None, typer.Option("--check", help="Prove this certificate again instead of writing one.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Contexts to enumerate at most; default: 20 million.")] = None,
    json: JsonOption = False,
) -> None:
    """Prove a windowed network right at every length, a banded one up to some digits, or find an input that it gets wrong."""
    from json import dumps

    from rich.console import Console
    from rich.progress import Progress

    from verify.certificates import certificate_json, certificate_text, command

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("contexts", total=None)
        found, path = command(run, results, check, limit, lambda done, total: bar.update(task, completed=done, total=total))
    said = f"{path}: {'confirmed' if check else 'written'}"
    typer.echo(dumps({**certificate_json(found), "file": str(path)}, indent=1) if json else f"{certificate_text(found)}\n{said}")
    raise typer.Exit(0 if found.verdict == "certified" else 1)


@app.command("diagnose")
def diagnose_answers(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Answers of any model: columns a, b, answer, in decimal.")],
    train: Annotated[str, typer.Option("--train", help="Lengths the model was trained on: 4, 1-3 or 2,4.")],
    task: Annotated[str | None, typer.Option("--task", help="A task of arith-theory: add, mul, mod-add, ...")] = None,
    expr: Annotated[str | None, typer.Option("--expr", help="Your own task, like '(3*a + b) % 24'.")] = None,
    modulus: Annotated[int | None, typer.Option("--modulus", help="p of the tasks that have one.")] = None,
    base: Annotated[int, typer.Option("--base", help="Number base that the model writes in, at least 2.")] = 10,
    train_domain: Annotated[str, typer.Option("--train-domain", help="either (D_n), both (D_abn) or sampler.")] = "either",
    json: JsonOption = False,
) -> None:
    """What a model does, from its answers alone: accuracy per length, what the wrong answers are, and which prediction they fit."""
    from json import dumps

    from theory.language.domains import make_training
    from theory.language.tasks import make_task
    from verify.diagnose import diagnose, diagnosis_json, print_diagnosis, read_answers
    from verify.report import make_console

    asked = make_task("add" if task is None and expr is None else task, expr, base, modulus)
    found = diagnose(asked, make_training(train_domain, train), read_answers(file))
    if json:
        typer.echo(dumps(diagnosis_json(found), indent=1))
    else:
        print_diagnosis(make_console(), found)


def _known(loaded: Loaded, ids: list[str]) -> None:
    known = {claim.id for claim in loaded.claims}
    if unknown := [name for name in ids if name not in known]:
        from difflib import get_close_matches

        close = get_close_matches(unknown[0], known, 3)
        remedy = f"did you mean {', '.join(close)}?" if close else "`arith-verify list` names them"
        raise InputError(f"unknown claim {unknown[0]!r}: {remedy}")


def _run(loaded: Loaded, ids: list[str], results: Path | None, json: bool, examples: int, seed: int | None) -> None:
    """Decide, print, and exit with the code of the verdicts."""
    from secrets import randbelow

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from verify.engine import run_claims
    from verify.evidence import load_evidence, results_folder
    from verify.report import as_json, exit_code, make_console, print_verdicts

    runs = load_evidence(results_folder(results))
    seed = randbelow(2**31) if seed is None else seed
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading the evidence", total=None)
        verdicts = run_claims(
            loaded.claims,
            ids,
            runs,
            examples,
            seed,
            progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    if json:
        typer.echo(as_json(loaded, verdicts, seed, examples))
    else:
        console = make_console()
        print_verdicts(console, loaded, verdicts)
        console.print(f"networks evaluated again with --seed {seed} --examples {examples}", highlight=False)
    raise typer.Exit(exit_code(verdicts))


def main() -> None:
    """Entry point: bad input is one line on stderr and exit code 2."""
    run(app)


if __name__ == "__main__":
    main()

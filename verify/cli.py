"""arith-verify: what the papers claim, and what proofs and trained networks say to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theory.cli import run
from theory.errors import InputError
from theory.words import counted
from verify.claims.schema import load_claims
from verify.commands import Asked, chosen, decide, exit_code, failing, known, print_result, shown_progress, writable, write

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
FullOption = Annotated[bool, typer.Option("--full", help="Evaluate and certify every network again, not one of each group.")]
OnlyOption = Annotated[list[str] | None, typer.Option("--only", metavar="FAMILY", help="Claims of these families alone.")]
ScaleOption = Annotated[str | None, typer.Option("--scale", help="Claims of this scale alone: symbolic, reduced or paper.")]
FailOption = Annotated[str, typer.Option("--fail-on", help="Verdicts to exit with 1 for, beside error: refuted, inconclusive, untested.")]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print Markdown, as for a CI summary.")]
RetrainOption = Annotated[list[str] | None, typer.Option("--retrain", metavar="ID", help="Train the networks of these claims anew first.")]
IntoOption = Annotated[Path, typer.Option("--into", help="Store of what --retrain trains.")]
LedgerOption = Annotated[Path | None, typer.Option("--ledger", help="Ledger of verdicts; default: that of this user.")]


@app.command("all")
def check_all(
    claims: ClaimsOption = None, results: ResultsOption = None, only: OnlyOption = None, scale: ScaleOption = None,
    full: FullOption = False, examples: ExamplesOption = 200, seed: SeedOption = None, fail_on: FailOption = "",
    retrain: RetrainOption = None, into: IntoOption = Path("retrained"), ledger: LedgerOption = None,
    json: JsonOption = False, markdown: MarkdownOption = False,
) -> None:  # fmt: skip
    """Decide every claim; of each group of networks one, drawn by the seed, is evaluated again."""
    loaded = load_claims(claims)
    bad = failing(fail_on)
    asked = Asked(results, examples, seed, not full, tuple(retrain or ()), into, ledger)
    verdicts, provenance = decide(loaded, chosen(loaded, only, scale), asked)
    print_result(loaded, verdicts, provenance, json, markdown)
    raise typer.Exit(exit_code(verdicts, bad))


@app.command("run")
def check_some(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Claims to decide; `arith-verify list` names them.")],
    claims: ClaimsOption = None, results: ResultsOption = None, examples: ExamplesOption = 200, seed: SeedOption = None,
    fail_on: FailOption = "", retrain: RetrainOption = None, into: IntoOption = Path("retrained"), ledger: LedgerOption = None,
    json: JsonOption = False, markdown: MarkdownOption = False,
) -> None:  # fmt: skip
    """Decide the claims named; all their networks are evaluated again."""
    loaded = load_claims(claims)
    known(loaded, ids)
    bad = failing(fail_on)
    verdicts, provenance = decide(loaded, ids, Asked(results, examples, seed, False, tuple(retrain or ()), into, ledger))
    print_result(loaded, verdicts, provenance, json, markdown)
    raise typer.Exit(exit_code(verdicts, bad))


@app.command("report")
def write_report(
    html: Annotated[Path | None, typer.Option("--html", help="Write one self-contained HTML file.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write Markdown.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML; --fail-on says what a failed test is.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write what `all --json` prints.")] = None,
    verdicts: Annotated[Path | None, typer.Option("--verdicts", help="Report these, from `all --json`, and decide nothing anew.")] = None,
    claims: ClaimsOption = None, results: ResultsOption = None, only: OnlyOption = None, scale: ScaleOption = None,
    full: FullOption = False, examples: ExamplesOption = 200, seed: SeedOption = None, fail_on: FailOption = "",
    ledger: LedgerOption = None,
) -> None:  # fmt: skip
    """Decide every claim, and write the verdicts as files."""
    from verify.reports import formats
    from verify.verdicts.evidence import load_evidence, results_folder

    if html is markdown is junit is json is None:
        raise InputError("nothing to write: give --html, --markdown, --junit or --json with a file name")
    writable([path for path in (html, markdown, junit, json) if path is not None])
    bad = failing(fail_on)
    loaded = load_claims(claims)
    if verdicts is None:
        found, provenance = decide(loaded, chosen(loaded, only, scale), Asked(results, examples, seed, not full, ledger=ledger))
    else:
        found, provenance = formats.read_verdicts(verdicts, loaded)
    texts: dict[Path, str] = {}
    if html is not None:
        from verify.reports.html import html_report

        folder = results_folder(results)
        texts[html] = html_report(loaded, found, provenance, load_evidence(folder), folder)
    if markdown is not None:
        texts[markdown] = formats.markdown(loaded, found, provenance) + "\n"
    if junit is not None:
        texts[junit] = formats.junit(found, bad) + "\n"
    if json is not None:
        texts[json] = formats.verdicts_json(found, provenance) + "\n"
    for path, text in texts.items():
        write(path, text)
    raise typer.Exit(exit_code(found, bad))


@app.command("diff")
def show_changes(ledger: LedgerOption = None, json: JsonOption = False) -> None:
    """What the last run changed: claims whose verdict, statement or evidence is another than in the run before."""
    from json import dumps

    from verify.reports.text import make_console, print_changes
    from verify.verdicts import ledger as book

    lines = book.read(ledger or book.default_path())
    found = book.changes(lines)
    if json:
        typer.echo(dumps([vars(change) for change in found], indent=1))
    else:
        print_changes(make_console(), found, lines[-1])


@app.command("lint")
def lint_claims(claims: ClaimsOption = None, results: ResultsOption = None) -> None:
    """Read the claims file, and name what in it should be mended."""
    from verify.claims.lint import problems, silent
    from verify.verdicts.evidence import load_evidence, results_folder

    loaded = load_claims(claims)
    runs = load_evidence(results_folder(results))
    found = problems(loaded, runs)
    for line in found:
        typer.echo(f"{loaded.path.name}: {line}")
    untested = silent(loaded, runs)
    for line in untested:
        typer.echo(f"untested: {line}")
    size = f"{counted(len(loaded.claims), 'claim')}, {counted(len(loaded.assumptions), 'assumption')}"
    typer.echo(f"{size}: {len(found)} to mend, {len(untested)} without runs")
    raise typer.Exit(int(bool(found)))


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a claims file, for an editor."""
    from verify.claims.lint import schema

    typer.echo(schema())


@app.command("list")
def list_claims(claims: ClaimsOption = None, json: JsonOption = False) -> None:
    """Show all claims without deciding any."""
    loaded = load_claims(claims)
    if json:
        from json import dumps

        head = {"claims_file": str(loaded.path), "sha256": loaded.sha256}
        typer.echo(dumps({**head, "claims": [claim.model_dump(mode="json", exclude_none=True) for claim in loaded.claims]}, indent=1))
        return
    from verify.reports.text import make_console, print_list

    print_list(make_console(), loaded)


@app.command("show")
def show_claim(
    claim_id: Annotated[str, typer.Argument(metavar="ID", help="A claim; `arith-verify list` names them.")],
    claims: ClaimsOption = None,
    json: JsonOption = False,
    certificate: Annotated[bool, typer.Option("--certificate", help="Prove it now, and check what the proof rests on again.")] = False,
) -> None:
    """Show everything the file says about one claim."""
    loaded = load_claims(claims)
    known(loaded, [claim_id])
    claim = next(claim for claim in loaded.claims if claim.id == claim_id)
    if certificate:
        from dataclasses import asdict
        from json import dumps

        from verify.checks.certificates import certify_claim
        from verify.reports.text import make_console, print_certificate

        result, found = certify_claim(claim)
        if json:
            typer.echo(dumps({**asdict(result), "certificates": [asdict(one) for one in found]}, indent=1))
        else:
            print_certificate(make_console(), claim, result, found)
        raise typer.Exit(int(result.verdict == "error" or any(one.rechecked is False for one in found)))
    if json:
        typer.echo(claim.model_dump_json(indent=1, exclude_none=True))
        return
    from verify.reports.text import make_console, print_claim

    print_claim(make_console(), claim, loaded.claims)


@app.command("certify")
def certify_network(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Digest of a run, its first characters, or its folder.")] = None,
    results: ResultsOption = None,
    check: Annotated[Path | None, typer.Option("--check", help="Prove this certificate again instead of writing one.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Contexts to enumerate at most; default: 20 million.")] = None,
    json: JsonOption = False,
) -> None:
    """Prove a windowed network right at every length, a banded or sparse one on all that fits, or find an input that it gets wrong."""
    from json import dumps

    from rich.console import Console
    from rich.progress import Progress

    from verify.certificates.files import certificate_json, command
    from verify.certificates.text import certificate_text

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("contexts", total=None)
        found, path = command(run, results, check, limit, lambda done, total: bar.update(task, completed=done, total=total))
    if json:
        share = {} if found.share is None else {"share": str(found.share)}  # follows from the rest, so the file leaves it out
        typer.echo(dumps({**certificate_json(found), **share, "file": str(path)}, indent=1))
    else:
        typer.echo(f"{certificate_text(found)}\n{path}: {'confirmed' if check else 'written'}")
    raise typer.Exit(0 if found.verdict == "certified" else 1)


@app.command("controls")
def control_claims(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Claims to control; default: all.")] = None,
    claims: ClaimsOption = None,
    results: ResultsOption = None,
    json: JsonOption = False,
    seed: SeedOption = None,
    fabricated: Annotated[bool, typer.Option("--fabricated", help="Fabricated evidence only: ask no network.")] = False,
) -> None:
    """Hold each claim against evidence on which it must not be supported, and against evidence on which it must."""
    from secrets import randbelow

    from verify.reports.text import controls_json, make_console, print_controls
    from verify.verdicts.controls import run_controls
    from verify.verdicts.evidence import load_evidence, results_folder

    loaded = load_claims(claims)
    known(loaded, ids or [])
    runs = load_evidence(results_folder(results))
    seed = randbelow(2**31) if seed is None else seed
    with shown_progress() as progress:
        found = run_controls(loaded.claims, ids or [claim.id for claim in loaded.claims], runs, seed, not fabricated, progress)
    if json:
        typer.echo(controls_json(found, seed))
    else:
        print_controls(make_console(), found, seed)
    raise typer.Exit(int(any(control.alarming for control in found)))


@app.command("score")
def score_theory(
    pattern: Annotated[str, typer.Argument(metavar="[GROUP]", help="Registered groups to look at, as in 'grid-*'.")] = "*",
    results: ResultsOption = None,
    json: JsonOption = False,
) -> None:
    """How often the theory was right: outcomes registered before training against what the networks did."""
    from verify.verdicts.evidence import load_evidence, results_folder
    from verify.verdicts.score import score, score_json, score_markdown

    folder = results_folder(results)
    found = score(folder, load_evidence(folder), pattern)
    typer.echo(score_json(found) if json else score_markdown(found), nl=json)


@app.command("diagnose")
def diagnose_answers(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Answers of any model: columns a, b, answer, in decimal.")],
    train: Annotated[str, typer.Option("--train", help="Lengths the model was trained on: 4, 1-3 or 2,4.")],
    task: Annotated[str | None, typer.Option("--task", help="A task of arith-theory: add, mul, mod-add, ...")] = None,
    expr: Annotated[str | None, typer.Option("--expr", help="Your own task, like '(3*a + b) % 24'.")] = None,
    modulus: Annotated[int | None, typer.Option("--modulus", help="p of the tasks that have one.")] = None,
    base: Annotated[int, typer.Option("--base", help="Number base that the model writes in, at least 2.")] = 10,
    train_domain: Annotated[str, typer.Option("--train-domain", help="either, both, sampler, ordered or by-K, as in predict.")] = "either",
    json: JsonOption = False,
) -> None:
    """What a model does, from its answers alone: accuracy per length, what the wrong answers are, and which prediction they fit."""
    from json import dumps

    from theory.language.domains import make_training
    from theory.language.tasks import make_task
    from verify.diagnose import diagnose, diagnosis_json, print_diagnosis, read_answers
    from verify.reports.text import make_console

    asked = make_task("add" if task is None and expr is None else task, expr, base, modulus)
    found = diagnose(asked, make_training(train_domain, train), read_answers(file))
    if json:
        typer.echo(dumps(diagnosis_json(found), indent=1))
    else:
        print_diagnosis(make_console(), found)


def main() -> None:
    """Entry point: bad input is one line on stderr and exit code 2."""
    run(app)


if __name__ == "__main__":
    main()

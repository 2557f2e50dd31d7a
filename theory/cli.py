"""`arith-theory`: predict, explain, accuracy, properties, machine, graph, table, advise."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from errno import ENOSPC
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from theory.errors import InputError

if TYPE_CHECKING:
    from theory.language.tasks import Task
    from theory.predictions.predict import Prediction

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

TaskName = Annotated[str | None, typer.Option("--task", help="a name of the catalogue: add, mul, mod-add, ...")]
Expr = Annotated[str | None, typer.Option("--expr", help="your own task, like '(3*a + b) % 24'")]
MachineFile = Annotated[str | None, typer.Option("--machine", help="your own task as a transducer table: a JSON file, in its own base")]
TaskList = Annotated[
    str | None, typer.Option(help="several: names, expressions or machine files (.json), separated by ';', or 'catalogue' for all")
]
Modulus = Annotated[int | None, typer.Option(help="p of the tasks modulo p")]
Base = Annotated[int, typer.Option(help="number base, at least 2")]
Pe = Annotated[str, typer.Option("--pe", help="absolute, relative, window, banded, randomised, none, abacus, or a concrete name")]
Window = Annotated[int | None, typer.Option(help="window encoding: visible tokens before the query, per layer")]
Layers = Annotated[int, typer.Option(help="layers, for the receptive field of a window")]
LayoutName = Annotated[str | None, typer.Option("--layout", help="padded, aligned, interleaved, unary (without b), plain or reversed")]
Direction = Annotated[str, typer.Option(help="lsd or msd first, for interleaved and unary")]
Width = Annotated[int | None, typer.Option(help="operand width of padded and aligned; default: the longest length asked")]
Train = Annotated[str, typer.Option(help="trained lengths: 4, 1-3 or 2,4")]
TrainDomain = Annotated[str, typer.Option(help="either (D_n), both (D_abn), sampler, ordered (a >= b) or by-K (b of at most K digits)")]
Lengths = Annotated[str, typer.Option(help="test lengths")]
Domain = Annotated[str | None, typer.Option(help="test domain, of the same names; default: ordered or by-K if trained so, else either")]
Steps = Annotated[int | None, typer.Option(help="steps of training, in which the task is learned; default: as many as it takes")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]


UsageError: Any = typer.BadParameter.__base__  # typer names only this one of its kinds in public


def run(application: Callable[..., Any]) -> NoReturn:
    """Run a command line: bad input is one line on stderr and exit code 2."""
    code = 0
    try:
        code = application(standalone_mode=False) or 0
        sys.stdout.flush()  # at the exit it would be too late to say what went wrong
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except UsageError as error:
        if len(sys.argv) == 1:
            error.show()  # no command: the help
        else:
            print(f"error: {error.format_message().rstrip('.')}: --help names the options", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        sys.stderr.close()
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        print(f"error: {error.filename or 'standard output'}: {error.strerror}: make room, or write elsewhere", file=sys.stderr)
        if (own := sys.__stdout__) is not None and sys.stdout is own:  # what found no room is given up, or the exit would try again
            os.dup2(os.open(os.devnull, os.O_WRONLY), own.fileno())
        code = 2
    sys.exit(code)


def main() -> None:
    run(app)


def _task(task: str | None, expr: str | None, modulus: int | None, base: int, machine: str | None = None) -> Task:
    """The task asked for; addition where nothing is said."""
    from theory.language.tasks import make_task

    if machine is not None:
        from theory.automata.machine_tasks import read_machine_task

        if (task, expr, modulus) != (None, None, None):
            raise InputError("--machine gives the whole task: leave out --task, --expr and --modulus")
        found = read_machine_task(machine)
        if base not in (10, found.base):
            raise InputError(f"--base {base}: the machine in {machine} is in base {found.base}, leave --base out")
        return found
    return make_task("add" if task is None and expr is None else task, expr, base, modulus)


def _predict(
    task: str | None, expr: str | None, machine: str | None, modulus: int | None, base: int, pe: str, window: int | None,
    layers: int, layout: str | None, direction: str, width: int | None, train: str, train_domain: str, lengths: str, domain: str | None,
    steps: int | None,
) -> Prediction:  # fmt: skip
    from theory.language.domains import domain_of_tests, make_training, parse_lengths
    from theory.language.encodings import DEFAULT_LAYOUT, make_encoding
    from theory.language.layouts import make_layout
    from theory.predictions.predict import predict

    encoding, asked = make_encoding(pe, window, layers), parse_lengths(lengths)
    training, tested = make_training(train_domain, train), domain_of_tests(domain, train_domain)
    make_training(tested, asked)
    placed = make_layout(layout or DEFAULT_LAYOUT.get(encoding.family, "padded"), width or max(*asked, *training.lengths), direction)
    if width is not None and width < max(*asked, *training.lengths):
        raise InputError(f"width {width} is below the longest operand ({max(*asked, *training.lengths)} digits): use a larger --width")
    return predict(_task(task, expr, modulus, base, machine), encoding, placed, training, asked, tested, steps)


@app.command("predict")
def predict_command(
    task: TaskName = None, expr: Expr = None, machine: MachineFile = None, modulus: Modulus = None, base: Base = 10,
    pe: Pe = "absolute", window: Window = None, layers: Layers = 1, layout: LayoutName = None, direction: Direction = "lsd",
    width: Width = None, train: Train = "4",
    train_domain: TrainDomain = "either", lengths: Lengths = "1-9", domain: Domain = None, steps: Steps = None, as_json: Json = False,
) -> None:  # fmt: skip
    """What a network trained so will do at each length, and why."""
    from theory.predictions.report import prediction_json, prediction_text

    found = _predict(
        task, expr, machine, modulus, base, pe, window, layers, layout, direction, width, train, train_domain, lengths, domain, steps
    )
    print(json.dumps(prediction_json(found), indent=1) if as_json else prediction_text(found))


@app.command()
def accuracy(
    task: TaskName = None, expr: Expr = None, machine: MachineFile = None, modulus: Modulus = None, base: Base = 10,
    pe: Pe = "absolute", window: Window = None, layers: Layers = 1, layout: LayoutName = None, direction: Direction = "lsd",
    width: Width = None, train: Train = "4",
    train_domain: TrainDomain = "either", lengths: Lengths = "1-9", domain: Domain = None, steps: Steps = None, as_json: Json = False,
    per_digit: Annotated[bool, typer.Option("--per-digit", help="also the accuracy of each result digit")] = False,
    closed_form: Annotated[bool, typer.Option("--closed-form", help="also the accuracy as an expression in the length m")] = False,
) -> None:  # fmt: skip
    """Exact accuracy of the predicted function as fractions: per length, per region (mean over its lengths), per digit; closed forms."""
    from theory.exact.report import make_report, to_json, to_text

    found = _predict(
        task, expr, machine, modulus, base, pe, window, layers, layout, direction, width, train, train_domain, lengths, domain, steps
    )
    report = make_report(found, per_digit, closed_form)
    print(json.dumps(to_json(report), indent=1) if as_json else to_text(report))


@app.command()
def explain(
    task: TaskName = None, expr: Expr = None, machine: MachineFile = None, modulus: Modulus = None, base: Base = 10,
    pe: Pe = "absolute", window: Window = None, layers: Layers = 1, layout: LayoutName = None, direction: Direction = "lsd",
    width: Width = None, train: Train = "4",
    train_domain: TrainDomain = "either", lengths: Lengths = "1-9", domain: Domain = None, steps: Steps = None,
    format: Annotated[str, typer.Option(help="text, markdown or latex")] = "text",
) -> None:  # fmt: skip
    """The argument behind a prediction, step by step."""
    from theory.predictions.explain import FORMATS
    from theory.predictions.explain import explain as explained

    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}: choose from {', '.join(FORMATS)}")
    found = _predict(
        task, expr, machine, modulus, base, pe, window, layers, layout, direction, width, train, train_domain, lengths, domain, steps
    )
    print(explained(found, format))


@app.command()
def properties(
    task: TaskName = None, expr: Expr = None, machine: MachineFile = None, modulus: Modulus = None, base: Base = 10, train: Train = "4",
    train_domain: TrainDomain = "either", as_json: Json = False,
) -> int:  # fmt: skip
    """Every decidable property of a task: verdict, certificate, how it is proven, and the certificate checked again."""
    from theory.language.domains import make_training
    from theory.proofs.property_report import all_properties, properties_json, properties_text

    asked, training = _task(task, expr, modulus, base, machine), make_training(train_domain, train)
    rows = all_properties(asked, training)
    print(json.dumps(properties_json(asked, training, rows), indent=1) if as_json else properties_text(asked, training, rows))
    return int(any(row.rechecked is False for row in rows))


@app.command("machine")
def machine_command(
    task: TaskName = None, expr: Expr = None, machine: MachineFile = None, modulus: Modulus = None, base: Base = 10,
    direction: Annotated[str, typer.Option(help="lsd or msd: which end the machine reads first")] = "lsd",
    format: Annotated[str, typer.Option(help="text, dot, mermaid or json (the table alone)")] = "text", as_json: Json = False,
) -> None:  # fmt: skip
    """The minimal finite machine that computes a task digit by digit, or why there is none."""
    from theory.automata.report import machine_json, machine_of, write

    asked = _task(task, expr, modulus, base, machine)
    found = machine_of(asked, direction)
    print(json.dumps(machine_json(asked, direction, found), indent=1) if as_json else write(asked, direction, found, format))


@app.command()
def graph(
    task: TaskName = None, expr: Expr = None, machine: MachineFile = None, tasks: TaskList = None, modulus: Modulus = None, base: Base = 10,
    digits: Annotated[int, typer.Option(help="operand digits")] = 4,
    format: Annotated[str, typer.Option(help="mermaid, dot, json, text, svg or png")] = "mermaid",
    out: Annotated[str | None, typer.Option(help="file to write; needed for svg and png")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Which digits each result digit depends on, for n digits and as a rule for all lengths, with its fingerprints."""
    from theory.graphs.fingerprints import portrait
    from theory.graphs.formats import to_dot, to_json, to_mermaid, to_text
    from theory.graphs.pictures import FORMATS, draw

    writers = {"mermaid": to_mermaid, "dot": to_dot, "json": to_json, "text": to_text}
    form = "json" if as_json else format
    if form not in (*writers, *FORMATS):
        raise InputError(f"unknown format {form!r}: choose mermaid, dot, json, text, svg or png")
    if form in FORMATS and out is None:
        raise InputError(f"--format {form} needs --out FILE")
    if tasks is not None and (task, expr, machine) != (None, None, None):
        raise InputError("--tasks names all that are drawn: leave out --task, --expr and --machine")
    chosen = _listed_tasks(tasks, base, modulus) if tasks is not None else [_task(task, expr, modulus, base, machine)]
    found = [portrait(one, digits) for one in chosen]
    if form in FORMATS and out is not None:
        draw(found, out, form)
        return
    text = writers[form](found)
    if out is None:
        print(text)
        return
    try:
        with open(out, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None


@app.command()
def table(
    base: Base = 10,
    train: Train = "4",
    tasks: TaskList = None,
    modulus: Modulus = None,
    pe: Annotated[str, typer.Option("--pe", help="encodings, separated by commas")] = "absolute,relative",
    layout: Annotated[str, typer.Option("--layout", help="layouts, separated by commas; default is the encoding's own")] = "default,padded",
    format: Annotated[str, typer.Option(help="text, markdown, csv or json")] = "text",
    as_json: Json = False,
) -> None:
    """The papers' matrix, or any other: tasks by encodings by layouts, our prediction beside theirs."""
    from theory.language.domains import make_training
    from theory.predictions.matrix import cells, papers_tasks, write

    if tasks is None and modulus is not None:
        raise InputError("--modulus goes with --tasks that need one: name them, like --tasks mod-add")
    chosen = papers_tasks(base) if tasks is None else _listed_tasks(tasks, base, modulus)
    found = cells(chosen, _listed(pe), _listed(layout), make_training("either", train))
    print(write(list(found), _format(format, as_json)))


@app.command()
def advise(
    task: TaskName = None, expr: Expr = None, machine: MachineFile = None, modulus: Modulus = None, base: Base = 10, train: Train = "4",
    train_domain: TrainDomain = "either", format: Annotated[str, typer.Option(help="text, markdown, csv or json")] = "text",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Which encoding and layout suit a task: all of them, the most promising first."""
    from theory.language.domains import make_training
    from theory.predictions import matrix

    form, asked = _format(format, as_json), _task(task, expr, modulus, base, machine)
    print(matrix.write_advice(asked, matrix.advise(asked, make_training(train_domain, train)), form))


def _listed_tasks(texts: str, base: int, modulus: int | None) -> list[Task]:
    from theory.predictions.matrix import chosen_tasks

    return chosen_tasks([text.strip() for text in texts.split(";")], base, modulus)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _format(name: str, as_json: bool) -> str:
    from theory.predictions.matrix import FORMATS

    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}")
    return "json" if as_json else name

"""`arith-theory`: predict, explain, accuracy, graph, table, advise."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from theory.errors import InputError

if TYPE_CHECKING:
    from theory.predict import Prediction
    from theory.tasks import Task

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

TaskName = Annotated[str | None, typer.Option("--task", help="add, mul, mod-add or mod-mul")]
Expr = Annotated[str | None, typer.Option("--expr", help="your own task, like '(3*a + b) % 24'")]
Modulus = Annotated[int | None, typer.Option(help="p of mod-add and mod-mul")]
Base = Annotated[int, typer.Option(help="number base, at least 2")]
Pe = Annotated[str, typer.Option("--pe", help="position encoding: absolute, relative, window, banded, none, abacus, or a concrete name")]
Window = Annotated[int | None, typer.Option(help="window encoding: visible tokens before the query, per layer")]
Layers = Annotated[int, typer.Option(help="layers, for the receptive field of a window")]
LayoutName = Annotated[str | None, typer.Option("--layout", help="padded, aligned, interleaved, plain or reversed")]
Direction = Annotated[str, typer.Option(help="lsd or msd first, for interleaved")]
Width = Annotated[int | None, typer.Option(help="operand width of padded and aligned; default: the longest length asked")]
Train = Annotated[str, typer.Option(help="trained lengths: 4, 1-3 or 2,4")]
TrainDomain = Annotated[str, typer.Option(help="either (D_n), both (D_abn) or sampler")]
Lengths = Annotated[str, typer.Option(help="test lengths")]
Domain = Annotated[str, typer.Option(help="test domain: either, both or sampler")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]


UsageError: Any = typer.BadParameter.__base__  # typer names only this one of its kinds in public


def run(application: Callable[..., Any]) -> NoReturn:
    """Run a command line: bad input is one line on stderr and exit code 2."""
    code = 0
    try:
        code = application(standalone_mode=False) or 0
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
    sys.exit(code)


def main() -> None:
    run(app)


def _task(task: str | None, expr: str | None, modulus: int | None, base: int) -> Task:
    """The task asked for; addition where nothing is said."""
    from theory.tasks import make_task

    return make_task("add" if task is None and expr is None else task, expr, base, modulus)


def _predict(
    task: str | None, expr: str | None, modulus: int | None, base: int, pe: str, window: int | None, layers: int, layout: str | None,
    direction: str, width: int | None, train: str, train_domain: str, lengths: str, domain: str,
) -> Prediction:  # fmt: skip
    from theory.domains import make_training, parse_lengths
    from theory.encodings import DEFAULT_LAYOUT, make_encoding
    from theory.layouts import make_layout
    from theory.predict import predict

    encoding, asked = make_encoding(pe, window, layers), parse_lengths(lengths)
    training = make_training(train_domain, train)
    make_training(domain, asked)
    placed = make_layout(layout or DEFAULT_LAYOUT.get(encoding.family, "padded"), width or max(*asked, *training.lengths), direction)
    if width is not None and width < max(*asked, *training.lengths):
        raise InputError(f"width {width} is below the longest operand ({max(*asked, *training.lengths)} digits): use a larger --width")
    return predict(_task(task, expr, modulus, base), encoding, placed, training, asked, domain)


@app.command("predict")
def predict_command(
    task: TaskName = None, expr: Expr = None, modulus: Modulus = None, base: Base = 10, pe: Pe = "absolute", window: Window = None,
    layers: Layers = 1, layout: LayoutName = None, direction: Direction = "lsd", width: Width = None, train: Train = "4",
    train_domain: TrainDomain = "either", lengths: Lengths = "1-9", domain: Domain = "either", as_json: Json = False,
) -> None:  # fmt: skip
    """What a network trained so will do at each length, and why."""
    from theory.report import prediction_json, prediction_text

    found = _predict(task, expr, modulus, base, pe, window, layers, layout, direction, width, train, train_domain, lengths, domain)
    print(json.dumps(prediction_json(found), indent=1) if as_json else prediction_text(found))


@app.command()
def accuracy(
    task: TaskName = None, expr: Expr = None, modulus: Modulus = None, base: Base = 10, pe: Pe = "absolute", window: Window = None,
    layers: Layers = 1, layout: LayoutName = None, direction: Direction = "lsd", width: Width = None, train: Train = "4",
    train_domain: TrainDomain = "either", lengths: Lengths = "1-9", domain: Domain = "either", as_json: Json = False,
) -> None:  # fmt: skip
    """Exact accuracy of the predicted function at each length, as fractions."""
    from theory.report import accuracy_json, accuracy_text

    found = _predict(task, expr, modulus, base, pe, window, layers, layout, direction, width, train, train_domain, lengths, domain)
    if as_json:
        print(json.dumps({"learned_function": found.learned_function, "accuracy": accuracy_json(found)}, indent=1))
    else:
        print(f"learned function: {found.learned_function or 'none predicted'}\n{accuracy_text(found)}")


@app.command()
def explain(
    task: TaskName = None, expr: Expr = None, modulus: Modulus = None, base: Base = 10, pe: Pe = "absolute", window: Window = None,
    layers: Layers = 1, layout: LayoutName = None, direction: Direction = "lsd", width: Width = None, train: Train = "4",
    train_domain: TrainDomain = "either", lengths: Lengths = "1-9", domain: Domain = "either",
    format: Annotated[str, typer.Option(help="text, markdown or latex")] = "text",
) -> None:  # fmt: skip
    """The argument behind a prediction, step by step."""
    from theory.explain import FORMATS
    from theory.explain import explain as explained

    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}: choose from {', '.join(FORMATS)}")
    found = _predict(task, expr, modulus, base, pe, window, layers, layout, direction, width, train, train_domain, lengths, domain)
    print(explained(found, format))


@app.command()
def graph(
    task: TaskName = None, expr: Expr = None, modulus: Modulus = None, base: Base = 10,
    digits: Annotated[int, typer.Option(help="operand digits")] = 4,
    format: Annotated[str, typer.Option(help="mermaid, dot, json or png")] = "mermaid",
    out: Annotated[str | None, typer.Option(help="file to write; needed for png")] = None,
) -> None:  # fmt: skip
    """The digit dependency graph: which digits each result digit depends on."""
    from pathlib import Path

    from theory.graph import dependency_graph, draw_png, to_dot, to_json, to_mermaid

    writers = {"mermaid": to_mermaid, "dot": to_dot, "json": to_json}
    if format not in (*writers, "png"):
        raise InputError(f"unknown format {format!r}: choose mermaid, dot, json or png")
    if format == "png" and out is None:
        raise InputError("--format png needs --out FILE")
    found = dependency_graph(_task(task, expr, modulus, base), digits)
    if format == "png" and out is not None:
        draw_png(found, Path(out))
    elif out is not None:
        try:
            Path(out).write_text(writers[format](found) + "\n")
        except OSError as error:
            raise InputError(f"cannot write {out}: {error.strerror}") from None
    else:
        print(writers[format](found))


@app.command()
def table(
    base: Base = 10,
    train: Train = "4",
    tasks: Annotated[str | None, typer.Option(help="tasks by name or expression, separated by ';'; default: the papers'")] = None,
    pe: Annotated[str, typer.Option("--pe", help="encodings, separated by commas")] = "absolute,relative",
    layout: Annotated[str, typer.Option("--layout", help="layouts, separated by commas; default is the encoding's own")] = "default,padded",
    format: Annotated[str, typer.Option(help="text, markdown, csv or json")] = "text",
    as_json: Json = False,
) -> None:
    """The papers' matrix, or any other: tasks by encodings by layouts, our prediction beside theirs."""
    from theory.domains import make_training
    from theory.matrix import cells, papers_tasks, write
    from theory.tasks import CATALOGUE, make_task

    chosen = papers_tasks(base)
    if tasks is not None:
        texts = [text.strip() for text in tasks.split(";")]
        chosen = [make_task(text, None, base) if text in CATALOGUE else make_task(None, text, base) for text in texts]
    found = cells(chosen, _listed(pe), _listed(layout), make_training("either", train))
    print(write(list(found), _format(format, as_json)))


@app.command()
def advise(
    task: TaskName = None, expr: Expr = None, modulus: Modulus = None, base: Base = 10, train: Train = "4",
    format: Annotated[str, typer.Option(help="text, markdown, csv or json")] = "text", as_json: Json = False,
) -> None:  # fmt: skip
    """Which encoding and layout suit a task: all of them, the most promising first."""
    from theory import matrix
    from theory.domains import make_training

    found = matrix.advise(_task(task, expr, modulus, base), make_training("either", train))
    print(matrix.write(found, _format(format, as_json)))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _format(name: str, as_json: bool) -> str:
    from theory.matrix import FORMATS

    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}: choose from {', '.join(FORMATS)}")
    return "json" if as_json else name

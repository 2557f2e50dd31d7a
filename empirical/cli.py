"""`arith-train`: run, list, show, answer; the other commands are in cli_sweeps and cli_study."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from empirical.commands import study as cli_study
from empirical.commands import sweeps as cli_sweeps
from empirical.commands.options import Compiled, Device, Json, Results, RunName, existing, find_run, interruptible, usable_device
from theory.cli import Base, Direction, Domain, Expr, LayoutName, Modulus, Pe, TaskName, TrainDomain, Width, Window, run
from theory.errors import InputError
from theory.language.expressions import operands
from theory.words import counted

if TYPE_CHECKING:
    from empirical.runs.spec import RunSpec
    from empirical.runs.store import Run

app = typer.Typer(
    help="Train GPT-like models on arithmetic and measure what they compute at each length.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command()(cli_sweeps.register)
app.command()(cli_sweeps.sweep)
app.command("export")(cli_sweeps.export)
app.command("import")(cli_sweeps.import_command)
app.command("trim")(cli_sweeps.trim)
app.command()(cli_study.measure)
app.command()(cli_study.probe)
app.command()(cli_study.plot)
app.command()(cli_study.dataset)


def main() -> None:
    run(app)


@app.command("run")
def run_command(
    task: TaskName = None,
    expr: Expr = None,
    modulus: Modulus = None,
    base: Base = 10,
    pe: Pe = "absolute",
    window: Window = None,
    layout: LayoutName = None,
    direction: Direction = "lsd",
    width: Width = None,
    train: Annotated[str, typer.Option(help="trained lengths: 4, 1-3 or 2,4")] = "1-3",
    train_domain: TrainDomain = "either",
    lengths: Annotated[str | None, typer.Option(help="test lengths; default: 1 to the width, or to twice the trained length")] = None,
    domain: Domain = None,
    preset: Annotated[str, typer.Option(help="model: local (1 layer), small, nano, micro or mini")] = "small",
    steps: Annotated[int, typer.Option(help="optimiser steps")] = 10_000,
    batch: Annotated[int, typer.Option(help="lines per step")] = 64,
    lr: Annotated[float, typer.Option(help="peak learning rate")] = 1e-3,
    dropout: Annotated[float, typer.Option(help="dropout rate")] = 0.2,
    weight_decay: Annotated[float, typer.Option(help="weight decay of the matrices")] = 0.1,
    price: Annotated[float, typer.Option(help="what attention off <bos> costs in the end, such as 0.3 by log")] = 0.0,
    charge: Annotated[str, typer.Option(help="what the price is for: the share off <bos>, or log, of that on it")] = "share",
    anneal: Annotated[float, typer.Option(help="share of the steps in which sparse attention goes from softmax to sparsemax")] = 0.0,
    sampling: Annotated[str, typer.Option(help="how training pairs are drawn: domain (its law) or carries (balanced)")] = "domain",
    curriculum: Annotated[int, typer.Option(help="steps over which the trained lengths come in, shortest first; 0: all at once")] = 0,
    train_pairs: Annotated[int, typer.Option(help="different training pairs, gone through again and again; 0: always fresh ones")] = 0,
    examples: Annotated[int, typer.Option(help="test pairs per length")] = 2000,
    watch: Annotated[str | None, typer.Option(help="test lengths to measure during training, never for choosing")] = None,
    seed: Annotated[int, typer.Option(help="seed of weights and data")] = 0,
    group: Annotated[str | None, typer.Option(help="name of the experiment; verify decides claims by group")] = None,
    results: Results = Path("results"),
    device: Device = "auto",
    compiled: Compiled = False,
    as_json: Json = False,
) -> None:
    """Train one network and store it, its metrics and its evaluation. A finished spec is loaded, an interrupted one resumed."""
    from empirical.process import keep_memory
    from empirical.runs.settings import make_spec
    from empirical.runs.store import finished
    from empirical.training.compiled import check_compiler
    from empirical.training.loop import train as train_network
    from empirical.training.progress import bar

    keep_memory()
    spec = make_spec(
        {
            "task": task if task or expr else "add", "expr": expr, "modulus": modulus, "base": base,
            "encoding": pe, "window": window, "direction": direction, "layout": layout, "width": width,
            "train_lengths": train, "train_domain": train_domain, "test_lengths": lengths, "test_domain": domain,
            "preset": preset, "steps": steps, "batch": batch, "lr": lr,
            "dropout": dropout, "weight_decay": weight_decay, "price": price, "charge": charge, "anneal": anneal,
            "sampling": sampling, "curriculum": curriculum, "train_pairs": train_pairs,
            "examples": examples, "watched_lengths": watch, "seed": seed,
        }
    )  # fmt: skip
    where = usable_device(device)
    if compiled and not finished(results / spec.digest):
        check_compiler(where)
    with bar(spec.steps, f"{group or spec.digest} seed {seed}") as report, interruptible():
        done = train_network(spec, results, where, group, report, compiled=compiled)
    print(json.dumps(done.result, indent=1) if as_json else _text(done))


@app.command("list")
def list_command(results: Results = Path("results"), as_json: Json = False) -> None:
    """All finished runs, with their accuracy at each length."""
    from empirical.runs.store import load_runs, unfinished_failures

    runs = load_runs(existing(results))
    if as_json:
        print(json.dumps([done.result for done in runs], indent=1))
        return
    if not runs:
        print(f"no finished runs in {results}")
    for done in runs:
        cells = "  ".join(f"{entry['length']}: {entry['truth'] / entry['examples']:.1%}" for entry in done.result["evaluation"])
        print(f"{done.spec.digest}  {done.result['group'] or '-'}  seed {done.spec.seed}  right at length {cells}")
    for digest, failed in unfinished_failures(results).items():
        last = {"group": "-", "seed": "?", "message": "", **failed[-1]}
        print(f"{digest}  {last['group']}  seed {last['seed']}  failed {len(failed)} times: {last['message']}")


@app.command()
def show(
    digest: RunName,
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """One run: its spec, and its accuracy against the truth and against the truncated function."""
    done = find_run(results, digest)
    print(json.dumps(done.result, indent=1) if as_json else _text(done))


@app.command("answer")
def answer_command(
    digest: RunName,
    question: Annotated[str, typer.Argument(help="two numbers, like 123+456 or 123,456; one where the task reads a alone")],
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """What a stored network answers, beside the truth and the task on cut operands."""
    from empirical.data.dataset import symbols
    from empirical.study.evaluate import answer_line, read_number
    from empirical.study.measure import theory_says

    match = re.fullmatch(r"\s*([0-9]{1,1000})(?:\s*[-+*,/ ]\s*([0-9]{1,1000}))?\s*", question)
    if match is None:
        raise InputError(f"question {question!r}: write two numbers with a sign between them, like 123+456")
    done = find_run(results, digest)
    task, layout, n = done.spec.make_task(), done.spec.make_layout(), done.spec.training.longest
    if match[2] is None and operands(task.expression) == 2:
        raise InputError(f"question {question!r}: {task.text} takes two numbers, write a sign between them, like 123+456")
    a, b = int(match[1]), int(match[2] or 0)
    tokens, length = answer_line(done, a, b)
    given, cut = read_number(task, layout, a, b, length, tokens), task.base**n
    line = "".join(symbols(task)[token] for token in tokens)
    outcome, said = theory_says(done.spec, a, b, length)
    now, _ = theory_says(done.spec, a, b, length, done.spec.steps)
    values = {"a": a, "b": b, "answer": given, "truth": task(a, b), "truncated": task(a % cut, b % cut)}
    if as_json:
        told = {"tokens": tokens, "line": line, "theory": {"outcome": outcome, "answer": said, "outcome_now": now}}
        print(json.dumps({"digest": done.spec.digest, "task": task.text, "trained_to": n, **values, **told}, indent=1))
        return
    numbers = f"a = {_short(a)}" + (f", b = {_short(b)}" if operands(task.expression) == 2 else "")
    text = f"{task.text} at {numbers}: the network answers {'no number' if given is None else _short(given)}"
    print(f"{text}, which is right" if given == values["truth"] else f"{text}; right is {_short(values['truth'])}")
    trained = counted(n, "digit")
    if given == values["truncated"] != values["truth"]:
        print(f"trained on operands of up to {trained}, it computes the task at a = {a % cut}, b = {b % cut}, and that is {given}")
    elif given != values["truth"] and values["truncated"] < 0:
        print(f"cut to {trained}, its operands are out of order")
    elif given != values["truth"]:
        print(f"it is not the task on operands cut to {trained} either: that would be {_short(values['truncated'])}")
    soon = "" if now == outcome else f" (in {counted(done.spec.steps, 'step')}, as here: {now})"
    print(f"theory: {outcome}{'' if said is None else f', that is {_short(said)}'}{soon}")
    if len(line) <= 120:
        print(f"tokens: {line}")


def _short(number: int) -> str:
    """A long number by its ends; --json has it whole."""
    text = str(number)
    return text if len(text) <= 40 else f"{text[:10]}...{text[-10:]} ({len(text)} digits)"


def _attention(spec: RunSpec) -> str:
    soft = f", soft over the first {spec.anneal:.3g} of the steps" if spec.anneal else ""
    return f", attention at a price of {spec.price:g} ({spec.charge}){soft}" if spec.price else ""


def _text(done: Run) -> str:
    spec, result = done.spec, done.result
    lines = [
        f"{spec.make_task().text} in base {spec.base}, {spec.make_encoding().text}, {spec.layout} layout, "
        f"trained on lengths {','.join(map(str, spec.train_lengths))} ({spec.train_domain}), seed {spec.seed}",
        f"{counted(spec.layers, 'layer')}, {counted(spec.heads, 'head')}, {spec.dim} channels; "
        f"{spec.steps} steps of {spec.batch} lines{_attention(spec)}, {result['wall_s']} s",
        f"stored in {done.folder}",
        "length  region    pairs  right    as truncated",
    ]
    for entry in result["evaluation"]:
        cut = "-" if entry["learned"] is None else f"{entry['learned'] / entry['examples']:.2%}"
        right = f"{entry['truth'] / entry['examples']:.2%}"
        lines.append(f"{entry['length']:<6}  {entry['region']:<8}  {entry['examples']:<5}  {right:<7}  {cut}")
    return "\n".join(lines)

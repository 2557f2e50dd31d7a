"""Commands of `arith-train` that look at stored networks: measure, probe, plot; and dataset."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from empirical.commands.options import Groups, Json, Results, RunName, RunNames, find_run, find_runs
from theory.cli import Base, Direction, Expr, LayoutName, Modulus, TaskName, TrainDomain, Width
from theory.errors import InputError

if TYPE_CHECKING:
    from empirical.runs.store import Run
    from empirical.study.measure import Measured

Examples = Annotated[int, typer.Option(min=1, max=1_000_000, help="pairs per length")]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="seed of the test pairs")]
Length = Annotated[int | None, typer.Option(min=1, max=1000, help="operand digits; default: the longest trained length")]
KINDS = ("curves", "lengths", "heatmap", "attention", "reading", "drawn", "steps", "influence", "pca")


def measure(
    digest: RunName,
    lengths: Annotated[str | None, typer.Option(help="test lengths; default: those of the run")] = None,
    examples: Examples = 1000,
    seed: Seed = 0,
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """What a network does at each length: right, as truncated, per digit, and what its wrong answers are."""
    from empirical.study.measure import measure as measured
    from empirical.study.measure import measurement_json
    from theory.language.domains import parse_lengths

    run = find_run(results, digest)
    found = measured(run, parse_lengths(lengths) if lengths else run.spec.test_lengths, examples, seed)
    if as_json:
        print(json.dumps(measurement_json(run, seed, found), indent=1))
    else:
        _show_measured(run, found)


def _show_measured(run: Run, found: list[Measured]) -> None:
    from rich.table import Table

    from theory.mistakes import KINDS as kinds

    print(f"{run.spec.make_task().text} in base {run.spec.base}, {run.spec.make_encoding().text}, {run.spec.layout} layout")
    columns = ("length", "region", "pairs", "right", "as truncated", "predicted", "right at each place, least significant first")
    table = Table(*columns, box=None)
    for one in found:
        counts, pairs = one.counts, one.counts["examples"]
        cut = "-" if counts["learned"] is None else f"{counts['learned'] / pairs:.1%}"
        digits = "-" if counts["truth_digits"] is None else " ".join(f"{100 * right / pairs:.0f}" for right in counts["truth_digits"])
        exact = "-" if one.exact is None else f"{float(one.exact):.1%}"
        table.add_row(str(counts["length"]), counts["region"], str(pairs), f"{counts['truth'] / pairs:.1%}", cut, exact, digits)
    _print(table)
    wrong = [kind for kind in kinds if kind != "right" and any(one.mistakes.tallies[kind].first for one in found)]
    if not wrong:
        print("no wrong answers")
        return
    print("wrong answers, the first explanation of each, in % of all answers (by chance, of shuffled answers)")
    table = Table("length", "wrong", *wrong, box=None)
    for one in found:
        total, cells = one.mistakes.examples, []
        for kind in wrong:
            tally = one.mistakes.tallies[kind]
            chance = "" if tally.chance is None or not tally.first else f" ({100 * tally.chance:.1f})"
            cells.append(f"{100 * tally.first / total:.1f}{chance}" if tally.first else "-")
        table.add_row(str(one.mistakes.length), f"{100 * (1 - one.mistakes.right / total):.1f}", *cells)
    _print(table)


def probe(
    digest: RunName,
    length: Length = None,
    longer: Annotated[int | None, typer.Option(min=1, max=1000, help="digits of longer inputs; default: the next test length")] = None,
    examples: Examples = 1000,
    seed: Seed = 0,
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """What a network represents: linear probes, where longer inputs fall, what undoes their truncation, which digits are read, by role."""
    from empirical.runs.store import load_model
    from empirical.study.probe import attention_by_role, attention_by_token, nearness, plane, rounded
    from empirical.study.probe import probe as probed
    from empirical.study.truncation import drawable, repaired, shadowed, unrepairable

    run = find_run(results, digest)
    spec = run.spec
    found = probed(run, length or spec.training.longest, examples, seed)
    batch, weight = attention_by_token(run, length or spec.training.longest, examples, seed)
    shares = attention_by_role(batch, weight)
    beyond = longer or next((n for n in spec.test_lengths if n > spec.training.longest), None)
    near = nearness(run, beyond, examples, seed) if beyond is not None and (longer or not spec.make_layout().unpadded) else None
    undone, patched, drawn, model = None, {}, None, load_model(run)
    if near is not None and not spec.make_task().needs_order:
        undone = shadowed(model, spec, near.length, examples, seed)
    if near is not None and not unrepairable(spec):
        patched = {part: repaired(model, spec, near.length, examples, seed, part) for part in ("keys", "values")}
        drawn = None if spec.sparse else drawable(model, spec)
    if not as_json:
        _show_probed(run, found, near, shares)
        if undone is not None:
            by_zero, by_another, inputs = undone
            print(f"what undoes truncation, on {inputs} inputs with a digit other than 0 above the last trained place of one operand")
            print(f" a 0 at that place, and no other digit: {by_zero}; another digit, and no 0: {by_another}")
        for part, counts in patched.items():
            won = f"{counts.repaired} of them are, {counts.damaged} others no more"
            print(f"not answered as cut: {counts.undone} of {counts.inputs} inputs; with the {part} of zeros in layer 1 {won}")
        if drawn is not None:
            print(f"digits in unseen places draw at most {100 * drawn:.3g} % of the attention of a query of the result in layer 1")
        return
    middle = plane(run, 0, spec.layers, beyond or 0, min(examples, 400), seed)
    values = {
        "digest": spec.digest,
        "length": length or spec.training.longest,
        "tokens": [f"{slot.kind}_{slot.place}" if slot.kind in "abc" else slot.kind for slot in found.batch.slots],
        "queries": [found.batch.query(place) for place in found.batch.places],
        "probes": {
            target: {"trained": rounded(trained), "initial": rounded(found.initial[target]), "shuffled": rounded(found.shuffled[target])}
            for target, trained in found.accuracy.items()
        },
        "distance": near and {"length": near.length, "trained": rounded(near.ratio), "initial": rounded(near.initial)},
        "shadowed": undone and dict(zip(("undone by 0", "undone by another", "inputs"), undone, strict=True)),
        "of zeros in layer 1": {part: asdict(counts) for part, counts in patched.items()},
        "drawable in layer 1": drawn,
        "attention": {role: rounded(share) for role, share in shares.items()},
        "pca": {
            "layer": middle.layer,
            "place": middle.place,
            "explained": list(middle.explained),
            "points": rounded(middle.points),
            "labels": {name: label.tolist() for name, label in middle.labels.items()},
            "longer": None if middle.longer is None else rounded(middle.longer),
            "equivalent": None if middle.equivalent is None else rounded(middle.equivalent),
        },
    }
    print(json.dumps(values))


def _show_probed(run: Run, found: Any, near: Any, shares: dict[str, Any]) -> None:
    from rich.table import Table

    name = {0: "embedding"} | {layer: f"layer {layer}" for layer in range(1, run.spec.layers + 1)}
    pairs = len(found.batch.pairs.length_N)
    print(f"linear probes at the token that predicts each digit, mean over the places; {pairs} pairs, half of them for the count")
    table = Table("target", "states", "trained", "before training", "shuffled labels", box=None)
    for target in found.accuracy:
        for layer in name:
            cells = (found.at_queries(each, target)[layer] for each in (found.accuracy, found.initial, found.shuffled))
            table.add_row(target, name[layer], *(f"{float(cell):.1%}" for cell in cells))
    _print(table)
    if near is not None:
        cut = run.spec.training.longest
        print(f"inputs of {near.length} digits: distance to the same input cut to {cut} digits, over that to another cut input")
        table = Table("states", *(f"before c_{place}" for place in near.batch.places), "mean", "before training", box=None)
        for layer in name:
            row = near.ratio[layer]
            means = (float(each.mean()) for each in (row, near.initial[layer]))
            table.add_row(name[layer], *(f"{float(x):.2f}" for x in row), *(f"{x:.2f}" for x in means))
        _print(table)
    print("attention of the query of c_i, by role, in %, mean over places and heads")
    table = Table("states", *shares, box=None)
    for layer in range(run.spec.layers):
        table.add_row(name[layer + 1], *(f"{100 * float(share[layer].mean()):.0f}" for share in shares.values()))
    _print(table)


def _print(table: Any) -> None:
    """A table in full, however wide the terminal is said to be."""
    from rich.console import Console

    console = Console(highlight=False)
    console.width = max(console.width, 200)
    with console.capture() as text:
        console.print(table)
    print("\n".join(line.rstrip() for line in text.get().splitlines()))


def plot(
    runs: RunNames = None,
    kind: Annotated[str, typer.Option(help=", ".join(KINDS))] = "lengths",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="picture to write: .png or .svg")] = None,
    group: Groups = None,
    measure: Annotated[str, typer.Option(help="of a heat map: truth or learned (as truncated)")] = "truth",
    length: Annotated[int | None, typer.Option(min=1, max=1000, help="operand digits; influence, pca: of longer inputs")] = None,
    place: Annotated[int, typer.Option(min=0, help="pca: place of the result digit")] = 0,
    layer: Annotated[int | None, typer.Option(min=0, help="pca: layer, 0 is the embedding; default: the last")] = None,
    examples: Examples = 500,
    seed: Seed = 0,
    results: Results = Path("results"),
) -> None:
    """A picture: learning curves, accuracy by length under theory's line, truncation by steps or draw, heat map, or a network's inside."""
    from empirical.study import inside, plots

    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}: choose from {', '.join(KINDS)}")
    if out is None:
        raise InputError("a picture needs a name: -o FILE.png or FILE.svg")
    chosen = find_runs(results, runs, group)
    if kind in ("attention", "influence", "pca") and len(chosen) != 1:
        raise InputError(f"{kind} is of one network, {len(chosen)} are named: choose one")
    spec = chosen[0].spec
    beyond = length or next((n for n in spec.test_lengths if n > spec.training.longest), 0)
    match kind:
        case "curves":
            plots.curves(chosen, out)
        case "lengths":
            plots.lengths(chosen, out)
        case "heatmap":
            plots.heatmap(chosen, out, measure)
        case "reading":
            inside.reading(chosen, out, examples, seed)
        case "drawn":
            plots.drawn(chosen, out)
        case "steps":
            plots.steps(chosen, out)
        case "attention":
            inside.attention(chosen[0], out, length or spec.training.longest, examples, seed)
        case "influence":
            inside.influence(chosen[0], out, beyond or spec.training.longest, examples, seed)
        case _:
            inside.pca(chosen[0], out, beyond, examples, seed, place, spec.layers if layer is None else layer)


def dataset(
    out: Annotated[Path, typer.Argument(help="text file to write, one question a line; it must not exist")],
    count: Annotated[int, typer.Option(help="lines")] = 10_000,
    task: TaskName = None,
    expr: Expr = None,
    modulus: Modulus = None,
    base: Base = 10,
    layout: LayoutName = "padded",
    direction: Direction = "lsd",
    width: Width = None,
    lengths: Annotated[str, typer.Option(help="operand lengths: 4, 1-3 or 2,4, in equal parts")] = "1-3",
    domain: TrainDomain = "either",
    part: Annotated[str, typer.Option(help="train, test (the pairs that training holds out) or all")] = "train",
    heldout: Annotated[int, typer.Option(help="one pair in so many is held out")] = 16,
    distinct: Annotated[bool, typer.Option("--distinct", help="no line twice")] = False,
    seed: Annotated[int, typer.Option(help="seed of the pairs")] = 0,
) -> None:
    """A training or test set in the papers' line format: a+b=c; with operands most and result least significant digit first."""
    from rich.console import Console
    from rich.progress import Progress

    from empirical.data.dataset import DataSet, write_dataset
    from theory.language.domains import make_training
    from theory.language.layouts import make_layout
    from theory.language.tasks import make_task

    training = make_training(domain, lengths)
    chosen = make_task(task if task or expr else "add", expr, base, modulus)
    placed = make_layout(layout or "padded", width or training.longest, direction)
    data = DataSet(chosen, placed, training, count, part, heldout, distinct, seed)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        shown = progress.add_task(str(out), total=count)
        write_dataset(data, out, lambda done: progress.update(shown, completed=done))
    print(f"{count} lines in {out}")

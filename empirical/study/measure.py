"""What a stored network does at each test length: right, as the truncated function, per digit, and what its wrong answers are.

The counts are those of `evaluate`; the kinds of wrong answers are theory's (theory.mistakes). Nothing here is used to choose anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch

from empirical.data.lines import renderer_of, to_ints
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec, canonical_json
from empirical.runs.store import Run, load_model
from empirical.study.evaluate import CHUNK, draw_test, evaluate, greedy, read_number
from theory.errors import InputError
from theory.language.domains import of_sort
from theory.mistakes import Answered, Mistakes, summarise
from theory.predictions.predict import predict


@dataclass(frozen=True)
class Measured:
    """One test length: the counts, the kinds of answers, and the accuracy that theory predicts (None where it predicts none)."""

    counts: dict[str, Any]
    mistakes: Mistakes
    exact: Fraction | None


def measure(run: Run, lengths: Sequence[int], examples: int, seed: int) -> list[Measured]:
    """Every length on `examples` fresh pairs.

    Raises:
        InputError: a length that the network has no positions for, or a layout too narrow for it.
    """
    spec, model = run.spec, load_model(run)
    check_lengths(spec, lengths)
    exact = exact_accuracies(spec, lengths)
    out = []
    for counts, length in zip(evaluate(model, spec, lengths, examples, seed), lengths, strict=True):
        rows = answers(model, spec, length, examples, seed)
        (mistakes,) = summarise(spec.make_task(), spec.training.longest, rows)
        out.append(Measured(counts, replace(mistakes, length=length), exact[length]))
    return out


def check_lengths(spec: RunSpec, lengths: Sequence[int]) -> None:
    """Refuse lengths that a network cannot be asked."""
    if spec.make_layout().fixed and max(lengths) > spec.width:
        raise InputError(f"length {max(lengths)}: the network was trained at width {spec.width}")
    if spec.has_position_table and max(lengths) > (longest := max(*spec.train_lengths, *spec.test_lengths)):
        raise InputError(f"length {max(lengths)}: the network has positions for up to {longest} digits")


def answers(model: GPT, spec: RunSpec, length: int, examples: int, seed: int) -> list[Answered]:
    """Questions of one length, the same as in `evaluate`, each with the number that the network writes."""
    device = next(model.parameters()).device
    task, layout, renderer = spec.make_task(), spec.make_layout(), renderer_of(spec, device)
    rows: list[Answered] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed * 1_000_003 + length)
        pairs, _ = draw_test(spec, length, examples, device)
        for index in torch.arange(len(pairs.length_N), device=device).split(CHUNK):
            chunk = pairs.take(index)
            token_NT = greedy(model, renderer.lines(chunk)).tolist()
            numbers = zip(to_ints(chunk.a_ND, spec.base), to_ints(chunk.b_ND, spec.base), token_NT, strict=True)
            rows += [(a, b, read_number(task, layout, a, b, length, tokens)) for a, b, tokens in numbers]
    return rows


def exact_accuracies(spec: RunSpec, lengths: Sequence[int]) -> dict[int, Fraction | None]:
    """What theory predicts after as many steps as it takes, by length; None everywhere where it has too much to count."""
    asked = tuple(sorted(set(lengths)))
    try:
        found = predict(spec.make_task(), spec.make_encoding(), spec.make_layout(), spec.training, asked, spec.test_domain)
    except InputError:
        return dict.fromkeys(asked)
    return {row.length: row.exact for row in found.accuracy}


def theory_says(spec: RunSpec, a: int, b: int, length: int, steps: int | None = None) -> tuple[str, int | None]:
    """The outcome that theory predicts at this length after so many steps, or as many as it takes, and the answer that follows from it: the
    truth, that of cut operands, or none.
    """
    task, cut = spec.make_task(), spec.base**spec.training.longest
    if not of_sort(spec.train_domain, spec.base, a, b):  # such pairs were never shown, and test pairs are not like them
        return "undetermined", None
    try:
        found = predict(task, spec.make_encoding(), spec.make_layout(), spec.training, (length,), spec.test_domain, steps)
    except InputError as error:
        return f"nothing ({error})", None
    outcome = found.outcome.of(spec.training.region(length)) or "undetermined"
    return outcome, {"exact": int(task(a, b)), "truncation": int(task(a % cut, b % cut))}.get(outcome)


def measurement_json(run: Run, seed: int, found: Sequence[Measured]) -> dict[str, Any]:
    """The measurement as plain values. Kinds with `first` add up to all answers; `chance` is explained in theory.mistakes."""
    rows = [
        {
            **one.counts,
            "predicted": None if one.exact is None else str(one.exact),
            "answers": {
                kind: {"first": tally.first, "holds": tally.holds, "wrong": tally.wrong, "chance": tally.chance}
                for kind, tally in one.mistakes.tallies.items()
            },
        }
        for one in found
    ]
    return {"digest": run.spec.digest, "group": run.result["group"], "task": run.spec.make_task().text, "seed": seed, "lengths": rows}


@dataclass(frozen=True)
class HeatMap:
    """Shares of answers by trained lengths (rows) and test length (columns), the mean over seeds; None where nothing was measured."""

    measure: str
    trained: tuple[tuple[int, ...], ...]
    tested: tuple[int, ...]
    shares: tuple[tuple[float | None, ...], ...]
    networks: tuple[int, ...]


def heat_map(runs: Sequence[Run], measure: str = "truth") -> HeatMap:
    """The stored counts of runs of one experiment that were trained on different lengths.

    Raises:
        InputError: the runs differ in more than lengths, width and seed, or `measure` is neither truth nor learned.
    """
    if measure not in ("truth", "learned"):
        raise InputError(f"unknown measure {measure!r}: choose truth or learned")
    same = {"train_lengths": (1,), "test_lengths": (1,), "watched_lengths": (), "width": 1, "seed": 0}
    kinds = {canonical_json({**run.spec.to_dict(), **same}) for run in runs}
    if len(kinds) != 1:
        raise InputError("a heat map needs runs that differ in their lengths, width and seed alone: choose one experiment")
    trained = sorted({run.spec.train_lengths for run in runs}, key=lambda lengths: (max(lengths), lengths))
    tested = sorted({entry["length"] for run in runs for entry in run.result["evaluation"]})
    rows = []
    for lengths in trained:
        cells: dict[int, list[float]] = {}
        for run in runs:
            for entry in run.result["evaluation"]:
                if run.spec.train_lengths == lengths and entry[measure] is not None:
                    cells.setdefault(entry["length"], []).append(entry[measure] / entry["examples"])
        rows.append(tuple(sum(cells[length]) / len(cells[length]) if length in cells else None for length in tested))
    networks = tuple(sum(run.spec.train_lengths == lengths for run in runs) for lengths in trained)
    return HeatMap(measure, tuple(trained), tuple(tested), tuple(rows), networks)

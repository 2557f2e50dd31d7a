"""Pictures of many networks, PNG or SVG: learning curves, accuracy by length under the theory's line, truncation by steps of training
and by what unseen digits draw, heat map. Those of what happens in a network are in inside.py.

Colours are those of Okabe and Ito, or the colour map cividis: both keep their order without red and green, and in grey.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from empirical.runs.store import Run
from empirical.study.measure import HeatMap, exact_accuracies, heat_map
from theory.errors import InputError

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
INK, GREY = "#33373D", "#B9B9C2"
MAX_GROUPS = len(COLOURS)
FORMATS = ("png", "svg")


@contextmanager
def picture(path: Path, size: tuple[float, float], columns: int = 1) -> Iterator[tuple[Any, list[Any]]]:
    """A figure with so many axes in a row; it is written when the block ends without an error.

    Raises:
        InputError: matplotlib is missing, the ending of the file is neither .png nor .svg, or it cannot be written.
    """
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise InputError(f"{path}: pictures are PNG or SVG: give a name that ends in .png or .svg")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("a picture needs matplotlib: pip install 'arith-theory[plots]'") from None
    style = {"svg.hashsalt": "arith-theory", "font.size": 10, "axes.edgecolor": INK, "text.color": INK, "axes.labelcolor": INK}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, dpi=140, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        axes = [figure.add_subplot(1, columns, index + 1) for index in range(columns)]
        yield figure, axes
        try:
            figure.savefig(path, format=form, metadata={"Date": None} if form == "svg" else None)  # equal pictures are equal files
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def by_group(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs under the names of their groups; without one, under their digests.

    Raises:
        InputError: more groups than there are colours to tell apart.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.result["group"] or run.spec.digest, []).append(run)
    if len(groups) > MAX_GROUPS:
        raise InputError(f"{len(groups)} groups in one picture: choose at most {MAX_GROUPS}")
    return groups


def curves(runs: Sequence[Run], path: Path) -> None:
    """Loss, held-out accuracy, and the watched lengths that were not trained where a run has any, against the step; a line per network."""
    groups = by_group(runs)
    logs = {run.spec.digest: [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()] for run in runs}
    watched = any(set(run.spec.watched_lengths) - set(run.spec.train_lengths) for run in runs)
    with picture(path, (14 if watched else 9.5, 4), 3 if watched else 2) as (_, axes):
        for colour, (name, members) in zip(COLOURS, groups.items(), strict=False):
            for index, run in enumerate(members):
                log = logs[run.spec.digest]
                steps, label = [row["step"] for row in log], name if index == 0 else None
                axes[0].plot(steps, [row["loss"] for row in log], color=colour, lw=1.4, label=label)
                axes[1].plot(steps, [row["id_accuracy"] for row in log], color=colour, lw=1.4)
                if watched:
                    _watched(axes[2], log, run.spec.train_lengths, colour)
        title = "training loss, price and all" if any(run.spec.price for run in runs) else "training loss"
        axes[0].set(xlabel="step", ylabel="loss", yscale="log", title=title)
        axes[0].legend(frameon=False, fontsize=8)
        axes[1].set(xlabel="step", ylim=(-0.02, 1.02), title="right on held-out pairs, longest trained length")
        if watched:
            axes[2].set(xlabel="step", ylim=(-0.02, 1.02), title="other lengths: as truncated (solid), right (dotted)")
        for one in axes:
            _tidy(one, percent=one is not axes[0])


def _watched(axes: Any, log: list[dict[str, Any]], trained: Sequence[int], colour: str) -> None:
    """The same colour for a network, lengths that were not trained by their number at the end of the line."""
    rows = [(row["step"], {entry["length"]: entry for entry in row["watched"]}) for row in log if "watched" in row]
    for length in [length for length in (rows[-1][1] if rows else ()) if length not in trained]:
        for measure, style in (("learned", "-"), ("truth", ":")):
            counts = [(step, found[length]) for step, found in rows]
            points = [(step, entry[measure] / entry["examples"]) for step, entry in counts if entry[measure] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, ls=style, lw=1.2)
                axes.annotate(str(length), points[-1], xytext=(3, 0), textcoords="offset points", fontsize=8, color=colour, va="center")


def lengths(runs: Sequence[Run], path: Path) -> None:
    """Accuracy against the test length: a point per network, a line through the means, and theory's exact accuracy over both."""
    groups = by_group(runs)
    with picture(path, (8.5, 4.6)) as (_, (axes,)):
        for colour, marker, (name, members) in zip(COLOURS, cycle("osD^vPX*"), groups.items(), strict=False):
            cells: dict[int, list[float]] = {}
            for run in members:
                for entry in run.result["evaluation"]:
                    cells.setdefault(entry["length"], []).append(entry["truth"] / entry["examples"])
            tested = sorted(cells)
            points = [(length, share) for length in tested for share in cells[length]]
            axes.plot(*zip(*points, strict=True), ls="", marker=marker, ms=6, mfc="none", color=colour, label=name, clip_on=False)
            axes.plot(tested, [sum(cells[length]) / len(cells[length]) for length in tested], color=colour, lw=1.6)
            exact = {length: share for length, share in exact_accuracies(members[0].spec, tested).items() if share is not None}
            if exact:
                axes.plot(list(exact), [float(share) for share in exact.values()], color="black", ls=(0, (4, 2)), lw=1.3, zorder=5)
        axes.plot([], [], color="black", ls=(0, (4, 2)), lw=1.3, label="theory, exact")
        trained = {run.spec.training.longest for run in runs}
        if len(trained) == 1:
            axes.axvspan(axes.get_xlim()[0], max(trained) + 0.5, color="#EEF1F4", zorder=0)
            axes.text(max(trained) + 0.45, 0.5, "trained", rotation=90, ha="right", va="center", fontsize=8, color="#7A7F87")
            axes.margins(x=0)
        axes.set(xlabel="digits of the longer operand", ylabel="right answers", ylim=(-0.03, 1.03))
        asked = sorted({entry["length"] for run in runs for entry in run.result["evaluation"]})
        if asked[-1] > 12 * asked[0]:
            axes.set_xscale("log")
            ticks = [length for length, after in zip(asked, [*asked[1:], None], strict=True) if after is None or after >= 1.15 * length]
            axes.set_xticks(ticks, map(str, ticks))
            axes.minorticks_off()
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        _tidy(axes, percent=True)


def drawn(runs: Sequence[Run], path: Path) -> None:
    """The attention that unseen digits can draw (told from the weights) against the answers one digit on that are as cut: a point each.

    Raises:
        InputError: as `drawable`, or a network was not asked operands of one digit more.
    """
    from empirical.runs.store import load_model
    from empirical.study.truncation import drawable

    with picture(path, (7.5, 4.6)) as (_, (axes,)):
        for colour, marker, (name, members) in zip(COLOURS, cycle("osD^vPX*"), by_group(runs).items(), strict=False):
            points = [(drawable(load_model(run), run.spec), _as_cut(run)) for run in members]
            axes.plot(*zip(*points, strict=True), ls="", marker=marker, ms=6, mfc="none", color=colour, label=name, clip_on=False)
        axes.set(xlabel="attention that unseen digits can draw in layer 1, at most", ylabel="as cut, one digit on")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.xaxis.set_major_formatter(as_percent())
        _tidy(axes, percent=True)


def steps(runs: Sequence[Run], path: Path) -> None:
    """How long networks were trained against the answers one digit on that are as cut: a point each, a line through the means of a task.

    Raises:
        InputError: more tasks than there are colours, or a network was not asked operands of one digit more.
    """
    tasks: dict[str, dict[int, list[float]]] = {}
    for run in runs:
        name = f"{run.spec.make_task().text}, base {run.spec.base}, lengths {spelled(run.spec.train_lengths)}"
        tasks.setdefault(name, {}).setdefault(run.spec.steps, []).append(_as_cut(run))
    if len(tasks) > MAX_GROUPS:
        raise InputError(f"{len(tasks)} tasks in one picture: choose at most {MAX_GROUPS}")
    with picture(path, (8.5, 4.6)) as (_, (axes,)):
        for colour, marker, (name, found) in zip(COLOURS, cycle("osD^vPX*"), tasks.items(), strict=False):
            points = [(count, share) for count in sorted(found) for share in found[count]]
            axes.plot(*zip(*points, strict=True), ls="", marker=marker, ms=6, mfc="none", color=colour, label=name, clip_on=False)
            axes.plot(sorted(found), [sum(found[count]) / len(found[count]) for count in sorted(found)], color=colour, lw=1.4)
        axes.set(xlabel="steps of training", ylabel="as cut, one digit on", ylim=(-0.03, 1.03), xscale="log")
        asked = sorted({run.spec.steps for run in runs})
        ticks = [count for count, after in zip(asked, [*asked[1:], None], strict=True) if after is None or after >= 1.3 * count]
        axes.set_xticks(ticks, [f"{count:,}" for count in ticks])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        _tidy(axes, percent=True)


def _as_cut(run: Run) -> float:
    """The share of answers to operands one digit longer than in training that are as cut."""
    for entry in run.result["evaluation"]:
        if entry["length"] == run.spec.training.longest + 1 and entry.get("learned") is not None:
            return float(entry["learned"] / entry["examples"])
    raise InputError(f"run {run.spec.digest}: no answers to operands of {run.spec.training.longest + 1} digits are compared with cut ones")


def heatmap(runs: Sequence[Run], path: Path, measure: str = "truth") -> None:
    """Trained lengths against test length."""
    found = heat_map(runs, measure)
    with picture(path, (1.9 + 0.62 * len(found.tested), 1.5 + 0.5 * len(found.trained))) as (figure, (axes,)):
        cells = [[float("nan") if share is None else share for share in row] for row in found.shares]
        image = axes.imshow(cells, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for y, row in enumerate(found.shares):
            for x, share in enumerate(row):
                text = "-" if share is None else f"{100 * share:.0f}"
                axes.text(x, y, text, ha="center", va="center", fontsize=9, color="white" if share is not None and share < 0.6 else "black")
        axes.set_xticks(range(len(found.tested)), map(str, found.tested))
        axes.set_yticks(range(len(found.trained)), [spelled(trained) for trained in found.trained])
        axes.set(xlabel="test length", ylabel="trained lengths", title=_heat_title(found, runs[0]))
        figure.colorbar(image, ax=axes, format=as_percent())


def _heat_title(found: HeatMap, run: Run) -> str:
    what = "right answers" if found.measure == "truth" else "answers as truncated"
    seeds = f"{min(found.networks)}-{max(found.networks)}" if min(found.networks) < max(found.networks) else str(found.networks[0])
    return f"{run.spec.make_task().text}, {run.spec.encoding}: {what} in %, mean of {seeds} network{'s' * (seeds != '1')}"


def spelled(trained: Sequence[int]) -> str:
    """Lengths as people write them: 1-3, or 2,4."""
    first, last = trained[0], trained[-1]
    if len(trained) > 1 and list(trained) == list(range(first, last + 1)):
        return f"{first}-{last}"
    return ",".join(map(str, trained))


def as_percent() -> Callable[[float, int], str]:
    from matplotlib.ticker import FuncFormatter

    formatter: Callable[[float, int], str] = FuncFormatter(lambda share, _: f"{share:.0%}")
    return formatter


def _tidy(axes: Any, percent: bool) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E6E8EB", lw=0.7)
    axes.set_axisbelow(True)
    if percent:
        axes.yaxis.set_major_formatter(as_percent())

"""Dependency graphs as pictures, PNG or SVG, one task or several side by side.

A panel shows the graph, columns as on paper with digit 0 on the right, over a table of influences: the column below c_i says how likely
c_i changes when an operand digit is drawn again. Edges and cells share one scale: an edge has the colour of the largest influence of an
operand digit on a result digit that can go along it (`Portrait.strength`). Below stand the rule for all lengths and the fingerprints.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from theory.errors import InputError
from theory.graphs.fingerprints import Portrait
from theory.graphs.formats import captions, shown

FORMATS = ("png", "svg")
MAX_COLUMNS = 40  # of all panels together
FILLS = {"a": "#3B6FA0", "b": "#6FA3C7", "carry": "#8C8C99", "c": "#2F3B46"}
GREY = "#B9B9C2"
UNUSED = "#DDE1E5"
PITCH = 1.15  # inches per digit column
ROW = 1.7  # inches between the rows of nodes
CELL = 0.42  # inches, height of a cell of the table
LINE = 0.21  # inches, of a caption
NODE = 13.5  # points, radius of a node and a little more


def draw(portraits: Sequence[Portrait], path: str | Path, form: str) -> None:
    """Draw into a file; `form` is png or svg.

    Raises:
        InputError: matplotlib is not installed, the picture is too wide, or the file cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("a picture needs matplotlib: pip install 'arith-theory[plots]'") from None
    if (total := sum(map(_columns, portraits))) > MAX_COLUMNS:
        raise InputError(f"a picture of {total} columns is too wide, at most {MAX_COLUMNS} are drawn: take fewer digits or --format dot")
    rows, cells = max(ROW + 0.06 * _columns(portrait) for portrait in portraits), max(len(_table(portrait)) for portrait in portraits)
    panels = [_Panel(portrait, rows, cells) for portrait in portraits]
    width, height = sum(panel.width for panel in panels), max(panel.height for panel in panels)
    bottom = 0.75 if any(panel.portrait.influence for panel in panels) else 0.1
    figure = Figure(figsize=(width, height + bottom), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    left = 0.0
    for panel in panels:
        axes = figure.add_axes((left / width, bottom / (height + bottom), panel.width / width, height / (height + bottom)))
        axes.set(xlim=(0, panel.width), ylim=(panel.top - height, panel.top))
        axes.axis("off")
        panel.draw(axes)
        left += panel.width
    if bottom > 0.5:
        _scale(figure, width, height + bottom)
    try:
        with matplotlib.rc_context({"svg.hashsalt": "arith-theory"}):  # equal pictures are equal files
            figure.savefig(path, format=form, metadata={"Date": None} if form == "svg" else None)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def _columns(portrait: Portrait) -> int:
    return max(portrait.digits, len(portrait.in_degree["c"]))


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("influence", ["#E6E1D8", "#F5C667", "#E2703A", "#A3214E", "#3B0F45"])


class _Panel:
    """One task in inches: x from 0 at the left, y = 0 at the result digits, `row` between rows of nodes, a table of up to `cells` rows."""

    def __init__(self, portrait: Portrait, row: float, cells: int) -> None:
        self.portrait, self.columns = portrait, _columns(portrait)
        self.left = 1.0
        self.width = max(self.left + PITCH * self.columns + 0.35, 6.0)
        self.left += (self.width - (self.left + PITCH * self.columns + 0.35)) / 2
        self.row, self.rows = row, _table(portrait)
        self.text = [line for text in _caption(portrait) for line in _wrapped(text, int((self.width - 0.5) * 14.5))]
        self.top = 2 * self.row + 1.2
        self.table_top = -0.5
        self.caption_top = self.table_top - CELL * cells - 0.35
        self.height = self.top - self.caption_top + LINE * len(self.text) + 0.1

    def draw(self, axes: Any) -> None:
        task, rule, middle = self.portrait.task, self.portrait.rule, self.width / 2
        axes.text(middle, self.top - 0.25, _title(self.portrait), ha="center", va="center", fontsize=17, color="#22262B")
        headline = rule.headline if rule else f"{self.portrait.digits} digits in base {task.base}"
        axes.text(middle, self.top - 0.6, headline, ha="center", va="center", fontsize=11.5, color="#5A5F66", style="italic")
        self._nodes_and_edges(axes)
        self._cells(axes)
        for k, (text, bold) in enumerate(self.text):
            weight = "bold" if bold else "normal"
            axes.text(0.3, self.caption_top - LINE * k, text, ha="left", va="center", fontsize=9.5, color="#33373D", weight=weight)

    def _x(self, index: int) -> float:
        return self.left + PITCH * (self.columns - 1 - index + 0.5)

    def _place(self, kind: str, index: int) -> tuple[float, float]:
        """Columns as on paper; a carry stands on the border through which it enters its column."""
        border = 0.5 * PITCH if self.portrait.direction == "lsd" else -0.5 * PITCH
        shift, level = {"a": (-0.24, 2), "b": (0.24, 2), "carry": (border, 1), "c": (0.0, 0)}[kind]
        return self._x(index) + shift, self.row * level

    def _nodes_and_edges(self, axes: Any) -> None:
        graph, colours, strength = self.portrait.graph, _colours(), self.portrait.strength
        places = {node: self._place(data["kind"], data["index"]) for node, data in graph.nodes(data=True)}
        for edge in sorted(graph.edges, key=lambda edge: strength.get(edge, 0)):
            share = float(strength.get(edge, 0.3))
            colour = colours(share) if strength else GREY
            style = {"arrowstyle": "-|>", "mutation_scale": 9, "color": colour, "lw": 0.9 + 1.4 * share, "shrinkA": NODE, "shrinkB": NODE}
            axes.annotate("", places[edge[1]], places[edge[0]], arrowprops=style, zorder=1 + share)
        for node, data in graph.nodes(data=True):
            x, y = places[node]
            used = graph.degree(node) > 0 or data["kind"] == "c"
            fill = FILLS[data["kind"]] if used else UNUSED
            axes.scatter(x, y, s=480, color=fill, edgecolors="white", linewidths=1.4, zorder=3)
            name = "s" if data["kind"] == "carry" else data["kind"]
            axes.text(x, y, f"${name}_{{{data['index']}}}$", color="white", ha="center", va="center", fontsize=12, zorder=4)
        names = {"a": "operands", "carry": "carries" if self.portrait.direction == "lsd" else "states", "c": "result"}
        for kind in {data["kind"] for _, data in graph.nodes(data=True)} & names.keys():
            axes.text(0.15, self._place(kind, 0)[1], names[kind], color="#7A7F87", va="center", fontsize=10)

    def _cells(self, axes: Any) -> None:
        from matplotlib.patches import Rectangle

        colours = _colours()
        for k, (label, row) in enumerate(self.rows):
            y = self.table_top - CELL * (k + 1)
            edge = self._x(len(row) - 1) - PITCH / 2
            axes.text(edge - 0.1, y + CELL / 2, label, ha="right", va="center", fontsize=10.5, color="#33373D")
            for i, share in enumerate(row):
                colour = colours(float(share)) if share else "#FAFAFA"
                corner = (self._x(i) - PITCH / 2 + 0.02, y + 0.02)
                axes.add_patch(Rectangle(corner, PITCH - 0.04, CELL - 0.04, facecolor=colour, edgecolor="none"))
                ink = "white" if share > 0.42 else "#33373D" if share else "#C4C7CC"
                axes.text(self._x(i), y + CELL / 2, shown(share), ha="center", va="center", fontsize=10, color=ink)


def _title(portrait: Portrait) -> str:
    return portrait.task.text.replace("*", "×").replace("%", "mod")


def _table(portrait: Portrait) -> list[tuple[str, tuple[Fraction, ...]]]:
    """Rows of influences, least significant digit first: one for both operands where they agree, none for an operand without any."""
    shares = portrait.influence or {}
    places = range(portrait.digits if shares else 0)
    if all(shares["a", j] == shares["b", j] for j in places):
        return [(f"$a_{{{j}}}$, $b_{{{j}}}$", shares["a", j]) for j in places]
    used = [kind for kind in "ab" if any(any(shares[kind, j]) for j in places)]
    return [(f"${kind}_{{{j}}}$", shares[kind, j]) for kind in used for j in places]


def _caption(portrait: Portrait) -> list[tuple[str, bool]]:
    """Lines and whether they are headings."""
    rule = portrait.rule
    if rule is None:
        lines = [("rule for all lengths", True), (portrait.rule_note, False)]
    else:
        lines = [(f"rule for all lengths, proven{'' if rule.exact else ' as an upper bound'}", True)]
        lines += [(line, False) for line in rule.lines]
    lines += [(f"fingerprints of {portrait.digits} digits, base {portrait.task.base}", True)]
    lines += [(line, False) for line in captions(portrait)]
    if portrait.influence is None:
        lines.append((portrait.counted[1], False))
    return lines


def _wrapped(line: tuple[str, bool], width: int) -> list[tuple[str, bool]]:
    """Cut at spaces to the width in characters; names with an index become mathematics."""
    cut = textwrap.wrap(line[0], width, subsequent_indent="    ")
    return [(re.sub(r"\b(a|b|c|carry)_(\{[^}]*\}|\w+)", _indexed, part).replace("<-", "$\\leftarrow$"), line[1]) for part in cut]


def _indexed(match: re.Match[str]) -> str:
    name = "s" if match[1] == "carry" else match[1]
    return f"${name}_{{{match[2].strip('{}')}}}$"


def _scale(figure: Any, width: float, height: float) -> None:
    """The colour scale, below all panels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    length = min(5.0, width - 1)
    axes = figure.add_axes(((width - length) / 2 / width, 0.47 / height, length / width, 0.13 / height))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), _colours()), cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8.5, length=2, color="#7A7F87", labelcolor="#33373D")
    label = "influence: probability that the result digit changes when the operand digit is drawn again"
    bar.set_label(label, fontsize=8.5, color="#33373D")

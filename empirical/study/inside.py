"""Pictures of what happens in a network: attention by token, what each digit is computed from, influence of operands, hidden states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from empirical.runs.store import Run
from empirical.study.plots import COLOURS, INK, as_percent, picture
from theory.errors import InputError

PANELS = 3
ROOM = 30  # tokens of a line that all are named below a panel; of longer ones every fifth place is


def attention(run: Run, path: Path, length: int, examples: int, seed: int) -> None:
    """Which tokens the query of each result digit reads, a panel per layer, the mean over heads and lines."""
    from empirical.study.probe import attention_by_token

    batch, weight_LHTT = attention_by_token(run, length, examples, seed)
    places = batch.places
    last = max(batch.query(place) for place in places)
    names = [_token(slot.kind, slot.place) for slot in batch.slots[: last + 1]]
    layers, most = len(weight_LHTT), float(weight_LHTT.mean(1)[:, [batch.query(place) for place in places]].max())
    with picture(path, (1.2 + layers * max(3.2, 0.27 * len(names)), 1.4 + 0.34 * len(places)), layers) as (figure, axes):
        for layer, one in enumerate(axes):
            rows = [weight_LHTT[layer, :, batch.query(place), : last + 1].mean(0).tolist() for place in places]
            image = one.imshow(rows, cmap="cividis", vmin=0, vmax=most, aspect="auto")
            for y, place in enumerate(places):  # what comes after the query is out of sight
                one.axvspan(batch.query(place) + 0.5, last + 0.5, 1 - (y + 1) / len(places), 1 - y / len(places), color="white")
            one.set_xticks(range(len(names)), names, fontsize=8)
            one.set_yticks(range(len(places)), [_token("c", place) for place in places], fontsize=8)
            one.set(title=f"layer {layer + 1}", xlabel="read token")
        axes[0].set_ylabel("digit that is written next")
        figure.colorbar(image, ax=axes, format=as_percent())
        figure.suptitle(f"{run.result['group'] or run.spec.digest}, seed {run.spec.seed}: attention at length {length}", fontsize=11)


def reading(runs: Sequence[Run], path: Path, examples: int, seed: int) -> None:
    """On which tokens each result digit depends, through all layers and every weight above 0: a panel per network, on the longest lines.

    The roles of the local rule, other digits and digits at places that training never filled are told apart.

    Raises:
        InputError: more networks than panels.
    """
    from empirical.study.probe import attention_by_token
    from empirical.study.states import reached
    from theory.local.alignment import ROLES

    if len(runs) > PANELS:
        raise InputError(f"reading is a panel for each network, {len(runs)} are named: choose at most {PANELS}")
    found = [attention_by_token(run, max(run.spec.test_lengths), examples, seed) for run in runs]
    kinds = {"a_i, b_i, a_i-1, b_i-1, c_i-1": COLOURS[0], "another digit": COLOURS[4], "a digit never trained at its place": COLOURS[1]}
    tall, wide = max(len(batch.places) for batch, _ in found), max(5.2, 0.2 * max(len(batch.slots) for batch, _ in found))
    with picture(path, (wide * len(runs), 1.9 + 0.3 * tall), len(runs)) as (figure, axes):
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch

        for run, (batch, weight_LHTT), one in zip(runs, found, axes, strict=True):
            last = max(batch.query(place) for place in batch.places)
            reach_TT, slots = reached((weight_LHTT > 0).any(1)), batch.slots[: last + 1]
            cells = [[math.nan] * len(slots) for _ in batch.places]
            for row, place in enumerate(batch.places):
                for t in [t for t, slot in enumerate(slots) if slot.kind in "abc" and reach_TT[batch.query(place), t]]:
                    unseen = slots[t].kind in "ab" and slots[t].place >= run.spec.training.longest
                    cells[row][t] = 2 if unseen else 0 if (slots[t].kind, place - slots[t].place) in ROLES else 1
            one.imshow(cells, cmap=ListedColormap(list(kinds.values())), vmin=0, vmax=2, aspect="auto")
            every = 1 if len(slots) <= ROOM else 5
            names = [_token(slot.kind, slot.place) if slot.kind not in "abc" or slot.place % every == 0 else "" for slot in slots]
            one.set_xticks(range(len(slots)), names, fontsize=8)
            one.set_yticks(range(len(batch.places)), [_token("c", place) for place in batch.places], fontsize=8)
            one.set(title=f"{run.result['group'] or run.spec.digest}, seed {run.spec.seed}", xlabel="token it is computed from")
        axes[0].set_ylabel("digit of the result")
        patches = [Patch(color=colour, label=name) for name, colour in kinds.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=3 if wide * len(runs) > 8 else 1)


def _token(kind: str, place: int) -> str:
    return f"${kind}_{{{place}}}$" if kind in "abc" else {"bos": "^", "op": "+", "eq": "=", "eos": ";"}[kind]


def influence(run: Run, path: Path, length: int, examples: int, seed: int) -> None:
    """How likely each result digit changes with each operand digit: the network's, a panel each for the task and the truncated task."""
    from empirical.runs.store import load_model
    from empirical.study.influence import influences

    found = influences(load_model(run), run.spec, length, examples, seed)
    panels: dict[str, Mapping[Any, Sequence[Any]]] = {"network": found.network}
    for name, exact in ((run.spec.make_task().text, found.task), ("on cut operands", found.truncated)):
        if exact is not None:
            panels[f"theory: {name}"] = exact
    nodes = sorted(found.network, key=lambda node: (node[0], -node[1]))
    places = range(max(len(row) for row in found.network.values()))
    with picture(path, (1.0 + len(panels) * (0.6 + 0.42 * len(nodes)), 1.5 + 0.42 * len(places)), len(panels)) as (figure, axes):
        for one, (name, counted) in zip(axes, panels.items(), strict=True):
            columns = [[float(share) for share in counted.get(node, ())] for node in nodes]
            rows = [[column[place] if place < len(column) else 0.0 for column in columns] for place in places]
            image = one.imshow(rows, cmap="cividis", vmin=0, vmax=1, aspect="auto")
            for y, row in enumerate(rows):
                for x, share in enumerate(row):
                    if share >= 0.005:
                        ink = "black" if share > 0.5 else "white"
                        one.text(x, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=ink)
            one.set_xticks(range(len(nodes)), [_token(*node) for node in nodes], fontsize=8)
            one.set_yticks(range(len(places)), [_token("c", place) for place in places], fontsize=8)
            for label, (_, place) in zip(one.get_xticklabels(), nodes, strict=True):
                label.set_color(COLOURS[1] if place >= run.spec.training.longest else INK)
            one.set(title=name)
        axes[0].set_ylabel("digit that changes, in %")
        figure.colorbar(image, ax=axes, format=as_percent())
        what = f"influence of operand digits at length {length}, those above the trained lengths in orange"
        figure.suptitle(f"{run.result['group'] or run.spec.digest}, seed {run.spec.seed}: {what}", fontsize=11)


def pca(run: Run, path: Path, length: int, examples: int, seed: int, place: int, layer: int) -> None:
    """Hidden states before and after training, coloured by the result digit; longer inputs are tied to the cut ones they should fall on."""
    from empirical.study.probe import MAX_POINTS, plane

    base = run.spec.base
    with picture(path, (11.5, 5), 2) as (figure, axes):
        for one, initial in zip(axes, (True, False), strict=True):
            found = plane(run, place, layer, length, examples, seed, initial)
            digit_N = found.labels["result digit"][:MAX_POINTS]
            x, y = found.points[:MAX_POINTS].T.tolist()
            dots = one.scatter(x, y, c=digit_N.tolist(), cmap="cividis", vmin=0, vmax=base - 1, s=16, lw=0, alpha=0.9)
            if base <= 12:  # colours carry no message that the numbers do not
                for digit in digit_N.unique().tolist():
                    at = found.points[:MAX_POINTS][digit_N == digit].median(0).values.tolist()
                    one.text(*at, str(digit), fontsize=11, ha="center", va="center", weight="bold", color="black", bbox=_BOX)
            if found.longer is not None and found.equivalent is not None:
                for start, end in zip(found.longer[:60].tolist(), found.equivalent[:60].tolist(), strict=True):
                    one.plot(*zip(start, end, strict=True), color=COLOURS[1], lw=0.7, alpha=0.8)
                crosses = found.longer[:60].T.tolist()
                one.plot(*crosses, ls="", marker="x", ms=5, color=COLOURS[1], label=f"{length} digits, tied to the same cut")
                one.legend(frameon=False, fontsize=8)
            first, second = found.explained
            one.set(title="before training" if initial else "trained")
            one.set(xlabel=f"component 1 ({first:.0%})", ylabel=f"component 2 ({second:.0%})")
        figure.colorbar(dots, ax=axes, label=f"result digit $c_{{{place}}}$")
        where = "embedding" if layer == 0 else f"layer {layer}"
        figure.suptitle(f"{run.result['group'] or run.spec.digest}, seed {run.spec.seed}: {where}, query of $c_{{{place}}}$", fontsize=11)


_BOX = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}

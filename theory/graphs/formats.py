"""Dependency graphs as text: Mermaid, Graphviz, node-link JSON with the rule and the fingerprints, and a summary to read.

Each takes one portrait or several; several stand side by side in one drawing, their nodes apart by a prefix.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from theory.graphs.fingerprints import Cut, Portrait
from theory.language.tasks import digit_count
from theory.predictions.report import columns

COLOURS = {"a": "#4C78A8", "b": "#E8833A", "carry": "#8C8C99", "c": "#3F9B5B"}


def to_mermaid(portraits: Sequence[Portrait]) -> str:
    """Mermaid flowchart text."""
    lines = ["flowchart TD"]
    for prefix, portrait in _prefixed(portraits):
        body = [f"  {prefix}{node}(({node})):::{data['kind']}" for node, data in portrait.graph.nodes(data=True)]
        body += [f"  {prefix}{source} --> {prefix}{target}" for source, target in portrait.graph.edges]
        lines += [f'  subgraph {prefix}all["{portrait.task.text}"]', *body, "  end"] if prefix else body
    lines += [f"  classDef {kind} fill:{colour},stroke:#333,color:#fff" for kind, colour in COLOURS.items()]
    return "\n".join(lines)


def to_dot(portraits: Sequence[Portrait]) -> str:
    """Graphviz text: one rank per digit, digit 0 on the right."""
    lines = ["digraph dependencies {", "  rankdir=RL;", "  node [shape=circle, style=filled, fontcolor=white, width=0.7, fixedsize=true];"]
    for prefix, portrait in _prefixed(portraits):
        body = _dot_body(portrait, prefix)
        lines += [f'  subgraph "cluster_{prefix}" {{', f'  label="{portrait.task.text}";', *body, "  }"] if prefix else body
    return "\n".join([*lines, "}"])


def _dot_body(portrait: Portrait, prefix: str) -> list[str]:
    graph, lines, representatives = portrait.graph, [], []
    for index in sorted({data["index"] for _, data in graph.nodes(data=True)}):
        nodes = [(node, data["kind"]) for node, data in graph.nodes(data=True) if data["index"] == index]
        shown = " ".join(f'{prefix}{node} [label="{node}", fillcolor="{COLOURS[kind]}"];' for node, kind in nodes)
        lines.append(f"  {{ rank=same; {shown} }}")
        representatives.append(prefix + nodes[0][0])
    lines += [f"  {right} -> {left} [style=invis];" for right, left in pairwise(representatives)]
    for source, target in graph.edges:
        lines.append(f'  {prefix}{source} -> {prefix}{target} [color="{COLOURS[graph.nodes[source]["kind"]]}", constraint=false];')
    return lines


def _prefixed(portraits: Sequence[Portrait]) -> list[tuple[str, Portrait]]:
    return [(f"t{k}_" if len(portraits) > 1 else "", portrait) for k, portrait in enumerate(portraits)]


def to_json(portraits: Sequence[Portrait]) -> str:
    """Node-link JSON, a list for several; `networkx.node_link_graph(json.loads(text), edges="links")` reads one back.

    Rule and fingerprints are attributes of the graph; shares are fractions as text, in rows of c_0, c_1, ...
    """
    found = [_node_link(portrait) for portrait in portraits]
    return json.dumps(found[0] if len(found) == 1 else found, indent=1)


def _node_link(portrait: Portrait) -> dict[str, Any]:
    nodes = [{"id": node, **data} for node, data in portrait.graph.nodes(data=True)]
    links = [{"source": source, "target": target} for source, target in portrait.graph.edges]
    return {"directed": True, "multigraph": False, "graph": attributes(portrait), "nodes": nodes, "links": links}


def attributes(portrait: Portrait) -> dict[str, Any]:
    """Task, rule and fingerprints in plain types."""
    task, rule, (shares, why) = portrait.task, portrait.rule, portrait.counted
    stated = rule and {
        "headline": rule.headline, "lines": list(rule.lines), "in_degree": rule.in_degree, "exact": rule.exact,
        "status": "proven", "argument": rule.argument,
    }  # fmt: skip
    rows = {kind: [list(map(str, shares[kind, j])) for j in range(portrait.digits)] for kind in "ab"} if shares else {"not_counted": why}
    return {
        "task": task.to_dict(),
        "digits": portrait.digits,
        "direction": portrait.direction,
        "rule": stated or {"unknown": portrait.rule_note},
        "fingerprints": {
            "in_degree": {kind: list(degrees) for kind, degrees in portrait.in_degree.items()},
            "sections_per_cut": [cut and {"count": cut.count, "exact": cut.exact} for cut in portrait.cuts],
            "sections_rule": portrait.most_sections,
            "influence": rows,
            "decay": portrait.decay and {"from_distance": portrait.decay[0], "ratio": str(portrait.decay[1])},
            "repeats": portrait.repeats and {"from_digit": portrait.repeats[0], "every": portrait.repeats[1]},
        },
    }


def to_text(portraits: Sequence[Portrait]) -> str:
    """Rule and fingerprints to read."""
    return "\n\n".join("\n".join(_summary(portrait)) for portrait in portraits)


def _summary(portrait: Portrait) -> list[str]:
    rule, task = portrait.rule, portrait.task
    lines = [f"{task.text} in base {task.base}, operands of {portrait.digits} digits"]
    if rule is None:
        lines += [f"rule for all lengths: {portrait.rule_note}"]
    else:
        lines += [f"rule for all lengths (proven{'' if rule.exact else ', as an upper bound'}): {rule.headline}"]
        lines += [f"  {line}" for line in rule.lines]
        lines += [f"  because: {rule.argument}"]
    lines += captions(portrait)
    if portrait.influence is None:
        return [*lines, f"influence: {portrait.counted[1]}"]
    head = ("influence", *(f"c_{i}" for i in range(len(portrait.in_degree["c"]))))
    rows = [(f"  {kind}_{j}", *(shown(share) for share in row)) for (kind, j), row in portrait.influence.items()]
    return [*lines, *columns([head, *rows])]


def captions(portrait: Portrait) -> list[str]:
    """The fingerprints that fit a caption, a line each."""
    law = f" (rule: {portrait.rule.in_degree})" if portrait.rule else ""
    lines = [f"in-degree of c_0, c_1, ...: {' '.join(map(str, portrait.in_degree['c']))}{law}"]
    counts, most = " ".join(_count(cut, portrait.task.base) for cut in portrait.cuts), portrait.most_sections
    lines.append(f"sections after 0, 1, ... digits: {counts}{f' (rule: {most})' if most else ''}")
    if portrait.influence is not None and portrait.repeats is None:
        lines.append(f"largest influence at distance 0, 1, ...: {' '.join(map(shown, portrait.by_distance()))}")
    if portrait.decay is not None:
        start, ratio = portrait.decay
        further = f"times {ratio} per digit" if ratio not in (0, 1) else "no decay" if ratio else "none"
        lines.append(f"influence from distance {start} on: {further}, exactly, at every length")
    if portrait.repeats is not None:
        start, cycle = portrait.repeats
        every = "digit" if cycle == 1 else f"{cycle} digits"
        lines.append(f"influence{f' from digit {start} on' if start else ''}: repeats every {every}, exactly, at every length")
    return lines


def _count(cut: Cut | None, base: int) -> str:
    """A number of sections; a power of the base as such."""
    if cut is None:
        return "?"
    power = digit_count(cut.count, base) - 1
    text = f"{base}^{power}" if power > 2 and base**power == cut.count else str(cut.count) if cut.count < 10**7 else f"{cut.count:.3g}"
    return text if cut.exact else f">={text}"


def shown(share: Fraction) -> str:
    """Two significant digits, without the leading zero: .73, .0033; 0 and 1 stand for these values alone."""
    if share in (0, 1):
        return str(share)
    value = float(share)
    return f"{value:#.2g}".removeprefix("0") if value < 0.995 else ".99+"

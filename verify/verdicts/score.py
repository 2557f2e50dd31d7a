"""The score of the theory: what was registered before training against what the networks did, over all registered groups."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.predictions.rulebook import EARLY
from verify.verdicts.observed import NOT_LEARNED, OUTCOMES, Row, exact_points, matrix, registered_groups
from verify.verdicts.statistics import clopper_pearson

if TYPE_CHECKING:
    from empirical.runs.store import Run

#: what is observed, in the order of the columns
OBSERVED = (*OUTCOMES, "mixed", NOT_LEARNED)

LATE = 30_000
#: how long networks were trained: what they do with longer operands may appear late
TRAINED = {
    f"below {EARLY:,} steps": range(EARLY),
    f"{EARLY:,} to {LATE - 1:,} steps": range(EARLY, LATE),
    f"{LATE:,} steps or more": range(LATE, 10**9),
}


@dataclass(frozen=True)
class Tally:
    """How often predictions of one kind came true, with a 95 % interval for the share."""

    name: str
    right: int
    of: int
    low: float
    high: float


@dataclass(frozen=True)
class Accuracies:
    """Exact accuracies registered for longer operands against the counts of each network.

    `inside` of `points` lie in the 95 % interval of their count; `mean` and `largest` are observed minus registered, the latter at `where`.
    """

    points: int
    inside: int
    mean: float
    largest: float
    where: str


@dataclass(frozen=True)
class Score:
    """The groups whose networks have all finished, and what came of their predictions."""

    rows: tuple[Row, ...]
    waiting: int
    accuracies: Accuracies | None

    @property
    def undetermined(self) -> list[Row]:
        return [row for row in self.rows if row.predicted not in OUTCOMES]

    @property
    def misses(self) -> list[Row]:
        return [row for row in self.rows if row.agrees is False]

    @property
    def agreements(self) -> list[float]:
        """Agreement with the truncated function at n+1, of the groups that were predicted to reach it and learned their task, ascending."""
        mine = (row for row in self.rows if row.predicted == "truncation" and row.observed != NOT_LEARNED)
        return sorted(row.shares.truncated for row in mine if row.shares.truncated is not None)

    @property
    def total(self) -> Tally:
        return _tally("all", self.rows)

    @property
    def reach(self) -> tuple[Tally, Tally]:
        """Without shades: how many groups predicted to be right on longer operands are, and how many of the others are not."""
        judged = [row for row in self.rows if row.agrees is not None]
        yes, no = ([row for row in judged if (row.predicted == "exact") is wanted] for wanted in (True, False))
        return (
            _count("predicted exact, and is", sum(row.observed == "exact" for row in yes), len(yes)),
            _count("predicted to fall short, and does", sum(row.observed != "exact" for row in no), len(no)),
        )

    @property
    def confusion(self) -> Counter[tuple[str, str]]:
        return Counter((row.predicted, row.observed) for row in self.rows)


def score(results: Path, runs: Sequence[Run], pattern: str = "*") -> Score:
    """The score over the registered groups whose names match.

    Raises:
        InputError: no group matches, or a file of registered predictions is not readable.
    """
    groups = {name: said for name, said in registered_groups(results).items() if fnmatchcase(name, pattern)}
    if not groups:
        raise InputError(f"no registered group matches {pattern!r}: see the predictions*.json of {results}")
    rows = [row for row in matrix(groups, runs) if row.observed in OBSERVED and len(row.digests) == row.registered]
    learned = {row.group: groups[row.group] for row in rows if row.observed != NOT_LEARNED}
    return Score(tuple(rows), len(groups) - len(rows), _accuracies(learned, runs))


def _accuracies(groups: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> Accuracies | None:
    apart, inside = [], 0
    for group, length, registered, cell, interval in exact_points(groups, runs):
        apart.append((cell.correct / cell.examples - registered, f"{group}, length {length}"))
        inside += interval.low <= registered <= interval.high
    if not apart:
        return None
    largest, where = max(apart, key=lambda one: abs(one[0]))
    return Accuracies(len(apart), inside, sum(one for one, _ in apart) / len(apart), largest, where)


def tallies(rows: Sequence[Row]) -> list[Tally]:
    """By outcome predicted, status, encoding, steps of training and rule, and of all: groups decided, and how many did as predicted."""
    kinds = [(name, [row for row in rows if row.predicted == name]) for name in OUTCOMES]
    kinds += [(name, [row for row in rows if row.status == name]) for name in ("proven", "conditional", "hypothesis")]
    kinds += [(f"encoding: {name}", [row for row in rows if row.encoding == name]) for name in sorted({row.encoding for row in rows})]
    kinds += _by_steps(rows)
    kinds += [(f"rule: {name}", [row for row in rows if row.rule == name]) for name in sorted({row.rule for row in rows} - {""})]
    found = [_tally(name, mine) for name, mine in [*kinds, ("all", list(rows))]]
    return [tally for tally in found if tally.of]


def _by_steps(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The groups of each encoding by how long they were trained, where that differs by much."""
    for encoding in sorted({row.encoding for row in rows}):
        judged = [row for row in rows if row.encoding == encoding and row.agrees is not None]
        mine = {name: [row for row in judged if row.steps in steps] for name, steps in TRAINED.items()}
        if sum(map(bool, mine.values())) > 1:
            yield from ((f"{encoding}, {name}", found) for name, found in mine.items())


def _tally(name: str, rows: Sequence[Row]) -> Tally:
    judged = [row for row in rows if row.agrees is not None]
    return _count(name, sum(row.agrees is True for row in judged), len(judged))


def _count(name: str, right: int, of: int) -> Tally:
    interval = clopper_pearson(right, of, 0.05) if of else None
    return Tally(name, right, of, interval.low if interval else 0.0, interval.high if interval else 1.0)


def score_json(found: Score) -> str:
    return json.dumps(
        {
            "decided": asdict(found.total),
            "reach": [asdict(tally) for tally in found.reach],
            "undetermined": len(found.undetermined),
            "waiting": found.waiting,
            "agreement_of_truncating": found.agreements,
            "confusion": [{"predicted": p, "observed": o, "groups": n} for (p, o), n in sorted(found.confusion.items())],
            "tallies": [asdict(tally) for tally in tallies(found.rows)],
            "accuracies": found.accuracies and asdict(found.accuracies),
            "rows": [{**asdict(row), "agrees": row.agrees} for row in found.rows],
        },
        indent=1,
    )


def score_markdown(found: Score) -> str:
    """The confusion matrix, the sums, how often each kind of prediction came true, and each miss."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Score) -> Iterator[str]:
    predicted = [name for name in (*OUTCOMES, "undetermined") if any(row.predicted == name for row in found.rows)]
    yield f"| predicted, observed: | {' | '.join(OBSERVED)} |"
    yield "|---|" + "---|" * len(OBSERVED)
    for name in predicted:
        cells = (found.confusion[name, observed] for observed in OBSERVED)
        yield f"| {name} | {' | '.join(str(count) if count else '' for count in cells)} |"
    yield ""
    yield from sums(found)
    yield from ("", "| predicted, status, encoding, training or rule | as predicted | 95 % interval |", "|---|---|---|")
    for tally in tallies(found.rows):
        yield f"| {tally.name} | {tally.right} of {tally.of} | {tally.low:.0%} to {tally.high:.0%} |"
    if found.misses:
        columns = ("miss", "task", "predicted", "observed", "right at n+1", "at 2n", "as truncated at n+1", "rule")
        yield from ("", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|")
    for row in found.misses:
        where = f"{row.task.replace('*', chr(92) + '*')}, base {row.base}, {row.encoding}, {row.layout}"
        seen = (row.shares.near, row.shares.far, row.shares.truncated)
        shares = " | ".join("-" if share is None else f"{100 * share:.3g} %" for share in seen)
        yield f"| {row.group} | {where} | {row.predicted} | {row.observed} | {shares} | {row.rule or '-'} |"


def sums(found: Score) -> Iterator[str]:
    """What the matrix comes to, a sentence each."""
    total, groups = found.total, len(found.rows)
    share = f"{total.right / total.of:.0%}; 95 % interval {total.low:.0%} to {total.high:.0%}" if total.of else "none"
    yield f"{total.right} of {total.of} decided groups did as predicted ({share})."
    yes, no = found.reach
    yield (
        f"Exact on longer operands or not, whatever the shade: {yes.right} of {yes.of} groups predicted to be are ({yes.low:.0%} to "
        f"{yes.high:.0%}), and {no.right} of {no.of} predicted not to be are not ({no.low:.0%} to {no.high:.0%})."
    )
    left, unlearned = len(found.undetermined), sum(row.observed == NOT_LEARNED for row in found.rows)
    yield f"Of {groups} groups, {left} were left undetermined, and {unlearned} did not learn their task; {found.waiting} wait for networks."
    if cut := found.agreements:  # the word asks for 95 %, which few reach
        half = sum(share >= 0.5 for share in cut)
        yield (
            f"Of {len(cut)} groups predicted to truncate, {half} agree with the truncated function on half of the answers at n+1 or more "
            f"({cut[0]:.0%} the least, {cut[len(cut) // 2]:.0%} the median, {cut[-1]:.0%} the most)."
        )
    if (seen := found.accuracies) is not None:
        yield (
            f"{seen.inside} of {seen.points} exact accuracies lie in the 95 % interval of what one network did; observed minus exact is "
            f"{100 * seen.mean:+.1f} points in the mean, {100 * seen.largest:+.1f} at most ({seen.where})."
        )

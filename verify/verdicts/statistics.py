"""Decision rules: from counts of right answers to supported, refuted or inconclusive. Pure functions.

A unit is one network (one seed) or one row of a published table; it is never pooled with another. A unit's cells
are its test lengths. A claim holds for a unit when every cell's Clopper-Pearson interval lies inside the region the
claim names, and is broken by it when some cell's interval lies wholly outside. Supported: it holds for every unit.
Refuted: every unit breaks it. Anything else is inconclusive, too few seeds or examples included.

Error rates: both verdicts need, for each unit, an event of probability at most alpha / 2 when the truth lies on the
region's edge; broken cells are Bonferroni-corrected within the unit, claims by `holm` within their family.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

SUPPORTED, REFUTED, INCONCLUSIVE, UNTESTED, ERROR = "supported", "refuted", "inconclusive", "untested", "error"
VERDICTS = (SUPPORTED, REFUTED, INCONCLUSIVE, UNTESTED, ERROR)


@dataclass(frozen=True)
class Cell:
    """Right answers among `examples` independent ones, at one test length."""

    length: int
    correct: int
    examples: int


@dataclass(frozen=True)
class Interval:
    """A closed interval of accuracies: a confidence interval, or the region that a claim names."""

    low: float
    high: float


@dataclass(frozen=True)
class Decision:
    """A verdict with its reason."""

    verdict: str
    detail: str


Unit = Sequence[Cell]


@lru_cache(maxsize=10_000)
def clopper_pearson(correct: int, examples: int, alpha: float) -> Interval:
    """The exact two-sided confidence interval of level 1 - alpha for a proportion."""
    from scipy.stats import binomtest

    interval = binomtest(correct, examples).proportion_ci(confidence_level=1 - alpha, method="exact")
    return Interval(float(interval.low), float(interval.high))


def seeds_bound(seeds: int, alpha: float = 0.05) -> float:
    """What k of k seeds say about other seeds: a lower bound of level 1 - alpha on the share that behaves so."""
    return float(alpha ** (1 / seeds))


def place(interval: Interval, region: Interval) -> str:
    """Whether a confidence interval lies `inside`, `outside` or `across` a region."""
    if region.low <= interval.low and interval.high <= region.high:
        return "inside"
    if interval.high < region.low or interval.low > region.high:
        return "outside"
    return "across"


def in_region(units: Sequence[Unit], regions: Mapping[int, Interval], alpha: float, min_units: int, min_examples: int) -> Decision:
    """The rules at_least, at_most and equals: does every unit lie inside the region of each length?

    Args:
        units: One per network; each holds a cell for every length of `regions`.
        regions: The accuracies that the claim allows, per length.
        alpha: Level of the claim; intervals have level 1 - alpha / number of lengths.
        min_units: Fewer networks than this decide nothing.
        min_examples: Fewer examples than this in any cell decide nothing.
    """
    if shortage := _shortage(units, min_units, min_examples):
        return Decision(INCONCLUSIVE, shortage)
    level = alpha / len(regions)
    held = broken = 0
    missed: set[int] = set()
    for unit in units:
        places = {cell.length: place(clopper_pearson(cell.correct, cell.examples, level), regions[cell.length]) for cell in unit}
        held += all(where == "inside" for where in places.values())
        broken += any(where == "outside" for where in places.values())
        missed |= {length for length, where in places.items() if where == "outside"}
    some = len(missed) < len(regions)  # else there is nothing to tell apart
    where = f"networks, at length{'s' * (len(missed) > 1)} {', '.join(map(str, sorted(missed)))}" if missed and some else "networks"
    return _tally(held, broken, len(units), where)


def greater(units: Sequence[Unit], others: Sequence[Unit], margin: float, alpha: float, min_units: int, min_examples: int) -> Decision:
    """The rule compare: is every unit more accurate than every other by more than `margin`, at each length?

    Each pair of networks is judged by the interval of its difference, from two intervals of level 1 - alpha / 2 each.
    """
    if shortage := _shortage(units, min_units, min_examples) or _shortage(others, min_units, min_examples):
        return Decision(INCONCLUSIVE, shortage)
    level = alpha / 2 / len(units[0])
    region = Interval(math.nextafter(margin, 1), 1.0)
    held = broken = 0
    for unit in units:
        for other in others:
            places = []
            for cell, against in zip(unit, other, strict=True):
                mine, theirs = (clopper_pearson(x.correct, x.examples, level) for x in (cell, against))
                places.append(place(Interval(mine.low - theirs.high, mine.high - theirs.low), region))
            held += all(where == "inside" for where in places)
            broken += any(where == "outside" for where in places)
    return _tally(held, broken, len(units) * len(others), "pairs of networks")


def more_often(won: int, lost: int, pairs: int, alpha: float, min_pairs: int) -> Decision:
    """The rule more_often: of pairs of networks, does the first more often than the second do what the other does not?

    The sign test: pairs that do alike say nothing, and of the others either is the first with probability 1/2 if nothing sets them apart.

    Args:
        won: Pairs of which the first alone does it.
        lost: Pairs of which the second alone does it.
        pairs: All pairs.
        alpha: Level of the claim; each verdict has half of it.
        min_pairs: Fewer pairs than this decide nothing.
    """
    from scipy.stats import binom

    if pairs < max(min_pairs, 1):
        return Decision(INCONCLUSIVE, f"{pairs} pairs, {max(min_pairs, 1)} needed")
    detail = f"of {pairs} pairs of networks {won} by the first alone, {lost} by the second alone"
    for verdict, count in ((SUPPORTED, won), (REFUTED, lost)):
        if float(binom.sf(count - 1, won + lost, 0.5)) <= alpha / 2:
            return Decision(verdict, detail)
    return Decision(INCONCLUSIVE, detail)


def goodness_of_fit(row: Unit, expected: Mapping[int, float], margin: float, alpha: float, min_examples: int) -> Decision:
    """Chi-square of one row against exact probabilities, no parameter fitted.

    Refuted when the fit is rejected. Not being rejected is no support by itself: for that every cell's simultaneous
    interval must also lie within `margin` of the expected value.
    """
    from scipy.stats import chi2

    if shortage := _shortage([row], 1, min_examples):
        return Decision(INCONCLUSIVE, shortage)
    for cell in row:
        p = expected[cell.length]
        if cell.examples * min(p, 1 - p) < 5:
            return Decision(INCONCLUSIVE, f"length {cell.length}: fewer than 5 expected, chi-square does not apply")
    terms = [(cell.correct - cell.examples * p) ** 2 / (cell.examples * p * (1 - p)) for cell in row for p in [expected[cell.length]]]
    p_value = float(chi2.sf(sum(terms), len(terms)))
    detail = f"chi-square {sum(terms):.1f} on {len(terms)} cells, p = {p_value:.2g}"
    if p_value < alpha:
        return Decision(REFUTED, detail)
    regions = {length: Interval(p - margin, p + margin) for length, p in expected.items()}
    close = in_region([row], regions, alpha, 1, min_examples).verdict == SUPPORTED
    return (
        Decision(SUPPORTED, f"{detail}; every cell within {margin:g}")
        if close
        else Decision(INCONCLUSIVE, f"{detail}; but too few examples to place every cell within {margin:g}")
    )


def fits_better(row: Unit, expected: Mapping[int, float], rival: Mapping[int, float], alpha: float, min_examples: int) -> Decision:
    """Likelihood ratio of two formulas without free parameters.

    Under either formula a ratio of 1/alpha in favour of the other has probability at most alpha (Markov's inequality).
    """
    if shortage := _shortage([row], 1, min_examples):
        return Decision(INCONCLUSIVE, shortage)
    log_ratio = 0.0
    for cell in row:
        p, q = expected[cell.length], rival[cell.length]
        if not (0 < p < 1 and 0 < q < 1):
            return Decision(INCONCLUSIVE, f"length {cell.length}: a formula gives 0 or 1, no likelihood ratio")
        log_ratio += cell.correct * math.log(p / q) + (cell.examples - cell.correct) * math.log((1 - p) / (1 - q))
    detail = f"log10 of the likelihood ratio {log_ratio / math.log(10):+.1f} over {len(row)} cells"
    bar = -math.log(alpha)
    return Decision(SUPPORTED if log_ratio >= bar else REFUTED if log_ratio <= -bar else INCONCLUSIVE, detail)


def same_rate(first: Cell, second: Cell) -> float:
    """Fisher's exact two-sided p-value for two counts coming from one rate."""
    from scipy.stats import fisher_exact

    table = [[cell.correct, cell.examples - cell.correct] for cell in (first, second)]
    return float(fisher_exact(table).pvalue)


def holm(rules: Mapping[str, Callable[[float], Decision]], alphas: Mapping[str, float], waiting: int = 0) -> dict[str, Decision]:
    """Decide the claims of one family together, by Holm's step-down procedure.

    Each rule is first asked at alpha / k, k the number of claims; those that reach a verdict leave, and the rest are
    asked again at the less strict level of the smaller family, until none is decided any more. Claims that wait for
    their evidence count as undecided ones, so that no verdict is looser while they wait.
    """
    open_rules, decided = dict(rules), dict[str, Decision]()
    while open_rules:
        now = {name: rule(alphas[name] / (len(open_rules) + waiting)) for name, rule in open_rules.items()}
        settled = {name: decision for name, decision in now.items() if decision.verdict in (SUPPORTED, REFUTED)}
        decided |= settled or now
        open_rules = {name: rule for name, rule in open_rules.items() if name not in decided}
    return decided


def _shortage(units: Sequence[Unit], min_units: int, min_examples: int) -> str:
    """Why the evidence is too little, or nothing."""
    if len(units) < max(min_units, 1):
        return f"{len(units)} seeds, {max(min_units, 1)} needed"
    if any(not unit for unit in units):
        return "no cell to look at"
    fewest = min(cell.examples for unit in units for cell in unit)
    return f"{fewest} examples in a cell, {min_examples} needed" if fewest < min_examples else ""


def _tally(held: int, broken: int, total: int, what: str = "networks") -> Decision:
    if held == total:
        return Decision(SUPPORTED, f"holds for {held} of {total} {what}")
    if broken == total:
        return Decision(REFUTED, f"fails for {broken} of {total} {what}")
    return Decision(INCONCLUSIVE, f"holds for {held}, fails for {broken} of {total} {what}")

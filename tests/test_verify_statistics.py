"""The decision rules: every branch, and how often one network at the region's edge is judged wrongly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import chisquare

from verify.verdicts.statistics import (
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    Cell,
    Decision,
    Interval,
    clopper_pearson,
    fits_better,
    goodness_of_fit,
    greater,
    holm,
    in_region,
    place,
    same_rate,
    seeds_bound,
)


def unit(*counts: int, examples: int = 2000) -> list[Cell]:
    return [Cell(4 + index, count, examples) for index, count in enumerate(counts)]


HIGH = {4: Interval(0.95, 1.0)}


@pytest.mark.parametrize(
    ("units", "verdict"),
    [
        ([unit(1990), unit(1980), unit(2000)], SUPPORTED),
        ([unit(1500), unit(0), unit(1800)], REFUTED),
        ([unit(1990), unit(1990), unit(1500)], INCONCLUSIVE),  # seeds disagree: pooled they would say 91 %
        ([unit(1990), unit(1990), unit(1900)], INCONCLUSIVE),  # one lies across the edge
        ([unit(1990), unit(1990)], INCONCLUSIVE),  # too few seeds
        ([unit(1990), unit(1990), [Cell(4, 99, 100)]], INCONCLUSIVE),  # too few examples
        ([], INCONCLUSIVE),
    ],
)
def test_in_region(units: list[list[Cell]], verdict: str) -> None:
    assert in_region(units, HIGH, 0.05, 3, 1000).verdict == verdict


def test_seeds_are_never_pooled() -> None:
    units = [unit(2000)] * 9 + [unit(1850)]
    assert sum(u[0].correct for u in units) / 20_000 > 0.99
    assert in_region(units, HIGH, 0.05, 3, 1000).verdict == INCONCLUSIVE


def test_one_broken_length_breaks_a_network() -> None:
    regions = {4: Interval(0.95, 1.0), 5: Interval(0.95, 1.0)}
    assert in_region([unit(2000, 0)] * 3, regions, 0.05, 3, 1000).verdict == REFUTED
    assert in_region([unit(2000, 2000)] * 3, regions, 0.05, 3, 1000).verdict == SUPPORTED
    assert in_region([unit(2000, 0), unit(0, 2000), unit(2000, 2000)], regions, 0.05, 3, 1000).verdict == INCONCLUSIVE


def test_equality_is_equivalence_not_a_missed_difference() -> None:
    region = {4: Interval(0.32, 0.34)}
    assert in_region([[Cell(4, 33, 100)]] * 3, region, 0.05, 3, 50).verdict == INCONCLUSIVE
    assert in_region([[Cell(4, 33_000, 100_000)]] * 3, region, 0.05, 3, 50).verdict == SUPPORTED
    assert in_region([[Cell(4, 36_000, 100_000)]] * 3, region, 0.05, 3, 50).verdict == REFUTED


@pytest.mark.parametrize(
    ("mine", "theirs", "verdict"),
    [
        ([1900, 1950, 1990], [100, 0, 20], SUPPORTED),
        ([100, 0, 20], [1900, 1950, 1990], REFUTED),
        ([500, 500, 500], [500, 500, 500], INCONCLUSIVE),
        ([1900, 1950, 10], [100, 0, 1000], INCONCLUSIVE),
        ([1900, 1950], [100, 0, 20], INCONCLUSIVE),
        ([1900, 1950, 1990], [100], INCONCLUSIVE),
    ],
)
def test_greater(mine: list[int], theirs: list[int], verdict: str) -> None:
    assert greater([unit(x) for x in mine], [unit(x) for x in theirs], 0.0, 0.05, 3, 1000).verdict == verdict


def test_greater_needs_the_margin() -> None:
    mine, theirs = [unit(1400)] * 3, [unit(1000)] * 3
    assert greater(mine, theirs, 0.1, 0.05, 3, 1000).verdict == SUPPORTED
    assert greater(mine, theirs, 0.3, 0.05, 3, 1000).verdict == REFUTED


def test_no_difference_is_never_called_greater() -> None:
    assert greater([unit(0)] * 3, [unit(0)] * 3, 0.0, 0.05, 3, 1000).verdict == INCONCLUSIVE
    assert greater([unit(2000)] * 3, [unit(2000)] * 3, 0.0, 0.05, 3, 1000).verdict == INCONCLUSIVE


def test_goodness_of_fit() -> None:
    third = dict.fromkeys(range(4, 9), 1 / 3)
    row = unit(3320, 3360, 3230, 3300, 3370, examples=10_000)
    assert goodness_of_fit(row, third, 0.03, 0.05, 1000).verdict == SUPPORTED
    assert goodness_of_fit(row, third, 0.001, 0.05, 1000).verdict == INCONCLUSIVE  # not rejected, but not shown to be close
    assert goodness_of_fit(row, dict.fromkeys(third, 0.3), 0.03, 0.05, 1000).verdict == REFUTED
    assert goodness_of_fit(row, dict.fromkeys(third, 0.0001), 0.03, 0.05, 1000).verdict == INCONCLUSIVE  # expected counts too small
    assert goodness_of_fit(row, third, 0.03, 0.05, 20_000).verdict == INCONCLUSIVE


def test_chi_square_is_that_of_scipy() -> None:
    expected, counts, examples = {4: 0.3, 5: 0.25, 6: 0.4}, (3050, 2460, 3900), 10_000
    cells = [[count, examples - count] for count in counts]
    wanted = sum(chisquare(cell, [examples * p, examples * (1 - p)]).statistic for cell, p in zip(cells, expected.values(), strict=True))
    assert f"chi-square {wanted:.1f} on 3 cells" in goodness_of_fit(unit(*counts, examples=examples), expected, 0.03, 0.05, 1000).detail


def test_just_enough_evidence_is_enough() -> None:
    assert goodness_of_fit(unit(3333, examples=10_000), {4: 1 / 3}, 0.03, 0.05, 10_000).verdict == SUPPORTED
    assert in_region([unit(2000)], HIGH, 0.05, 1, 2000).verdict == SUPPORTED


def test_fits_better() -> None:
    row = unit(62, 58, 60, examples=10_000)
    near, far = dict.fromkeys((4, 5, 6), 0.006), dict.fromkeys((4, 5, 6), 0.01)
    assert fits_better(row, near, far, 0.05, 1000).verdict == SUPPORTED
    assert fits_better(row, far, near, 0.05, 1000).verdict == REFUTED
    assert fits_better(row, near, dict.fromkeys(near, 0.0061), 0.05, 1000).verdict == INCONCLUSIVE
    assert fits_better(row, near, dict.fromkeys(near, 0.0), 0.05, 1000).verdict == INCONCLUSIVE
    assert fits_better(row, near, far, 0.05, 20_000).verdict == INCONCLUSIVE


def test_place() -> None:
    region = Interval(0.2, 0.4)
    assert place(Interval(0.2, 0.4), region) == "inside"
    assert place(Interval(0.1, 0.3), region) == "across"
    assert place(Interval(0.41, 0.5), region) == place(Interval(0.0, 0.19), region) == "outside"


def test_clopper_pearson_known_values() -> None:
    interval = clopper_pearson(0, 10, 0.05)
    assert interval.low == 0.0
    assert math.isclose(interval.high, 1 - 0.025**0.1)
    full = clopper_pearson(10, 10, 0.05)
    assert full.high == 1.0
    assert math.isclose(full.low, 0.025**0.1)


def test_seeds_bound() -> None:
    assert [round(seeds_bound(k), 2) for k in (1, 3, 5)] == [0.05, 0.37, 0.55]


def test_same_rate() -> None:
    assert same_rate(Cell(4, 2000, 2000), Cell(4, 200, 200)) == pytest.approx(1.0)
    assert same_rate(Cell(4, 2000, 2000), Cell(4, 150, 200)) < 1e-6
    assert same_rate(Cell(4, 1900, 2000), Cell(4, 188, 200)) > 1e-3


@pytest.mark.parametrize("edge", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("below", [True, False])
def test_error_rates_of_one_network_at_the_edge(edge: float, below: bool) -> None:
    """At the edge both verdicts are wrong for a neighbour; neither may come more often than alpha, over exact counts."""
    from scipy.stats import binom

    alpha, examples = 0.1, 400
    region = {4: Interval(0.0, edge) if below else Interval(edge, 1.0)}
    rates = dict.fromkeys((SUPPORTED, REFUTED, INCONCLUSIVE), 0.0)
    for count in range(examples + 1):
        probability = float(binom.pmf(count, examples, edge))
        if probability > 1e-9:
            rates[in_region([[Cell(4, count, examples)]], region, alpha, 1, 1).verdict] += probability
    assert 0 < rates[SUPPORTED] <= alpha / 2 + 1e-6
    assert 0 < rates[REFUTED] <= alpha / 2 + 1e-6


def test_false_support_of_a_difference_and_of_a_ratio() -> None:
    """Simulated where the truth is the edge: equal rates for `greater`, the rival's rates for `fits_better`."""
    rng = np.random.default_rng(0)
    equal = better = 0
    trials, near, far = 150, dict.fromkeys((4, 5), 0.3), dict.fromkeys((4, 5), 0.33)
    for _ in range(trials):
        mine, theirs = rng.binomial(500, 0.4, 2)
        equal += greater([[Cell(4, int(mine), 500)]], [[Cell(4, int(theirs), 500)]], 0.0, 0.1, 1, 1).verdict == SUPPORTED
        row = [Cell(n, int(count), 500) for n, count in zip((4, 5), rng.binomial(500, 0.33, 2), strict=True)]
        better += fits_better(row, near, far, 0.1, 1).verdict == SUPPORTED
    assert equal / trials <= 0.1
    assert better / trials <= 0.1


#: how often a verdict may come in so many trials of probability at most 0.1: three standard deviations above
TRIALS, LEVEL = 200, 0.1
MOST = LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / TRIALS)


@pytest.mark.parametrize("edge", [0.25, 0.35])
def test_error_rates_of_equality_at_either_edge(edge: float) -> None:
    """The region of `equals` has two edges; exact counts, and two lengths, of which the other lies well inside."""
    from scipy.stats import binom

    regions, examples = dict.fromkeys((4, 5), Interval(0.25, 0.35)), 1000
    rates = dict.fromkeys((SUPPORTED, REFUTED, INCONCLUSIVE), 0.0)
    for count in range(examples + 1):
        if (probability := float(binom.pmf(count, examples, edge))) > 1e-6:
            row = [Cell(4, count, examples), Cell(5, 300, examples)]
            rates[in_region([row], regions, LEVEL, 1, 1).verdict] += probability
    assert 0 < rates[SUPPORTED] <= LEVEL / 4 + 1e-5
    assert 0 < rates[REFUTED] <= LEVEL / 4 + 1e-5


@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_error_rates_of_a_difference_at_its_margin(margin: float) -> None:
    """Two networks whose rates differ by exactly the margin: neither above it nor below."""
    rng = np.random.default_rng(2)
    verdicts = []
    for _ in range(TRIALS):
        mine, theirs = rng.binomial(400, 0.4 + margin), rng.binomial(400, 0.4)
        verdicts.append(greater([[Cell(4, int(mine), 400)]], [[Cell(4, int(theirs), 400)]], margin, LEVEL, 1, 1).verdict)
    assert verdicts.count(SUPPORTED) / TRIALS <= MOST
    assert verdicts.count(REFUTED) / TRIALS <= MOST


def test_error_rates_of_a_fit() -> None:
    """False support where a cell is off by exactly the margin, with so many examples that chi-square cannot be what saves it."""
    rng = np.random.default_rng(3)
    supported = 0
    for _ in range(TRIALS):
        row = [Cell(4, int(rng.binomial(2000, 0.32)), 2000), Cell(5, int(rng.binomial(2000, 0.3)), 2000)]
        supported += goodness_of_fit(row, dict.fromkeys((4, 5), 0.3), 0.02, LEVEL, 1).verdict == SUPPORTED
    assert supported / TRIALS <= MOST


@pytest.mark.parametrize("true", ["expected", "rival"])
def test_error_rates_of_a_ratio_under_either_formula(true: str) -> None:
    """The ratio is a martingale under each formula: the other one is preferred at most this often."""
    rng = np.random.default_rng(4)
    formulas = {"expected": dict.fromkeys((4, 5), 0.30), "rival": dict.fromkeys((4, 5), 0.33)}
    wrong = 0
    for _ in range(TRIALS):
        row = [Cell(length, int(rng.binomial(500, p)), 500) for length, p in formulas[true].items()]
        verdict = fits_better(row, formulas["expected"], formulas["rival"], LEVEL, 1).verdict
        wrong += verdict == (REFUTED if true == "expected" else SUPPORTED)
    assert wrong / TRIALS <= MOST


def test_a_family_at_its_edges_errs_no_more_often_than_one_claim() -> None:
    """Holm: five claims, each at its edge, and none of them wrongly decided more often than alpha, all together."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(TRIALS):
        rows = {f"c{n}": [Cell(4, int(rng.binomial(400, 0.5)), 400)] for n in range(5)}
        rules = {name: lambda alpha, row=row: in_region([row], {4: Interval(0.5, 1.0)}, alpha, 1, 1) for name, row in rows.items()}
        decided = holm(rules, dict.fromkeys(rules, LEVEL))
        wrong += any(decision.verdict == SUPPORTED for decision in decided.values())
    assert wrong / TRIALS <= MOST


def test_several_networks_err_no_more_often_than_one() -> None:
    """Supported asks it of every network, so more of them at the edge make a false support rarer."""
    rng = np.random.default_rng(6)
    counts = rng.binomial(400, 0.5, (TRIALS, 3))
    region = {4: Interval(0.5, 1.0)}

    def supported(seeds: int) -> int:
        units = [[[Cell(4, int(x), 400)] for x in row[:seeds]] for row in counts]
        return sum(in_region(unit, region, LEVEL, 1, 1).verdict == SUPPORTED for unit in units)

    assert supported(3) <= supported(1) <= MOST * TRIALS


def test_equal_rates_seldom_contradict() -> None:
    rng = np.random.default_rng(7)
    pairs = [rng.binomial((2000, 200), 0.9) for _ in range(TRIALS)]
    below = sum(same_rate(Cell(4, int(x), 2000), Cell(4, int(y), 200)) < LEVEL for x, y in pairs)
    assert below / TRIALS <= MOST


@pytest.mark.parametrize("rule", ["in_region", "greater", "goodness_of_fit", "fits_better"])
def test_no_cell_decides_nothing(rule: str) -> None:
    empty: list[Cell] = []
    found = {
        "in_region": lambda: in_region([empty], HIGH, 0.05, 1, 1),
        "greater": lambda: greater([empty], [empty], 0.0, 0.05, 1, 1),
        "goodness_of_fit": lambda: goodness_of_fit(empty, {}, 0.1, 0.05, 1),
        "fits_better": lambda: fits_better(empty, {}, {}, 0.05, 1),
    }[rule]()
    assert found == Decision(INCONCLUSIVE, "no cell to look at")


def test_the_detail_names_the_lengths_that_break_a_claim() -> None:
    regions = dict.fromkeys((4, 5, 6), Interval(0.95, 1.0))
    assert in_region([unit(2000, 0, 2000)], regions, 0.05, 1, 1).detail == "fails for 1 of 1 networks, at length 5"
    assert in_region([unit(2000, 0, 0)], regions, 0.05, 1, 1).detail == "fails for 1 of 1 networks, at lengths 5, 6"
    assert in_region([unit(0, 0, 0)], regions, 0.05, 1, 1).detail == "fails for 1 of 1 networks"


def test_false_refutation_of_a_fit() -> None:
    rng = np.random.default_rng(1)
    expected = dict.fromkeys((4, 5), 0.02)
    refuted = 0
    for _ in range(300):
        row = [Cell(n, int(rng.binomial(10_000, 0.02)), 10_000) for n in expected]
        refuted += goodness_of_fit(row, expected, 0.01, 0.05, 1).verdict == REFUTED
    assert refuted / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_holm_relaxes_the_level_as_claims_are_decided() -> None:
    asked: list[tuple[str, float]] = []

    def rule(name: str, needed: float) -> Callable[[float], Decision]:
        def decide(alpha: float) -> Decision:
            asked.append((name, alpha))
            return Decision(SUPPORTED if needed <= alpha else INCONCLUSIVE, "")

        return decide

    rules = {"sure": rule("sure", 0.001), "close": rule("close", 0.02), "never": rule("never", 0.9)}
    decided = holm(rules, dict.fromkeys(rules, 0.05))
    assert {name: decision.verdict for name, decision in decided.items()} == {
        "sure": SUPPORTED,
        "close": SUPPORTED,  # 0.05 / 3 is too strict for it, 0.05 / 2 is not
        "never": INCONCLUSIVE,
    }
    assert ("never", 0.05) in asked
    assert holm({}, {}) == {}

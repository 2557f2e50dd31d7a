"""Training lines follow their law exactly: carries, curriculum, finite sets, machines; each a function of (seed, step)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import chisquare

from empirical.data.lines import Pairs, held_out, result_digits, to_ints
from empirical.data.noise import Noise, choices, integers, step_key
from empirical.data.streams import Stream, sampler_of
from empirical.runs.spec import RunSpec
from empirical.training.loop import train
from tests.networks import TINY, pairs, written
from tests.test_domains import law
from theory.automata.formats import to_json
from theory.automata.machines import Machine
from theory.errors import InputError
from theory.language.expressions import evaluate
from theory.language.tasks import make_task

torch.set_num_threads(1)
CPU = torch.device("cpu")
NO_CARRY = Machine(3, 2, 0, (tuple((0, (x + y) % 3) for x in range(3) for y in range(3)),))


def numbers(drawn: Pairs, base: int = 3) -> list[tuple[int, int]]:
    return list(zip(to_ints(drawn.a_ND, base), to_ints(drawn.b_ND, base), strict=True))


def noise(seed: int, step: int = 0) -> Noise:
    return Noise(step_key(torch.tensor(seed), torch.tensor(step)))


def fits(drawn: list[tuple[int, int]], expected: dict[tuple[int, int], float]) -> float:
    """p-value of a chi-square test; nothing may occur that the law excludes."""
    seen = Counter(drawn)
    assert set(seen) <= set(expected)
    return float(chisquare([seen[key] for key in expected], [len(drawn) * share for share in expected.values()]).pvalue)


@pytest.mark.parametrize("domain", ["either", "both", "sampler"])
def test_a_stream_draws_the_domains_law(domain: str) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for length in (1, 2):
        for pair, share in law(domain, length, 3).items():
            expected[pair] += float(share) / 2
    drawn = sampler_of(replace(TINY, train_domain=domain), CPU).draw(40_000, noise(5))
    assert fits(numbers(drawn), dict(expected)) > 1e-4


def carries(a: int, b: int, base: int = 3) -> int:
    total = carry = 0
    while a or b or carry:
        carry = (a % base + b % base + carry) // base
        total, a, b = total + carry, a // base, b // base
    return total


@pytest.mark.parametrize("domain", ["either", "both", "sampler"])
@pytest.mark.parametrize("lengths", [(1, 2), (3,)])
def test_each_number_of_carries_is_drawn_equally_often(domain: str, lengths: tuple[int, ...]) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for length in lengths:
        pairs_of = {pair: float(share) for pair, share in law(domain, length, 3).items()}
        weight: Counter[int] = Counter()
        for pair, share in pairs_of.items():
            weight[carries(*pair)] += share
        for pair, share in pairs_of.items():
            expected[pair] += share / weight[carries(*pair)] / len(weight) / len(lengths)
    spec = replace(TINY, sampling="carries", train_domain=domain, train_lengths=lengths)
    for source in (noise(2), None):
        torch.manual_seed(11)
        assert fits(numbers(sampler_of(spec, CPU).draw(60_000, source)), dict(expected)) > 1e-4


def test_the_domains_law_is_not_that_of_balanced_carries() -> None:
    drawn = numbers(sampler_of(TINY, CPU).draw(20_000, noise(5)))
    balanced = Counter(carries(*pair) for pair in numbers(sampler_of(replace(TINY, sampling="carries"), CPU).draw(20_000, noise(5))))
    plain = Counter(carries(*pair) for pair in drawn)
    assert balanced[2] > 1.2 * plain[2]


def test_carries_of_a_task_without_a_machine_are_refused() -> None:
    with pytest.raises(InputError, match="no finite machine"):
        sampler_of(replace(TINY, task="mul", sampling="carries"), CPU)


def test_carries_of_a_machine_that_holds_b_are_refused() -> None:
    with pytest.raises(InputError, match="holds digits of b"):
        sampler_of(replace(TINY, task="", expr="a * (b % 3)", sampling="carries"), CPU)


def test_a_curriculum_lets_lengths_in_one_by_one() -> None:
    spec = replace(TINY, train_lengths=(1, 3, 4), width=4, test_lengths=(1,), curriculum=30, steps=40)
    stream = Stream(spec, CPU)
    for step, lengths in ((0, {1}), (9, {1}), (10, {1, 3}), (19, {1, 3}), (20, {1, 3, 4}), (39, {1, 3, 4})):
        up_to = stream._up_to(torch.tensor(step))
        drawn = stream.sampler.draw(3000, noise(1, step), up_to)
        seen = Counter(drawn.length_N.tolist())
        assert set(seen) == lengths
        assert all(abs(count - 3000 / len(lengths)) < 150 for count in seen.values())


def test_a_finite_set_holds_so_many_distinct_pairs_none_held_out() -> None:
    spec = replace(TINY, train_pairs=20)
    stream, other = Stream(spec, CPU), Stream(replace(spec, seed=1), CPU)
    assert stream.pairs is not None
    assert other.pairs is not None
    kept = numbers(stream.pairs)
    assert len(set(kept)) == 20
    assert not held_out(stream.pairs, spec.heldout).any()
    assert set(kept) != set(numbers(other.pairs))
    index = Counter(integers(0, 20, (10_000,), CPU, noise(3)).tolist())
    assert chisquare(list(index.values())).pvalue > 1e-4
    lines, use_N = stream.lines(500, torch.tensor(0), noise(3))
    allowed = {tuple(row) for row in stream.renderer.lines(stream.pairs).token_NT.tolist()}
    assert {tuple(row) for row in lines.token_NT.tolist()} == allowed
    assert use_N.all()


def test_more_pairs_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match="train_pairs 1000: only"):
        Stream(replace(TINY, train_pairs=1000), CPU)
    with pytest.raises(InputError, match="only up to"):  # at once
        Stream(replace(TINY, train_pairs=10**9), CPU)


def test_several_keys_draw_what_each_draws_alone() -> None:
    """Lines of an ensemble are those of its members, one after the other; dropout's words begin elsewhere."""
    keys = [step_key(torch.tensor(seed), torch.tensor(4)) for seed in (0, 1, 7)]
    both = Noise(torch.stack(keys)).bits((12, 5))
    assert torch.equal(both, torch.cat([Noise(key).bits((4, 5)) for key in keys]))
    assert not torch.equal(Noise(keys[0]).bits((4, 5)), Noise(keys[0], 20).bits((4, 5)))


def test_random_words_are_uniform() -> None:
    bytes_N = Noise(torch.tensor(12)).words(50_000).view(torch.uint8)
    assert chisquare(torch.bincount(bytes_N.long()).tolist()).pvalue > 1e-4
    seeds = torch.arange(50_000)
    first = step_key(seeds, torch.tensor(3)).view(torch.uint8)  # neighbouring seeds, and steps, tell nothing of each other
    assert chisquare(torch.bincount(first.long()).tolist()).pvalue > 1e-4
    assert len(step_key(seeds, torch.tensor(3)).unique()) == 50_000
    drawn = choices(torch.tensor([0.0, 1.0, 0.0, 3.0]), 40_000, noise(8)).bincount(minlength=4).tolist()
    assert drawn[0] == drawn[2] == 0
    assert chisquare(drawn[1::2], [10_000, 30_000]).pvalue > 1e-4


# --------------------------------------------------------------------------------------------------------------------------- results


def test_a_machine_writes_the_results_of_its_task() -> None:
    """In both directions, at any size, also of operands that were cut."""
    third = Machine(10, 1, 0, tuple(tuple(((10 * r + x) % 3, (10 * r + x) // 3) for x in range(10)) for r in range(3)), direction="msd")
    for machine, task, given in (
        (NO_CARRY, None, [(5, 7), (3**30 - 1, 3**25), (0, 0)]),
        (third, make_task("third"), [(100, 0), (10**25 + 7, 0), (0, 0)]),
    ):
        spec = replace(TINY, task="given", machine=to_json(machine), base=machine.base, layout="interleaved", direction=machine.direction)
        made, drawn = spec.make_task(), pairs(given, machine.base)
        found = result_digits(made.expression, drawn, machine.base, 30).tolist()
        assert found == [written(made(a, b), machine.base, 30)[:30] for a, b in given]
        if task is not None:
            assert found == result_digits(task.expression, drawn, machine.base, 30).tolist()
        cut = made.truncated(2)
        assert result_digits(cut, drawn, machine.base, 30).tolist() == [
            written(evaluate(cut, a, b), machine.base, 30)[:30] for a, b in given
        ]


def test_a_task_given_by_its_machine_is_trained(tmp_path: Path) -> None:
    """Addition without carries: each digit is the sum of two, so a window of two tokens is enough."""
    spec = RunSpec(
        task="no-carry", machine=to_json(NO_CARRY), base=3, train_lengths=(1, 2), test_lengths=(2, 9), encoding="window", window=2,
        layout="interleaved", width=9, layers=1, heads=2, dim=32, steps=300, batch=32, lr=5e-3, dropout=0.0, examples=50, warmup=20,
    )  # fmt: skip
    done = train(spec, tmp_path)
    assert [entry["truth"] for entry in done.result["evaluation"]] == [50, 50]
    assert train(spec, tmp_path).spec == spec

"""Ordered operands (a >= b) and subtraction, against lists of every pair: laws, contexts, majorities, accuracies, draws, certificates."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch

from empirical.data.carries import CarrySampler
from empirical.data.lines import PairSampler, held_out, less, to_ints
from empirical.data.noise import Noise, step_key
from empirical.runs.settings import make_spec
from empirical.runs.spec import RunSpec
from empirical.runs.store import trim
from empirical.study.evaluate import answer, evaluate
from empirical.training.loop import train
from tests.command import called, refused
from tests.test_certify import stored
from theory.automata.machine_tasks import machine_task
from theory.automata.machines import tabulate
from theory.errors import InputError
from theory.exact.accuracy import truncation_accuracy
from theory.exact.closed_forms import NoClosedForm, closed_form
from theory.exact.digitwise import digit_accuracies
from theory.language.domains import boxes, contains, make_training, parts
from theory.language.encodings import make_encoding
from theory.language.layouts import encode, make_layout, render
from theory.language.tasks import Task, digit_count, make_task
from theory.local.bands import band, coverage
from theory.local.guessing import guess_bounds
from theory.local.inputs import all_inputs, inputs_of_length, local_machine
from theory.local.majority import Majority
from theory.local.windows import Contexts, needed_window, training_length
from theory.predictions.predict import predict
from theory.proofs.causality import causality
from theory.proofs.task_verdicts import Wraps, identifiability
from verify.certificates.files import certificate_text, read
from verify.certificates.proof import certify

torch.set_num_threads(1)

ADD_MACHINE = machine_task(tabulate(2, 2, 0, lambda s, group: divmod(group[0] + 2 * group[1] + s, 2)), "machine")
TASKS = [make_task("sub", base=2), make_task("sub", base=3), make_task(expr="3*a - 2*b + 1", base=2), make_task("add", base=2)]


@cache
def law(length: int, base: int) -> dict[tuple[int, int], Fraction]:
    """Pairs of D_n, swapped where a < b."""
    found: Counter[tuple[int, int]] = Counter()
    for a, b in product(range(base**length), repeat=2):
        if digit_count(max(a, b), base) == length:
            found[max(a, b), min(a, b)] += 1
    return {pair: Fraction(n, found.total()) for pair, n in found.items()}


@pytest.mark.parametrize(("base", "length"), [(2, 1), (2, 2), (2, 4), (3, 1), (3, 3), (10, 2)])
def test_parts_are_the_law(base: int, length: int) -> None:
    for domain in ("ordered", "either", "both", "sampler"):
        mine: Counter[tuple[int, int]] = Counter()
        for part in parts(domain, length, base):
            groups = [list(part.at(place)) for place in range(length)]
            assert [len(part.at(place)) for place in range(length)] == [len(group) for group in groups]
            assert part.at(length).order in ("", "=")
            assert list(part.at(length)) == [(0, 0)]
            ways = list(product(*groups)) if part.weight else []
            for digits in ways:
                pair = tuple(sum(group[k] * base**i for i, group in enumerate(digits)) for k in (0, 1))
                mine[pair] += part.weight / len(ways)  # type: ignore[index, assignment]
        if domain == "ordered":
            assert dict(mine) == law(length, base)
            continue
        stated: Counter[tuple[int, int]] = Counter()
        for box in boxes(domain, length, base):
            pairs = list(product(range(*box.a.range(base)), range(*box.b.range(base))))
            for pair in pairs:
                stated[pair] += box.weight / len(pairs)  # type: ignore[assignment]
        assert mine == stated


def test_contains() -> None:
    for length, a, b in product((1, 2), range(9), range(9)):
        assert contains("ordered", length, 3, a, b) == ((a, b) in law(length, 3))


def test_which_tasks_need_order() -> None:
    for alpha, beta, gamma in product(range(-2, 4), repeat=3):
        task = make_task(expr=f"{alpha}*a + {beta}*b + {gamma}")
        values = {(a, b): task(a, b) for a, b in product(range(10), repeat=2)}
        ordered = min(value for (a, b), value in values.items() if a >= b)
        assert task.needs_order == (min(values.values()) < 0 <= ordered)
        if task.needs_order:
            assert task.result_width(1) == max(digit_count(value, 10) for (a, b), value in values.items() if a >= b)


# -------------------------------------------------------------------------------------------------------------------------- contexts


def lines(task: Task, direction: str, length: int) -> dict[tuple[int, ...], Fraction]:
    """Every line of ordered operands of this length, with its probability."""
    layout = make_layout("interleaved", 1, direction)
    return {tuple(encode(layout, task, a, b, length)): weight for (a, b), weight in law(length, task.base).items()}


def answered(task: Task, direction: str, lengths: range, visible: int) -> dict[tuple[int, ...], set[int]]:
    found: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for length in lengths:
        for line in lines(task, direction, length):
            for t in range(3, len(line), 3):
                found[line[max(0, t - visible) : t]].add(line[t])
    return found


@pytest.mark.parametrize("task", [*TASKS, make_task("third", base=2)], ids=lambda task: f"{task.text} in base {task.base}")
def test_contexts_are_those_of_ordered_operands(task: Task) -> None:
    direction = "msd" if "//" in task.text else "lsd"
    machine = local_machine(task, direction)
    assert machine is not None
    for visible in range(2, 7 if task.base == 2 else 6):
        contexts = Contexts(all_inputs(machine, "ordered"), visible)
        mine = {tuple(row): int(c) for block in contexts.blocks(50) for row, c in zip(block.tokens.tolist(), block.answer, strict=True)}
        enough = training_length(task, machine, visible, "ordered")
        for n in range(1, enough + 1):
            shown = answered(task, direction, range(1, n + 1), visible)
            assert Contexts(inputs_of_length(machine, task, range(1, n + 1), "ordered"), visible).count() == len(shown)
            assert (len(shown) == len(mine)) == (n == enough)
        assert shown.keys() == mine.keys()
        assert all(true == {mine[tokens]} if mine[tokens] >= 0 else true for tokens, true in shown.items())
        if direction == "lsd":  # any digits begin ordered operands
            assert len(mine) == Contexts(all_inputs(machine), visible).count()
        need = needed_window(task, direction).digits
        assert need is not None
        assert (min(mine.values()) >= 0) == (visible - 1 >= need)


def test_subtraction_needs_four_tokens() -> None:
    assert [needed_window(make_task("sub", base=base), "lsd").digits for base in (2, 3, 10, 16)] == [4] * 4
    machine = local_machine(make_task("sub"), "lsd")
    assert machine is not None
    assert Contexts(all_inputs(machine, "ordered"), 5).count() == 20_100


# -------------------------------------------------------------------------------------------------------------------------- majority


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.text} in base {task.base}")
@pytest.mark.parametrize("window", [2, 3])
def test_majority_by_enumeration(task: Task, window: int) -> None:
    trained, machine = (1, 2, 3), local_machine(task, "lsd")
    assert machine is not None
    found = Majority(task, machine, window, make_training("ordered", trained))
    votes: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for length in trained:
        for line, weight in lines(task, "lsd", length).items():
            for t in range(3, len(line), 3):
                votes[line[max(0, t - window - 1) : t]][line[t]] += weight  # type: ignore[assignment]
    best = {context: max(sorted(seen), key=seen.__getitem__) for context, seen in votes.items()}
    for length in (1, 2, 4):
        right = Fraction(0)
        for line, weight in lines(task, "lsd", length).items():
            right += weight * all(best[line[max(0, t - window - 1) : t]] == line[t] for t in range(3, len(line), 3))
        assert found.accuracy("ordered", length) == right


def test_the_shortest_training_shows_a_guess() -> None:
    """1 digit shows no borrow that goes on, so what follows one has no predicted answer."""
    task = make_task("sub")
    machine = local_machine(task, "lsd")
    assert machine is not None
    found = Majority(task, machine, 3, make_training("ordered", "1"))
    assert found.accuracy("ordered", 1) == 1
    assert found.accuracy("ordered", 3) is None


# -------------------------------------------------------------------------------------------------------------------------- accuracy

EXPRESSIONS = ["a - b", "a + b", "a*b % 7", "(a - b) % 5", "max(a, b)", "abs(a - b)", "2*a + 2*b + 1", "a*a - b*b"]


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_truncation_accuracy_of_ordered_operands(expr: str) -> None:
    for base, trained, length in ((2, 1, 3), (2, 2, 4), (3, 1, 2), (3, 2, 2)):
        task, cut = make_task(expr=expr, base=base), base**trained
        agree = sum((weight for (a, b), weight in law(length, base).items() if task(a, b) == task(a % cut, b % cut)), Fraction(0))
        assert truncation_accuracy(task, trained, length, "ordered") == agree


def test_truncation_accuracy_of_a_machine() -> None:
    agree = sum(weight for (a, b), weight in law(4, 2).items() if ADD_MACHINE(a, b) == ADD_MACHINE(a % 4, b % 4))
    assert truncation_accuracy(ADD_MACHINE, 2, 4, "ordered") == agree


@pytest.mark.parametrize("expr", ["a + b", "a*b % 7", "max(a, b)", "abs(a - b)"])
def test_digits_of_ordered_operands(expr: str) -> None:
    for base, trained, length in ((2, 1, 3), (3, 1, 2)):
        task, cut = make_task(expr=expr, base=base), base**trained
        for i, share in enumerate(digit_accuracies(task, trained, length, "ordered")):
            same = ((task(a, b) // base**i - task(a % cut, b % cut) // base**i) % base == 0 for a, b in law(length, base))
            assert share == sum(weight for weight, agrees in zip(law(length, base).values(), same, strict=True) if agrees)


def test_nothing_is_said_where_nothing_is_counted() -> None:
    for expr in ("2*a + b", "a < b", "a // 3", "(a - b) % 7 % 5"):
        assert truncation_accuracy(make_task(expr=expr), 1, 3, "ordered") is None
        assert truncation_accuracy(make_task(expr=expr), 3, 3, "ordered") == 1
    sub = make_task("sub")
    assert digit_accuracies(sub, 1, 3, "ordered") == (None, None, None)  # 0 - 9 has no digits
    assert digit_accuracies(sub, 3, 3, "ordered") == (1, 1, 1)
    with pytest.raises(NoClosedForm, match="negative"):
        closed_form(sub, 1, "ordered")
    with pytest.raises(NoClosedForm, match="in order"):
        closed_form(make_task(expr="2*a + b"), 1, "ordered")
    mod = make_task("mod-add", modulus=6)
    assert closed_form(mod, 1, "ordered").at(7) == truncation_accuracy(mod, 1, 7, "ordered")


@pytest.mark.parametrize("expr", ["(a + b) % 13", "(a - b) % 13", "(2*a + b) % 5"])
def test_identifiability_shows_an_ordered_pair(expr: str) -> None:
    task, training = make_task(expr=expr), make_training("ordered", "2")
    found = identifiability(task, training)[0]
    assert isinstance(found.proof, Wraps)
    assert found.value == found.proof.check() is True
    assert (found.proof.a, found.proof.b) in law(2, 10)
    assert not replace(found.proof, a=found.proof.a - 1, b=found.proof.a).check()  # out of order


# ----------------------------------------------------------------------------------------------------------------------- predictions


def outcome(
    task: Task, encoding: str, layout: str, trained: str, domain: str = "ordered", window: int | None = None
) -> tuple[str, str | None]:
    training, lengths = make_training("ordered", trained), (1, 2, 5)
    found = predict(task, make_encoding(encoding, window), make_layout(layout, 5), training, lengths, domain)
    return found.rule_name, found.outcome.upward


def test_predictions() -> None:
    sub, add, mod = make_task("sub"), make_task("add"), make_task("mod-add", modulus=100)
    assert outcome(sub, "window", "interleaved", "1-4", window=4) == ("window holds the rule", "exact")
    assert outcome(sub, "window", "interleaved", "1-4", window=3) == ("window too small", "decays")
    assert outcome(sub, "absolute", "padded", "1-2") == ("cut out of order", "undetermined")
    assert outcome(add, "absolute", "padded", "1-2") == ("cut out of order", "undetermined")
    assert outcome(mod, "absolute", "padded", "1-3") == ("low digits suffice", "exact")
    assert outcome(mod, "absolute", "padded", "1-2")[1] == "undetermined"  # a low pair in the wrong order is not shown
    assert outcome(add, "window", "interleaved", "1-4", "either", window=4) == ("order unseen", "undetermined")
    assert outcome(sub, "banded", "aligned", "1-2")[1] == "undetermined"
    for task in (sub, add):
        assert outcome(task, "relative", "aligned", "1-3") == ("zero tail", "undetermined")


def test_ordered_pairs_show_fewer_contexts_of_roles() -> None:
    """Why unbounded relative attention is left undecided: of up to 3 digits in order, no pair shows a_2 < b_2, as longer ones do."""

    def contexts(digits: int) -> set[tuple[int, ...]]:
        pairs = [(a, b) for a in range(2**digits) for b in range(a + 1)]
        roles = [(a >> i & 1, b >> i & 1, a >> i - 1 & 1, b >> i - 1 & 1, a + b >> i - 1 & 1) for a, b in pairs for i in range(1, digits)]
        return set(roles)

    task, layout, training = make_task("add", base=2), make_layout("aligned", 6), make_training("either", "1-3")
    machine = local_machine(task, "lsd")
    assert machine is not None
    assert coverage(task, machine, layout, band(layout, task), training).digits >= 4  # any order: they are shown
    assert (0, 1, 0, 0, 1) in contexts(4) - contexts(3)


@pytest.mark.parametrize("expr", ["a - b", "3*a - 2*b + 7", "5*a - b + 30"])
@pytest.mark.parametrize("base", [2, 10])
def test_a_borrow_comes_from_below(expr: str, base: int) -> None:
    """The witness: two results that differ at a place or above it, of ordered operands that are equal there and above."""
    task, layout = make_task(expr=expr, base=base), make_layout("interleaved", 1, "msd")
    found = causality(task, layout)
    assert found.value is False
    values = [int(text) for text in re.findall(r"= (-?\d+)", found.certificate)]
    place = int(re.findall(r"in digit (\d+)", found.certificate)[0])
    pairs = [(base**place, b) for b in range(base**place) if task(base**place, b) in values]
    assert len({task(a, b) // base**place for a, b in pairs}) == 2
    said = predict(task, make_encoding("window", 4), layout, make_training("ordered", "1-2"), (3,), "ordered")
    assert (said.rule_name, said.outcome.upward) == ("not causal, half guessed", "undetermined")


def test_counted_predictions_are_the_majority() -> None:
    task, training = make_task("sub"), make_training("ordered", "1-3")
    machine = local_machine(task, "lsd")
    assert machine is not None
    found = predict(task, make_encoding("window", 3), make_layout("interleaved", 4), training, (2, 4, 40), "ordered")
    assert [row.exact for row in found.accuracy] == [Majority(task, machine, 3, training).accuracy("ordered", n) for n in (2, 4, 40)]


def test_downward_needs_a_zero_on_top_of_a() -> None:
    """Of ordered operands a is the longer, so 3 digits alone never show a_2 = 0."""
    task, layout = make_task("sub"), make_layout("padded", 4)
    for lengths, said in (("3", "undetermined"), ("1-3", "exact")):
        found = predict(task, make_encoding("absolute"), layout, make_training("ordered", lengths), (1, 2, 3), "ordered")
        assert found.outcome.downward == (said if lengths == "3" else None)


def test_guesses_against_the_machine() -> None:
    """Most significant first, what is counted is a bound by the pigeonhole principle alone; nothing is counted of ordered operands."""
    least, most = guess_bounds(make_task("sub"), make_layout("interleaved", 1, "msd"), "ordered", 3)
    assert 0 < least < most == 1


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"expr": "a - b"}, "--train-domain ordered"),
        ({"expr": "a - b", "train_domain": "ordered", "domain": "either"}, "--domain ordered"),
        ({"expr": "b - a", "train_domain": "ordered"}, "negative"),
        ({"expr": "a - b - 1", "train_domain": "ordered"}, "negative"),
    ],
)
def test_runs_on_other_operands_are_refused(settings: dict[str, str], hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        make_spec({"pe": "none", "train": "1-2", **settings})


def test_what_is_trained_in_order_is_tested_in_order() -> None:
    assert make_spec({"task": "sub", "pe": "none", "train": "1-2", "train_domain": "ordered"}).test_domain == "ordered"


# ------------------------------------------------------------------------------------------------------------------------------ data


def test_draws_have_the_law_and_keep_out_what_is_held_out() -> None:
    sampler = PairSampler("ordered", (2,), 3, torch.device("cpu"))
    pairs = sampler.draw(40_000, Noise(step_key(torch.tensor(5), torch.tensor(0))))
    drawn = Counter(zip(to_ints(pairs.a_ND, 3), to_ints(pairs.b_ND, 3), strict=True))
    stated = law(2, 3)
    assert drawn.keys() == stated.keys()
    chi = sum((drawn[pair] - 40_000 * float(p)) ** 2 / (40_000 * float(p)) for pair, p in stated.items())
    assert chi < len(stated) + 5 * (2 * len(stated)) ** 0.5
    out: dict[tuple[int, int], set[bool]] = defaultdict(set)
    for a, b, held in zip(to_ints(pairs.a_ND, 3), to_ints(pairs.b_ND, 3), held_out(pairs, 4).tolist(), strict=True):
        out[a, b].add(held)
    assert all(len(said) == 1 for said in out.values())  # the same pair is held out whichever way round it was drawn
    assert {True, False} == set().union(*out.values())


def test_less() -> None:
    numbers = torch.tensor([[a % 3, a // 3 % 3, a // 9] for a in range(27)])
    for a in range(27):
        assert less(numbers, numbers[a].expand(27, -1)).tolist() == [b < a for b in range(27)]


def test_draws_with_each_number_of_borrows_equally_often() -> None:
    spec = RunSpec(
        task="sub", base=3, train_lengths=(2,), test_lengths=(3,), encoding="none", layout="interleaved", width=3, train_domain="ordered",
        test_domain="ordered", sampling="carries",
    )  # fmt: skip
    pairs = CarrySampler(spec, torch.device("cpu")).draw(30_000, Noise(step_key(torch.tensor(3), torch.tensor(0))))
    drawn = Counter(zip(to_ints(pairs.a_ND, 3), to_ints(pairs.b_ND, 3), strict=True))
    stated = law(2, 3)
    assert drawn.keys() == stated.keys()
    for borrow in (False, True):
        some = {pair: p for pair, p in stated.items() if (pair[0] % 3 < pair[1] % 3) == borrow}
        assert abs(sum(drawn[pair] for pair in some) - 15_000) < 450
        for pair, p in some.items():
            share = float(p / sum(some.values()))
            assert abs(drawn[pair] - 15_000 * share) < 6 * (15_000 * share) ** 0.5


def test_lines_of_subtraction() -> None:
    task = make_task("sub")
    assert render(make_layout("interleaved", 3), task, 200, 1, 3) == "^019009201"
    assert render(make_layout("plain", 3), task, 200, 1, 3) == "^200-1=199;"


# ---------------------------------------------------------------------------------------------------------------------- certificates

SUB = RunSpec(
    task="sub", base=2, train_lengths=(1, 2, 3, 4), test_lengths=(1, 4, 6), encoding="window", window=4, layout="interleaved", width=6,
    train_domain="ordered", test_domain="ordered", layers=1, heads=4, dim=32, steps=800, batch=64, lr=5e-3, dropout=0.0,
    weight_decay=0.0, warmup=10, examples=20,
)  # fmt: skip


def test_subtraction_is_trained_and_certified(tmp_path: Path) -> None:
    run = train(SUB, tmp_path, group="sub")
    found = certify(run)
    assert (found.verdict, found.smallest_window, found.findings.contexts) == ("certified", 4, 36)
    assert "a - b in base 2, a >= b" in certificate_text(found)
    a, b = 2**400 + 12345, 2**399 + 98765
    assert answer(run, a, b) == a - b
    with pytest.raises(InputError, match="larger number first"):
        answer(run, b, a)
    for entry in run.result["evaluation"]:
        assert (entry["truth"], entry["learned"]) == (entry["examples"], None)
        assert sum(entry["truth_digits"]) == entry["examples"] * entry["length"]
    trim(run)
    with pytest.raises(InputError, match=r"left out of this store: [^(]*--results$"):
        certify(run)


@pytest.mark.parametrize(
    "spec", [SUB, replace(SUB, task="add"), replace(SUB, task="expr", expr="2*a - b"), replace(SUB, window=3), replace(SUB, base=3)],
    ids=["sub", "add", "double", "window 3", "base 3"],
)  # fmt: skip
def test_a_shortest_wrong_input_is_in_order(spec: RunSpec, tmp_path: Path) -> None:
    run = stored(tmp_path, spec)
    found = certify(run)
    wrong = found.wrong
    assert wrong is not None
    assert wrong.a >= wrong.b
    assert answer(run, wrong.a, wrong.b) == wrong.answer != wrong.truth == run.spec.make_task()(wrong.a, wrong.b)
    for length in range(1, wrong.digits):
        assert all(answer(run, a, b) == run.spec.make_task()(a, b) for a, b in law(length, spec.base))


def test_a_run_is_named_by_its_folder_too(tmp_path: Path) -> None:
    run = stored(tmp_path, SUB)
    done = called("verify", "certify", str(run.folder))
    assert done.code == 1
    assert read(run.folder / "certificate.json")["operands"] == "a >= b"
    assert called("verify", "certify", "--check", str(run.folder / "certificate.json")).code == 1  # of a wrong network, and true


def test_contexts_out_of_reach_are_counted_and_refused(tmp_path: Path) -> None:
    """123a in base 10 needs ten tokens; no weights are read for that."""
    run = stored(tmp_path, replace(SUB, task="expr", expr="123*a", base=10, window=10, train_domain="either", test_domain="either"))
    with pytest.raises(InputError, match=r"12301010100 contexts of up to 11 tokens, .* take a smaller base, or train"):
        certify(run)


def test_bands_are_not_enumerated(tmp_path: Path) -> None:
    banded = replace(SUB, encoding="banded", layout="aligned", window=None, test_lengths=(1, 4))
    with pytest.raises(InputError, match="--pe window"):
        certify(stored(tmp_path, banded))


def test_evaluation_of_an_untrained_network(tmp_path: Path) -> None:
    from empirical.runs.store import load_model

    run = stored(tmp_path, SUB)
    for entry in evaluate(load_model(run), SUB, (3,), 50, seed=1):
        assert entry["learned"] is None


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("predict --task sub", "--train-domain ordered"),
        ("predict --task sub --train-domain ordered --domain both", "--domain ordered"),
        ("predict --task sub --train-domain ordered --modulus 7", "takes no --modulus"),
        ("graph --task sub", "negative"),
    ],
)
def test_commands_refuse(arguments: str, hint: str) -> None:
    refused(called("theory", *arguments.split(" ")), hint)

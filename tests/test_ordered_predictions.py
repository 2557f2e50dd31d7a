"""Predictions for ordered operands (a >= b) and subtraction, and what the commands refuse."""

from __future__ import annotations

import re

import pytest

from tests.command import called, refused
from theory.language.domains import make_training
from theory.language.encodings import make_encoding
from theory.language.layouts import make_layout
from theory.language.tasks import Task, make_task
from theory.local.bands import band, coverage
from theory.local.guessing import guess_bounds
from theory.local.inputs import local_machine
from theory.local.majority import Majority
from theory.predictions.predict import predict
from theory.proofs.causality import causality


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
    assert outcome(mod, "absolute", "padded", "1-3") == ("low digits suffice, keyed", "exact")
    assert outcome(mod, "absolute", "padded", "1-2")[1] == "undetermined"  # a low pair in the wrong order is not shown
    assert outcome(add, "window", "interleaved", "1-4", "either", window=4) == ("pairs unseen", "undetermined")
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
    ("arguments", "hint"),
    [
        ("predict --task sub", "(--train-domain ordered)"),
        ("predict --task sub --train-domain ordered --domain both", "(--domain ordered)"),
        ("predict --task sub --train-domain ordered --modulus 7", "takes no --modulus"),
        ("graph --task sub", "negative"),
    ],
)
def test_commands_refuse(arguments: str, hint: str) -> None:
    refused(called("theory", *arguments.split(" ")), hint)

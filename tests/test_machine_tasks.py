"""Tasks given by a machine: the same verdicts as by expression, and every property against enumeration of inputs."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.command import called, refused
from theory.automata.formats import to_json
from theory.automata.low_support import Pumped, Settles, Writes, WritesNothing
from theory.automata.low_support import low_support as machine_low_support
from theory.automata.machine_tasks import computes_sum, machine_task
from theory.automata.machines import Machine, from_transducer, tabulate
from theory.errors import InputError
from theory.exact.accuracy import truncation_accuracy
from theory.exact.digitwise import digit_accuracies, same_digit, uncounted_digits
from theory.language.domains import DOMAINS, boxes, make_training
from theory.language.encodings import FAMILIES, make_encoding
from theory.language.layouts import digits, make_layout
from theory.language.tasks import Task, make_task
from theory.local.inputs import local_machine
from theory.local.windows import needed_window, smallest_window
from theory.predictions.matrix import layouts_for
from theory.predictions.predict import predict
from theory.predictions.report import prediction_json
from theory.proofs.causality import causality
from theory.proofs.properties import low_support, translation_by_direction
from theory.proofs.property_report import all_properties
from theory.proofs.verdicts import invariance

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

EXPRESSIONS = [
    # expression, base, end that its machine reads first
    ("a + b", 10, "lsd"),
    ("a + b", 2, "lsd"),
    ("3*a + b", 10, "lsd"),
    ("2*a + 3*b", 3, "lsd"),
    ("12*a", 10, "lsd"),
    ("2*a", 10, "lsd"),
    ("9*a", 3, "lsd"),
    ("a", 7, "lsd"),
    ("0*a", 5, "lsd"),
    ("a + b + 1", 3, "lsd"),
    ("a + b + 5", 10, "lsd"),
    ("a // 3", 10, "msd"),
    ("a // 5", 10, "msd"),
    ("b // 2", 2, "msd"),
]


def given_both_ways(expr: str, base: int, direction: str) -> tuple[Task, Task]:
    """The task as an expression, and as a machine: not minimal, not in order."""
    task = make_task(None, expr, base)
    transducer = local_machine(task, direction)
    assert transducer is not None
    machine = from_transducer(transducer)
    doubled = [[(s + i % 2 * len(machine.table), c) for i, (s, c) in enumerate(row)] for row in (*machine.table, *machine.table)]
    return task, machine_task(Machine(base, 2, machine.start, tuple(map(tuple, doubled)), direction))


def modular(base: int, low: int) -> Machine:
    """(a + b) mod B^low: carries that stop."""

    def step(state: tuple[int, int], group: tuple[int, ...]) -> tuple[tuple[int, int], int]:
        carry, place = state
        if place == low:
            return (0, low), 0
        carry, digit = divmod(sum(group) + carry, base)
        return (carry if place + 1 < low else 0, place + 1), digit

    return tabulate(base, 2, (0, 0), step)


@pytest.mark.parametrize(("expr", "base", "direction"), EXPRESSIONS)
def test_the_same_function_with_the_same_properties(expr: str, base: int, direction: str) -> None:
    task, given_task = given_both_ways(expr, base, direction)
    assert given_task.machine is not None
    assert given_task.machine == given_task.machine.minimal
    assert all(given_task(a, b) == task(a, b) for a in range(40) for b in (0, 1, 7, 39, 10**6))
    assert [given_task.result_width(n) for n in range(1, 30)] == [task.result_width(n) for n in range(1, 30)]
    verdicts = [translation_by_direction(one) for one in (task, given_task)]
    assert {end: found.value for end, found in verdicts[0].items()} == {end: found.value for end, found in verdicts[1].items()}
    assert low_support(task).value == low_support(given_task).value
    assert low_support(task).digits == low_support(given_task).digits
    assert needed_window(given_task, direction).digits == needed_window(task, direction).digits
    for end in ("lsd", "msd"):
        layout = make_layout("interleaved", 1, end)
        assert causality(task, layout).value in (None, causality(given_task, layout).value)
    for domain in DOMAINS:
        for trained, length in ((1, 1), (1, 2), (2, 1), (2, 4), (3, 9)):
            expected = truncation_accuracy(task, trained, length, domain)
            assert expected in (None, truncation_accuracy(given_task, trained, length, domain))


#: what is said in other words for a machine
WORDS = {"task", "certificates", "reasons", "smallest_window", "learned_function"}


@pytest.mark.parametrize("encoding", FAMILIES)
@pytest.mark.parametrize(("expr", "base", "direction"), EXPRESSIONS[:3] + EXPRESSIONS[9:12])
def test_the_same_predictions(expr: str, base: int, direction: str, encoding: str) -> None:
    pair = given_both_ways(expr, base, direction)
    training, lengths = make_training("either", "2"), (1, 2, 3)
    for layout in (layout for layout in layouts_for(pair[0], 3) if layout.shows(pair[1])):  # some machines read a b that they do not use
        pe = make_encoding(encoding, 4 if encoding == "window" else None)
        found = [prediction_json(predict(task, pe, layout, training, lengths, "either")) for task in pair]
        for said in found:
            said["learned_function"] = said["learned_function"] is not None
        if expr != "a + b":  # of other machines we do not say what the paper does
            assert found[0]["paper"]["outcome"]["upward"] is None
        kept = [{key: value for key, value in said.items() if key not in WORDS - {"learned_function"}} for said in found]
        assert kept[0] == kept[1], layout
        assert found[0]["smallest_window"]["tokens"] == found[1]["smallest_window"]["tokens"]


def test_modular_addition_as_a_machine() -> None:
    """A finite machine that stops: low digits suffice, and it is not translation invariant."""
    for low in (1, 2, 3):
        task = machine_task(modular(10, low))
        assert (low_support(task).value, low_support(task).digits) == (True, low)
        assert {found.value for found in translation_by_direction(task).values()} == {False}
        training, layout = make_training("either", "2"), make_layout("padded", 4)
        found = predict(task, make_encoding("absolute"), layout, training, (1, 2, 3), "either")
        assert found.rule_name == ("low digits suffice, keyed" if low <= 2 else "zeros only, keyed")


# ------------------------------------------------------------------------------------------------------------- random machines


@st.composite
def machines(draw: st.DrawFn) -> Task:
    """Small machines in base 2 or 3 that compute functions of numbers."""
    base, operands = draw(st.sampled_from([(2, 1), (2, 2), (3, 1)]))
    direction = draw(st.sampled_from(["lsd", "msd"]))
    states = draw(st.integers(1, 4))
    cell = st.tuples(st.integers(0, states - 1), st.integers(0, base - 1))
    rows = [draw(st.lists(cell, min_size=base**operands, max_size=base**operands)) for _ in range(states)]
    if direction == "msd":
        rows[0][0] = (0, 0)
    for state, row in enumerate(rows):
        if row[0][0] >= state:  # zeros lead down, or write 0
            row[0] = (row[0][0], 0)
    try:
        return machine_task(Machine(base, operands, 0, tuple(map(tuple, rows)), direction))
    except InputError:
        assume(False)
        raise


def inputs(task: Task, length: int) -> list[tuple[int, int]]:
    assert task.machine is not None
    size = range(task.base**length)
    return [(a, b) for a in size for b in (size if task.machine.operands == 2 else (0,))]


@settings(max_examples=100)
@given(machines())
def test_low_support_against_enumeration(task: Task) -> None:
    """With at most 4 states a support has at most 4 digits; where there is none, it shows within 4 digits more."""
    found, longest = low_support(task), 5 if task.base == 2 else 4  # digits
    values = {pair: task(*pair) for pair in inputs(task, longest)}
    for m in range(longest):
        period = task.base**m
        same = all(value == values[a % period, b % period] for (a, b), value in values.items())
        if found.digits is not None:
            assert same == (m >= found.digits)
        else:
            assert found.value is False


@settings(max_examples=60)
@given(machines())
def test_every_property_has_a_proof_that_holds_when_it_is_checked_again(task: Task) -> None:
    for row in all_properties(task, make_training("either", "3")):
        assert row.rechecked is not False, row.name
        assert row.verdict.value is None or row.rechecked, row.name


@settings(max_examples=80)
@given(machines(), st.integers(0, 5))
def test_planted_proofs_of_low_support_are_refused(task: Task, digits: int) -> None:
    """Too many digits, too few, a cycle that does not return, words that end alike, a digit that is 0."""
    assert task.machine is not None
    found = machine_low_support(task.machine)
    machine, proof = task.machine.minimal, found.proof
    assert proof is not None
    assert Settles(machine, digits).check() == (machine.direction == "lsd" and found.digits == digits)
    if isinstance(proof, Pumped):
        assert not replace(proof, second=proof.first).check()
        assert not replace(proof, cycle=()).check()
        state, _ = machine.walk(proof.before)
        elsewhere = [(*proof.cycle, n) for n in machine.groups if machine.walk((*proof.cycle, n), state)[0] != state]
        assert not any(replace(proof, cycle=cycle).check() for cycle in elsewhere)
    if isinstance(proof, Writes):
        assert not replace(proof, word=(0,)).check()
        assert not WritesNothing(machine).check()


def causal(task: Task, end: str, length: int) -> bool:
    """Whether each result digit is a function of the digits 0..i (`lsd`), or i and above (`msd`), of operands of up to `length` digits."""
    units = [task.base**i for i in range(max(length, task.result_width(length)))]
    seen: dict[tuple[int, int, int], int] = {}
    for a, b in inputs(task, length):
        c = task(a, b)
        for unit in units:
            visible = (a % (unit * task.base), b % (unit * task.base)) if end == "lsd" else (a // unit, b // unit)
            digit = c // unit % task.base
            if seen.setdefault((unit, *visible), digit) != digit:
                return False
    return True


#: three states that every group leaves alike, one that the group (0, 1) leaves otherwise, and three more groups until that shows
FARTHEST = Machine(2, 2, 0, (((1, 0),) * 4, ((2, 0),) * 4, ((3, 0),) * 4, ((0, 0), (1, 1), (0, 0), (0, 0))))


@settings(max_examples=80)
@given(machines())
@example(machine_task(FARTHEST))
def test_causality_against_enumeration(task: Task) -> None:
    """A witness has at most 2n - 1 digits: those to one of the n states, one that leads to two, and those that tell the two apart."""
    assert task.machine is not None
    length = max(2 * len(task.machine.table) - 1, 4)
    for end in ("lsd", "msd"):
        assert causality(task, make_layout("interleaved", 1, end)).value == causal(task, end, length)


def test_the_farthest_witness_of_four_states_has_seven_digits() -> None:
    task = machine_task(FARTHEST)
    assert task.machine is not None
    assert len(task.machine.table) == 4
    assert [causal(task, "msd", length) for length in (6, 7)] == [True, False]


@settings(max_examples=80)
@given(machines(), st.integers(1, 2), st.integers(1, 3), st.sampled_from(sorted(DOMAINS)))
def test_accuracy_of_each_digit_against_enumeration(task: Task, trained: int, length: int, domain: str) -> None:
    cut, total = task.base**trained, [Fraction(0)] * task.result_width(length)
    for box in boxes(domain, length, task.base):
        pairs = [(a, b) for a in range(*box.a.range(task.base)) for b in range(*box.b.range(task.base))]
        values = [(task(a, b), task(a % cut, b % cut)) for a, b in pairs]
        for i in range(len(total)):
            total[i] += box.weight * Fraction(sum(same_digit(i, task.base)(f, g) for f, g in values), len(pairs))
    assert digit_accuracies(task, trained, length, domain) == tuple(total)


def test_digits_beyond_the_limit_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory.exact.digitwise.MAX_STEPS", 5)
    task = machine_task(Machine(2, 1, 0, (((0, 0), (1, 0)), ((1, 0), (0, 1)))))
    assert digit_accuracies(task, 1, 3, "either") == (None,) * 3
    assert "more than 5 steps" in uncounted_digits(task)


@settings(max_examples=80)
@given(machines(), st.integers(1, 2), st.integers(1, 3), st.sampled_from(sorted(DOMAINS)))
def test_accuracy_against_enumeration(task: Task, trained: int, length: int, domain: str) -> None:
    assert task.machine is not None
    cut, total = task.base**trained, Fraction(0)
    for box in boxes(domain, length, task.base):
        pairs = [(a, b) for a in range(*box.a.range(task.base)) for b in range(*box.b.range(task.base))]
        if task.machine.operands == 1:
            agree = sum(task(a, 0) == task(a % cut, 0) for a, _ in pairs)
        else:
            agree = sum(task(a, b) == task(a % cut, b % cut) for a, b in pairs)
        total += box.weight * Fraction(agree, len(pairs))
    assert truncation_accuracy(task, trained, length, domain) == total


@settings(max_examples=100)
@given(machines())
def test_directions_and_windows_are_those_of_the_machine(task: Task) -> None:
    assert task.machine is not None
    found = translation_by_direction(task)
    assert any(one.value for one in found.values()) == (invariance(task.machine).value is True)
    assert needed_window(task, task.machine.direction).digits == smallest_window(task.machine.transducer)
    high = task.base**5 - 1
    assert max(len(digits(task(a, b), 12, task.base)) for a, b in ((0, 0), (high, high))) == 12  # every result is written in 12 digits
    widest = max(task(a, b) for a, b in inputs(task, 3))
    assert task.base ** task.result_width(3) > widest
    assert task.result_width(3) == 1 or widest >= task.base ** (task.result_width(3) - 1)


def test_a_hidden_parity_fits_no_window() -> None:
    """The parity of the digits read so far is shown only where x = 2, so the tokens between never tell it."""
    hidden = tabulate(3, 1, 0, lambda s, group: ((s + group[0]) % 2, s if group[0] == 2 else 0))
    task = machine_task(hidden)
    need = needed_window(task, "lsd")
    assert (need.value, need.digits) == (False, None)
    layout, training = make_layout("interleaved", 1), make_training("either", "3")
    found = predict(task, make_encoding("window", 30), layout, training, (3, 4), "either")
    assert (found.rule_name, found.outcome.upward) == ("window without a rule", "fails")


def test_what_is_no_function_of_numbers_is_refused() -> None:
    borrow = tabulate(10, 2, 0, _borrow)
    with pytest.raises(InputError, match="for ever, no number"):
        machine_task(borrow)
    padded = Machine(2, 1, 0, (((1, 0), (0, 1)), ((1, 1), (1, 0))), "msd")
    with pytest.raises(InputError, match="leading zeros change what it writes"):
        machine_task(padded)


def _borrow(state: int, group: tuple[int, ...]) -> tuple[int, int]:
    """a - b, which may be negative."""
    rest, digit = divmod(group[0] - group[1] - state, 10)
    return -rest, digit


def test_which_machines_add() -> None:
    for base in (2, 3, 10):
        _, machine = given_both_ways("a + b", base, "lsd")
        assert machine.machine is not None
        assert computes_sum(machine.machine)
        for other in ("a + b + 1", "2*a + b", "a"):
            _, machine = given_both_ways(other, base, "lsd")
            assert machine.machine is not None
            assert not computes_sum(machine.machine)


# --------------------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Addition's machine as JSON."""
    transducer = local_machine(make_task("add"), "lsd")
    assert transducer is not None
    (tmp_path / "plus.json").write_text(to_json(from_transducer(transducer)))
    return tmp_path


@pytest.mark.parametrize("options", ["", "--pe relative --layout interleaved", "--pe window --window 3", "--layout plain --lengths 4-8"])
def test_round_trip_of_addition(exported: Path, options: str) -> None:
    """Export addition's machine, predict with it: the verdicts are those of --task add."""
    for name in ("predict", "accuracy"):
        mine, theirs = (
            json.loads(called("theory", name, *task, *options.split(), "--json", cwd=exported).out)
            for task in (("--machine", "plus.json"), ("--task", "add"))
        )
        assert [row["exact"] for row in mine["accuracy"]] == [row["exact"] for row in theirs["accuracy"]]
        if name == "predict":
            same = ("outcome", "rule", "status", "assumptions", "refuted_by", "paper", "properties", "lookahead", "train", "layout")
            assert [mine[key] for key in same] == [theirs[key] for key in same]
            assert mine["task"] == {"name": "plus", "expression": "plus(a, b)", "base": 10, "modulus": None}
    said = called("theory", "explain", "--machine", "plus.json", *options.split(), cwd=exported).out
    assert said.startswith("1. Task: plus(a, b), digits in base 10")


def test_advice_and_table_take_machines(exported: Path) -> None:
    both = (("--machine", "plus.json"), ("--task", "add"))
    advice = [json.loads(called("theory", "advise", *task, "--json", cwd=exported).out) for task in both]
    keys = ("encoding", "layout", "upward", "paper", "accuracy", "rule", "status")
    assert [[cell[key] for key in keys] for cell in advice[0]] == [[cell[key] for key in keys] for cell in advice[1]]
    table = json.loads(called("theory", "table", "--tasks", "plus.json; a + b", "--json", cwd=exported).out)
    half = len(table) // 2
    assert [[cell[key] for key in keys] for cell in table[:half]] == [[cell[key] for key in keys] for cell in table[half:]]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not readable as JSON"),
        ("[]", "one object with exactly the keys"),
        ('{"base": 10}', "one object with exactly the keys"),
        ('{"base": 2, "operands": 1, "direction": "lsd", "start": 0, "table": [[[0, 2], [0, 1]]]}', "row 0 cell 0"),
        ('{"base": 2, "operands": 1, "direction": "lsd", "start": 0, "table": [[[0, 1], [0, 1]]]}', "no number"),
        ('{"base": 2, "operands": 1, "direction": "msd", "start": 0, "table": [[[0, 1], [0, 1]]]}', "leading zeros"),
        ("\x00\xff", "file.json"),
    ],
)
def test_bad_machines_are_refused_in_one_line(text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "file.json").write_bytes(text.encode("latin-1"))
    for name in ("predict", "accuracy", "explain", "advise"):
        refused(called("theory", name, "--machine", "file.json", cwd=tmp_path), part)
    refused(called("theory", "table", "--tasks", "file.json", cwd=tmp_path), part)


def test_the_base_is_the_machines(exported: Path) -> None:
    refused(called("theory", "predict", "--machine", "plus.json", "--base", "7", cwd=exported), "base 10")
    assert called("theory", "predict", "--machine", "plus.json", "--base", "10", cwd=exported).code == 0

"""All properties of a task at once: a table of known truth, every certificate checked again, and the two commands that print them."""

import json
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.command import called, command, refused
from theory.automata.formats import from_json
from theory.automata.serial import serial
from theory.language.domains import make_training, short_operand
from theory.language.expressions import evaluate, parse
from theory.language.tasks import CATALOGUE, make_task, needs_modulus
from theory.proofs import task_verdicts
from theory.proofs.classes import binomial_coefficients, class_forms, vanishes
from theory.proofs.properties import Property
from theory.proofs.properties import identifiability as closed_identifiability
from theory.proofs.property_report import Row, all_properties, properties_text
from theory.proofs.task_verdicts import (
    Divides,
    LowDigits,
    NeverWraps,
    NotScaled,
    PrimeFactor,
    Wraps,
    Zero,
    compatibility,
    identifiability,
    shift_equivariance,
    shift_gap,
    support,
)
from theory.proofs.testsets import Undecided, nonzero_point, period

FOUR = make_training("either", "4")
NAMES = [
    "shift equivariant", "finite machine, least significant first", "finite machine, most significant first", "delay",
    "translation invariant", "every base", "base compatible", "low support", "identifiable", "multiplicative order", "I/O memory",
    "aperiodic", "R-trivial", "section bound",
]  # fmt: skip

# one letter per property in the order of NAMES: T true, F false, ? undecided, - does not apply
TRUTH = [
    ("add", None, 10, "TTFTTT-F--TTFT"),
    ("add", None, 2, "TTFTTT-F--TTFT"),
    ("mul", None, 10, "FFF-F--F-----T"),
    ("mod-add", 100, 10, "FTFTF-TTTFTTTT"),
    ("mod-add", 4, 10, "FTFTF-TTTFTTTT"),
    ("mod-add", 101, 10, "FFF-F-FFTT-FFT"),
    ("mod-add", 9, 3, "FTFTF-TTTFTTTT"),
    ("mod-mul", 101, 10, "FFF-F-FFTT---T"),
    ("mod-mul", 4, 10, "FTFTF-TTTFTTTT"),
    ("mod-sub", 100, 10, "FTFTF-TTTFTTTT"),
    ("mod-sub", 150, 10, "FFF-F-FFTF-FFT"),
    ("mod", 10**6, 10, "FTFTF-TTFFTTTT"),
    ("absdiff", None, 10, "TFF-F--F-----T"),
    ("copy", None, 10, "TTTTTT-F--TTTT"),
    ("successor", None, 10, "FTFTF--F--TTTT"),
    ("double", None, 10, "TTTTTT-F--TTFT"),
    ("seven", None, 10, "TTFTTT-F--TTFT"),
    ("dozen", None, 12, "TTTTTT-F--TTFT"),
    ("weighted", None, 7, "TTFTTT-F--TTFT"),
    ("square", None, 10, "FFF-F--F-----T"),
    ("halve", None, 10, "FTTTT--F--TTFT"),
    ("third", None, 10, "FFTTT--F--TFFT"),
    ("third", None, 3, "FTTTT--F--TTTT"),
    ("seventh", None, 10, "FFTTT--F--TFFT"),
    ("parity", None, 10, "FTFTF-TTTFTTTT"),
    ("max", None, 10, "TFTTF--F--FTTT"),
    ("min", None, 3, "TFTTF--F--FTTT"),
    ("less", None, 10, "FFF-F--F-----T"),
    ("equal", None, 10, "FFF-F--F-----T"),
    ("digit-sum", None, 10, "FFF-F--F-----T"),
    ("digit-sum-mod", 3, 10, "FFF-F-FFTT---T"),
    ("reversal", None, 10, "FFF-F--F-----T"),
    ("a - b", None, 10, "T???" + "?T-F--???T"),
    ("a + b + 5", None, 10, "FTFTF--F--TTFT"),
    ("(a // 2 + b) % 4", None, 10, "F?F?F-TTTF???T"),
    ("a // 2 + b // 2", None, 10, "F?F??--F--???T"),
]


@cache
def rows_of(name: str, modulus: int | None, base: int) -> dict[str, Row]:
    asked = make_task(name, None, base, modulus) if name in CATALOGUE else make_task(None, name, base)
    return {row.name: row for row in all_properties(asked, FOUR)}


def letter(row: Row) -> str:
    return {True: "T", False: "F", None: "?" if row.applies else "-"}[row.verdict.value]


@pytest.mark.parametrize(("name", "modulus", "base", "truth"), TRUTH)
def test_known_truth(name, modulus, base, truth):
    rows = rows_of(name, modulus, base)
    assert list(rows) == NAMES
    assert {name: letter(row) for name, row in rows.items()} == dict(zip(NAMES, truth, strict=True))
    for row in rows.values():
        assert row.rechecked is (None if row.verdict.value is None else True)
        assert (row.how == "-") == (row.verdict.value is None) or "limit" in row.how
        assert "\n" not in row.verdict.certificate
        assert len(row.verdict.certificate) > 5


def test_every_catalogue_task_is_decided():
    """In every direction, and nowhere `unknown`."""
    for name in CATALOGUE:
        for row in rows_of(name, 7 if needs_modulus(name) else None, 10).values():
            assert row.verdict.value is not None or not row.applies, (name, row)


@pytest.mark.parametrize(
    ("name", "modulus", "row", "number"),
    [
        ("mod-add", 4, "delay", 1), ("hundredfold", None, "delay", 0), ("halve", None, "delay", 0), ("mod-add", 1000, "base compatible", 3),
        ("mod-add", 1000, "low support", 3), ("mod-add", 101, "multiplicative order", 4), ("mod-add", 9, "multiplicative order", 1),
        ("mod-add", 11, "multiplicative order", 2), ("add", None, "I/O memory", 1), ("dozen", None, "I/O memory", 2),
        ("add", None, "section bound", 2), ("mul", None, "section bound", 100), ("third", None, "aperiodic", 3),
    ],
)  # fmt: skip
def test_numbers(name, modulus, row, number):
    assert rows_of(name, modulus, 10)[row].verdict.digits == number


def test_a_certificate_that_fails_is_shown(monkeypatch):
    """A planted error: the machine of addition belongs to another task."""
    add, other = make_task("add"), serial(make_task(None, "a + b + 1"), "lsd")
    wrong = replace(other.verdict.proof.proofs[0], task=add)
    planted = replace(other, verdict=replace(other.verdict, proof=wrong))
    module = "theory.proofs.property_report"
    monkeypatch.setattr(f"{module}.serial", lambda task, direction: planted if direction == "lsd" else serial(task, direction))
    rows = {row.name: row for row in all_properties(add, FOUR)}
    assert rows["finite machine, least significant first"].rechecked is False
    assert rows["delay"].rechecked is False
    assert "FAILED" in properties_text(add, FOUR, tuple(rows.values()))
    done = called("theory", "properties")
    assert done.code == 1
    assert "FAILED" in done.out


# ----------------------------------------------------------------------------------------------------------- properties of tasks


@pytest.mark.parametrize("train", [("either", "2"), ("both", "1-3"), ("sampler", "1,2"), ("by-1", "2"), ("by-2", "3")])
@pytest.mark.parametrize(
    "text", ["(a + b) % 19", "(a + b) % 109", "(a + b) % 199", "a * b % 99", "(a - b) % 50", "(a + 7) % 8", "digitsum(a) % 19"]
)
def test_identifiability_against_the_whole_domain(text, train):
    asked, training = make_task(None, text), make_training(*train)
    longest = training.longest, min(training.longest, short_operand(training.domain) or training.longest)
    pairs = product(*(range(0, 10**digits, 1 if digits < 3 else 37) for digits in longest))
    wrapped = any(evaluate(asked.inner, a, b) != asked(a, b) for a, b in pairs)
    verdict, _ = identifiability(asked, training)
    assert verdict.value is not None
    assert verdict.proof.check()
    assert verdict.value or not wrapped
    closed = closed_identifiability(asked, training.longest, training.domain).value
    assert closed is None or verdict.value is closed


class_texts = st.builds(
    "{}*a{}//{}+{}*(b{}%{})*a-(a*b+{})%{}".format,
    st.integers(0, 6), st.sampled_from(["", "//2", "%6", "+7"]), st.integers(1, 6), st.integers(0, 3), st.sampled_from(["", "+1", "//3"]),
    *[st.integers(1, 6)] * 3,
)  # fmt: skip


@settings(deadline=None)
@given(class_texts, st.integers(0, 200), st.integers(0, 200))
def test_polynomials_on_residue_classes_are_the_function(text, a, b):
    expression = parse(text)
    forms, (d_a, d_b) = class_forms(expression), period(expression)
    assume(forms is not None)
    (u, r), (v, s) = divmod(a, d_a), divmod(b, d_b)
    assert sum(int(c[r, s]) * u**i * v**j for (i, j), c in forms.items()) == evaluate(expression, a, b)


@settings(deadline=None, max_examples=40)
@given(class_texts)
def test_two_ways_to_prove_a_function_zero_agree(text):
    gap = parse(f"({text}) - ({text.replace('b', 'b%997')})") if len(text) % 2 else parse(f"({text}) - ({text})")
    try:
        zero = nonzero_point(gap) is None
    except Undecided:
        return
    assert vanishes(gap) is zero


@given(st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 3)), st.integers(-30, 30), max_size=4), st.integers(1, 30))
def test_a_polynomial_is_zero_mod_p_iff_its_binomial_coefficients_are(terms, p):
    values = (sum(c * a**i * b**j for (i, j), c in terms.items()) % p for a, b in product(range(p), repeat=2))
    assert all(c % p == 0 for c in binomial_coefficients(terms).values()) is not any(values)


def test_checks_do_not_repeat_the_decision(monkeypatch):
    """Where the decision procedure finds no counterexample to anything, the checks still do."""
    monkeypatch.setattr(task_verdicts, "nonzero_point", lambda expression: None)
    monkeypatch.setattr(task_verdicts, "shift_witness", lambda expression, shift: None)
    monkeypatch.setattr(task_verdicts, "inside", lambda inner, largest, p: True)
    assert shift_equivariance(make_task("mul"))[0].proof.check() is False
    assert identifiability(make_task("mod-add", None, 10, 100), FOUR)[0].proof.check() is False
    monkeypatch.setattr(task_verdicts, "low_support", lambda task: Property(True, "planted", 1))
    assert support(make_task("mod-add", None, 10, 100))[0].proof.check() is False


def test_proofs_of_something_else_do_not_check():
    add, hundred, prime = make_task("add"), make_task("mod-add", None, 10, 100), make_task("mod-add", None, 10, 101)
    assert not Zero(shift_gap(make_task("mul"))).check()
    for text in ("a*b%7", "a//3", "a//10", "(a + b) % 100", "a + 1", "a*a*a % 30", "max(a % 7, b % 5)"):
        assert not Zero(shift_gap(make_task(expr=text))).check()
    assert not NotScaled(add, 1, 1).check()
    assert not Divides(100, 10, 1).check()
    assert not Divides(100, 10, 3).check()  # 2 are enough
    assert not Divides(101, 10, 4).check()
    assert not PrimeFactor(100, 10, 1).check()
    assert not PrimeFactor(101, 10, 3).check()
    assert not PrimeFactor(150, 10, 15).check()
    low = support(hundred)[0].proof
    assert low.check()
    assert not replace(low, digits=1).check()
    assert not replace(low, digits=3).check()
    assert not replace(low, fewer=None).check()
    assert not LowDigits(prime, 7, ("a", 0, 0)).check()
    assert not replace(support(prime)[0].proof, task=hundred).check()
    assert not replace(support(prime)[0].proof, digits=0, task=hundred, witness=("a", 0, 0)).check()
    pair = identifiability(hundred, FOUR)[0].proof
    assert isinstance(pair, Wraps)
    assert not replace(pair, training=make_training("either", "3")).check()  # not in the domain
    assert not replace(pair, a=0, b=0).check()
    assert not replace(pair, a=9999, b=10000).check()
    assert not LowDigits(make_task(expr="a//4 % 25"), 1, ("a", 0, 0)).check()  # two digits
    assert LowDigits(make_task(expr="a//4 % 25"), 2, ("a", 0, 0)).check()
    assert not LowDigits(make_task(expr="a//4 % 25"), 3, ("a", 0, 0)).check()
    assert not NeverWraps(hundred, FOUR).check()
    seven = make_training("either", "7")
    wraps = {"(a + b) % 19999999": True, "(a + b) % 19999998": False, "(a - a // 10) % 9000001": True, "(a - b) % 99999999": False}
    for text, holds in wraps.items():
        assert NeverWraps(make_task(expr=text), seven).check() is holds  # by classes: too many pairs
        assert NeverWraps(make_task(expr=text), make_training("either", "2")).check() is ("-" not in text or "//" in text)
    assert not NeverWraps(add, FOUR).check()
    assert not replace(shift_equivariance(make_task("mul"))[0].proof, task=add).check()
    assert not replace(compatibility(hundred)[0].proof, p=101).check()


# --------------------------------------------------------------------------------------------------------------------- commands


def test_properties_json():
    found = json.loads(called("theory", "properties", "--task", "mod-add", "--modulus", "101", "--train", "1-3", "--json").out)
    assert found["task"] == {"name": "mod-add", "expression": "(a + b) % 101", "base": 10, "modulus": 101}
    assert found["train"] == {"domain": "either", "lengths": [1, 2, 3]}
    assert [row["property"] for row in found["properties"]] == NAMES
    order = next(row for row in found["properties"] if row["property"] == "multiplicative order")
    assert (order["verdict"], order["number"], order["how"], order["rechecked"]) == (True, 4, "arithmetic", True)


def test_machine_in_every_format():
    text = called("theory", "machine").out
    for part in ("states: 2, minimal", "delay: 0", "transition monoid: 3", "aperiodic: yes", "R-trivial: no", "checked again: yes"):
        assert part in text
    assert "0 -> 1: 10-18 / 0-8" in text
    assert called("theory", "machine", "--format", "dot").out.startswith("digraph machine {")
    assert "flowchart LR" in called("theory", "machine", "--format", "mermaid").out
    third = from_json(called("theory", "machine", "--task", "third", "--direction", "msd", "--format", "json").out)
    assert third.run(1000, 0, 4) == 333
    summary = json.loads(called("theory", "machine", "--task", "mod-add", "--modulus", "4", "--json").out)
    assert (summary["exists"], summary["states"], summary["delay"], summary["rechecked"]) == (True, 6, 1, True)
    assert summary["properties"]["aperiodic"]["verdict"] is True


def test_where_there_is_no_machine_the_reason_is_given():
    out = called("theory", "machine", "--task", "mul").out
    assert "no finite machine" in out
    assert "section bound: exactly 100 different rests after 1 digit pair (Myhill-Nerode; checked again: yes)" in out
    assert "--direction msd" in called("theory", "machine", "--task", "third").out
    summary = json.loads(called("theory", "machine", "--task", "mul", "--json").out)
    assert (summary["exists"], summary["sections"]["count"], summary["sections"]["rechecked"]) == (False, 100, True)


HUGE = "1" + "0" * 30


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("machine --direction up", "up"),
        ("machine --format xml", "xml"),
        ("machine --task mul --format dot", "--format text says why"),
        ("machine --expr a-b", "negative"),
        ("machine --expr a//2+b//2", "outside the class"),
        (f"machine --expr a//{HUGE}", "60000 cells"),
        (f"machine --expr a+{HUGE}*b", "60000 cells"),
        ("machine --task add --base 1000", "60000 cells"),
        ("machine --task mod-add --modulus 10000000000000000000000000000000000000000000000 --format dot", "60"),
        ("machine --task divide", "divide"),
        ("properties --task divide", "divide"),
        ("properties --train 0", "1 to 1000"),
        ("properties --train-domain all", "all"),
        ("properties --base 1", "base 1"),
        ("properties --task mod-add", "--modulus"),
        ("properties --expr a%0", "positive"),
    ],
)
def test_bad_input(line, part):
    refused(called("theory", *line.split(" ")), part)


@pytest.mark.parametrize("line", [f"properties --task mod-mul --modulus {HUGE}", f"properties --task mod-add --modulus {HUGE}7"])
def test_a_huge_modulus_is_answered_with_its_limits(line):
    done = command("theory", *line.split(" "))
    assert done.code == 0
    assert done.seconds < 10
    assert "up to 10^18" in done.out
    assert "FAILED" not in done.out


@pytest.mark.parametrize("name", ["properties", "machine"])
def test_commands_are_quick(name):
    runs = [command("theory", name) for _ in range(3)]
    assert min(done.seconds for done in runs) < 2
    assert not {"torch", "sympy", "matplotlib"} & runs[0].modules
    assert ("z3" in runs[0].modules) is (name == "properties")

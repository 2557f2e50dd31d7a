"""Arguments, advice and tables: readable LaTeX and Markdown, exports that agree, an order that puts what works first."""

from __future__ import annotations

import csv
import io
import json
import re
from fractions import Fraction
from itertools import pairwise
from math import exp, log
from typing import Any

import pytest

from tests.command import ROOT, called, command
from tests.test_predict import CASES, predicted
from theory.language.domains import make_training
from theory.language.encodings import ENCODINGS, FAMILIES
from theory.language.expressions import parse
from theory.language.layouts import LAYOUTS, make_layout
from theory.language.tasks import CATALOGUE, make_task
from theory.local.alignment import ROLES
from theory.local.inputs import local_machine
from theory.local.windows import smallest_window
from theory.predictions.explain import explain, markdown, to_latex
from theory.predictions.matrix import ADVISED, FORMATS, RANK, ROOM, STATUS, Cell, advise, cells, chosen_tasks, write, write_advice
from theory.predictions.predict import coverage
from theory.predictions.rulebook import ASSUMPTIONS, RULES
from theory.predictions.rules import dilution

# ------------------------------------------------------------------------------------------------------------------------- LaTeX

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
TEXT = {"begin", "end", "item", "textbf", "textless", "textgreater", "textbackslash", "textbar", "textasciitilde", "textasciicircum"}
MATH = {
    "left", "right", "lfloor", "rfloor", "frac", "bmod", "cdot", "operatorname", "min", "max", "le", "ne", "hat", "Pr", "to", "infty",
    "quad", "Delta",
}  # fmt: skip


def check_latex(text: str) -> None:
    """Braces, environments, formulas and \\left ... \\right are paired; text has no character that LaTeX takes for something else."""
    braces: list[str] = []
    environments: list[str] = []
    formula, open_left = False, 0
    tokens = TOKEN.findall(text)
    for at, token in enumerate(tokens):
        if token == r"\(":
            assert not formula
            formula = True
        elif token == r"\)":
            assert formula
            assert open_left == 0, "\\left without \\right"
            formula = False
        elif token in ("{", "}"):
            if token == "{":
                braces.append(tokens[at - 1])
            else:
                assert braces, "a brace is closed that was not opened"
                braces.pop()
        elif re.fullmatch(r"\\[A-Za-z]+", token):
            name = token[1:]
            assert name in (MATH if formula else TEXT), token
            open_left += {"left": 1, "right": -1}.get(name, 0)
            assert open_left >= 0
            if name in ("begin", "end"):
                environment = "".join(tokens[at + 2 : tokens.index("}", at)])
                if name == "begin":
                    environments.append(environment)
                else:
                    assert environments.pop() == environment
        elif token.startswith("\\"):
            assert token[1] in "%&#_{}$", token
            assert not (formula and token[1] in "%&#_$"), token
        elif formula:
            assert token not in "%&#$~", token
        else:
            assert token not in "%&#_^~$<>|\\", (token, text)
    assert not braces
    assert not environments
    assert not formula


def test_the_checker_finds_what_latex_would() -> None:
    for wrong in ("50 %", r"\(a", r"{", "}", r"c_0", r"\(\left( a \)", r"\begin{a}\end{b}", r"\unknown", r"a < b", r"\(50 \% \)"):
        with pytest.raises((AssertionError, IndexError)):
            check_latex(wrong)
    check_latex(r"50 \% \(\left( a_{i} \right)\)")


@pytest.mark.parametrize(("expr", "pe", "more"), [case[:3] for case in CASES])
def test_every_argument_is_latex_and_markdown(expr: str, pe: str, more: dict[str, Any]) -> None:
    found = predicted(expr, pe, **more)
    check_latex(explain(found, "latex"))
    lines = explain(found, "markdown").splitlines()
    for number, line in enumerate(lines, 1):
        text, *formulas = re.split(r"(?<!\\)\$", line)
        assert len(formulas) in (0, 2)
        assert re.fullmatch(rf"{number}\. \*\*[^*]+\*\* (?:[^*_<>`$|\\]|\\[\\`*_<>|$])+", text), text
    plain = explain(found, "text").splitlines()
    assert len(plain) == len(lines)
    assert plain[-1].endswith(found.rule.refuted_by)


@pytest.mark.parametrize(
    ("expr", "latex"),
    [
        ("a * (b + 1)", r"a \cdot \left(b + 1\right)"),
        ("a - (b - 1)", r"a - \left(b - 1\right)"),
        ("(a + b) % 7 * 2", r"\left(\left(a + b\right) \bmod 7\right) \cdot 2"),
        ("a // 3 + 1", r"\left\lfloor \frac{a}{3} \right\rfloor + 1"),
        ("abs(a - b)", r"\left|a - b\right|"),
        ("max(a, digitsum(b))", r"\max\left(a, \operatorname{digitsum}\left(b\right)\right)"),
        ("a <= b", r"\left[a \le b\right]"),
    ],
)
def test_formulas(expr: str, latex: str) -> None:
    assert to_latex(parse(expr)) == latex
    check_latex(rf"\({latex}\)")


def test_every_status_is_named() -> None:
    """Properties and windows are proven or undecided, assumptions hypotheses, and the conclusion has the rule's status."""
    for expr, pe, more, *_ in CASES:
        found = predicted(expr, pe, **more)
        for line in explain(found, "text").splitlines():
            _, title, text = re.split(r"\. |: ", line, maxsplit=2)
            if title in ("Translation invariant", "Base compatible", "Low digits suffice", "Smallest window"):
                assert text.endswith("(proven)") or text.startswith("unknown")
            if title.startswith("Assumption"):
                assert text.endswith("(hypothesis)")
            if title == "Conclusion":
                assert text.endswith(f"({found.rule.status})")


def test_every_rule_names_what_it_rests_on() -> None:
    for name, rule in RULES.items():
        assert rule.status in STATUS
        assert set(rule.assumptions) <= set(ASSUMPTIONS)
        silent = rule.outcome == "undetermined" and name != "window half enough"  # there no word fits, but the accuracy is counted
        assert silent == (rule.refuted_by == "nothing, as nothing is said"), name
        assert rule.refuted_by
        assert rule.status != "conditional" or rule.assumptions
    assert {name for rule in RULES.values() for name in rule.assumptions} == set(ASSUMPTIONS)


def test_markdown_shows_what_is_written() -> None:
    assert markdown("<bos> a*b | c_0") == r"\<bos\> a\*b \| c\_0"


# ---------------------------------------------------------------------------------------------------------- dilution and windows


def test_dilution() -> None:
    """The logits named leave 99 % of the weight, and unbounded attention is said to dilute, a window is not."""
    read = len(ROLES)
    for name in ("add", "mul", "digit-sum"):
        task = make_task(name)
        text = dilution(task, 3, 6, make_layout("plain", 1))
        numbers = re.findall(r"(\d+) at length \d+ \(99 % of its weight takes logits ([\d.]+)", text)
        stated = [(int(number), float(apart)) for number, apart in numbers]
        assert [number for number, _ in stated] == [2 * m + task.result_width(m) - 1 for m in (3, 6)]
        for number, apart in stated:
            assert apart == round(log(99 * (number - read) / read), 1)
            assert abs(read * exp(apart) / (read * exp(apart) + number - read) - 0.99) < 0.001
    for pe, window in (("relative", None), ("abacus", None), ("window", 4)):
        found = predicted("a + b", pe, "interleaved" if pe != "abacus" else "padded", window=window)
        diluted = [reason for reason in found.reasons if "dilution" in reason]
        assert bool(diluted) == ("A4" in found.rule.assumptions) == (pe != "window")
        assert found.rule.status == ("hypothesis" if diluted else "conditional")


@pytest.mark.parametrize("expr", ["a + b", "3*a + b", "12*a", "b", "0*a", "a + b + 5", "a // 7", "a // 11", "2*a + 3*b"])
def test_the_smallest_window_is_stated(expr: str) -> None:
    task = make_task(None, expr)
    found = predicted(expr, "absolute")
    direction, window = coverage(task, found.layout, "either")
    machine = local_machine(task, direction)
    assert machine is not None
    assert window.digits == smallest_window(machine) == found.window.digits
    said = f"{window.digits} tokens before the query hold the I/O memory"
    assert said in called("theory", "predict", "--expr", expr).out
    assert said in explain(found, "text")
    end = "least" if direction == "lsd" else "most"
    stated = f"smallest window, interleaved, {end} significant digit first: {window.digits} tokens"
    assert stated in called("theory", "advise", "--expr", expr).out
    assert "smallest window" not in called("theory", "predict", "--expr", "a*b").out


# ------------------------------------------------------------------------------------------------------------- advice and tables


@pytest.mark.parametrize("expr", ["a + b", "(a + b) % 100", "(a + b) % 150", "a * b", "a // 7", "max(a, b)", "digitsum(a)"])
def test_advice_is_ordered_and_complete(expr: str) -> None:
    found = advise(make_task(None, expr), make_training("either", "4"))
    places = {"interleaved", "interleaved msd", *LAYOUTS} - {"unary"} | ({"unary", "unary msd"} if "b" not in expr else set())
    names = {(cell.encoding.split()[0], cell.layout) for cell in found}
    assert names == {(family, layout) for family in ADVISED for layout in places}
    assert len(found) == len(names)
    ranks = [RANK.index(cell.upward) for cell in found]
    assert ranks == sorted(ranks)
    for before, after in pairwise(found):
        if before.upward == after.upward:
            founded = [STATUS.index(cell.status) for cell in (before, after)]
            assert founded == sorted(founded, reverse=before.upward == "fails")
            if (before.status, before.in_distribution) == (after.status, after.in_distribution):
                assert Fraction(before.accuracy or 0) >= Fraction(after.accuracy or 0)


@pytest.mark.parametrize(
    ("expr", "first", "layout", "rule"),
    [
        ("12*a", "window 7", "interleaved", "window holds the rule"),
        ("a // 11", "window 7", "interleaved msd", "window holds the rule"),
        ("(a + b) % 100", "positional", "padded", "low digits suffice"),
        ("a * b", "none", "padded", "no positions"),  # nothing is known to work
    ],
)
def test_what_is_advised(expr: str, first: str, layout: str, rule: str) -> None:
    cell = advise(make_task(None, expr), make_training("either", "4"))[0]
    assert (cell.encoding, cell.layout, cell.rule) == (first, layout, rule)


def test_advice_does_not_pass_online_addition_off_as_the_papers() -> None:
    task = make_task("add")
    found = advise(task, make_training("either", "4"))
    for form in ("text", "markdown"):
        assert "another problem than a question and then its answer" in write_advice(task, found, form)
    assert len(json.loads(write_advice(task, found, "json"))) == len(found)


@pytest.fixture(scope="module")
def few() -> list[Cell]:
    tasks = [make_task(None, expr) for expr in ("a < b", "a * b", "a // 7")]
    return list(cells(tasks, FAMILIES, list(LAYOUTS), make_training("either", "3")))


def test_cells_are_predictions(few: list[Cell]) -> None:
    assert len(few) == len(FAMILIES) * (3 * len(LAYOUTS) - 2)  # the unary layout shows a // 7 alone
    for cell in few:
        family, *window = cell.encoding.split()
        width = 4 + ROOM if family in ("banded", "relative") else None
        found = predicted(cell.task, family, cell.layout, train="3", lengths=(3, 4), window=int(window[0]) if window else None, width=width)
        assert (cell.in_distribution, cell.upward) == (found.outcome.in_distribution, found.outcome.upward)
        assert (cell.rule, cell.status, cell.refuted_by) == (found.rule_name, found.rule.status, found.rule.refuted_by)
        assert (cell.reason, cell.learned_function) == (found.reasons[0], found.learned_function)
        assert cell.accuracy == (None if found.accuracy[1].exact is None else str(found.accuracy[1].exact))


def test_all_exports_hold_the_same(few: list[Cell]) -> None:
    assert set(FORMATS) == {"text", "markdown", "csv", "json"}
    data = json.loads(write(few, "json"))
    rows = list(csv.DictReader(io.StringIO(write(few, "csv"))))
    assert [{key: value or None for key, value in row.items()} for row in rows] == [{k: v or None for k, v in row.items()} for row in data]
    lines = write(few, "markdown").splitlines()
    split = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert {len(row) for row in split} == {8}
    assert [row[3] for row in split[2:]] == [row["upward"] for row in data]
    assert [row[0] for row in split[2:]] == [markdown(row["task"]) for row in data]
    assert len(write(few, "text").splitlines()) == len(few) + 1


def test_the_whole_catalogue_is_quick() -> None:
    """25 tasks and more, 6 encodings, 5 layouts, in less than 20 s; every row says what it rests on."""
    encodings, layouts = ",".join(FAMILIES), ",".join(LAYOUTS)
    done = command("theory", "table", "--tasks", "catalogue", "--pe", encodings, "--layout", layouts, "--json")
    assert done.code == 0
    assert done.seconds < 20
    rows = json.loads(done.out)
    tasks = chosen_tasks(["catalogue"], 10, None)
    assert len(tasks) >= 25
    assert len(rows) == len(FAMILIES) * sum(make_layout(name, 1).shows(task) for name in LAYOUTS for task in tasks)
    for row in rows:
        assert row["rule"] in RULES
        assert row["status"] in STATUS
        assert row["reason"]
        assert row["refuted_by"]
        assert row["upward"] in RANK
    assert len(chosen_tasks(["catalogue"], 10, 101)) == len(CATALOGUE)


def test_names_of_every_family() -> None:
    assert set(ENCODINGS.values()) == set(FAMILIES)
    for name in ("randomised", "randomized", "random-subset", "randomised-rope"):
        assert ENCODINGS[name] == "randomised"
        assert predicted("a * b", name).rule_name == "order without a rule"


def test_the_table_of_assumptions_is_that_of_the_code() -> None:
    """theory/README.md says of each what came of it."""
    text = (ROOT / "theory" / "README.md").read_text()
    assert re.findall(r"^\| (A\d+) \| .+ \| .+ \|$", text, re.MULTILINE) == list(ASSUMPTIONS)

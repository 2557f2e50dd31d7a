"""arith-theory as a user runs it: what it prints, how fast, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from tests.command import ROOT, called, command, refused
from theory.progress import watched

BAD = [
    ("predict --task divide", "divide"),
    ("predict --pe sideways", "sideways"),
    ("predict --layout diagonal", "diagonal"),
    ("predict --task mod-add", "--modulus"),
    ("predict --task mod-add --modulus 1", "modulus 1"),
    ("predict --modulus 7", "--modulus"),
    ("predict --base 1", "base 1"),
    ("predict --base ten", "--base"),
    ("predict --lengths 3-1", "reversed"),
    ("predict --lengths 0", "1 to 1000"),
    ("predict --lengths=", "lengths ''"),
    ("predict --train x", "'x'"),
    ("predict --train-domain all", "all"),
    ("predict --domain all", "all"),
    ("predict --width 3", "width 3"),
    ("predict --width 0", "width 0"),
    ("predict --width -1", "width -1"),
    ("predict --width 1001", "width above 1000"),
    ("predict --width 1" + "0" * 3000, "width above 1000"),
    ("predict --lengths -1", "lengths '-1'"),
    ("predict --lengths 1-1001", "1 to 1000"),
    ("predict --train 0", "1 to 1000"),
    ("predict --train -4", "lengths '-4'"),
    ("predict --base -10", "base -10"),
    ("predict --pe window", "--window"),
    ("predict --pe window --window 0", "--window"),
    ("predict --window 4", "--window"),
    ("predict --layers 0", "layers 0"),
    ("predict --layout padded --direction msd", "msd"),
    ("predict --task add --expr a+b", "not both"),
    ("predict --expr a-b", "negative"),
    ("predict --expr __import__('os').getcwd()", "not allowed"),
    ("predict --expr 9**9**9**9", "power"),
    ("predict --expr a%0", "positive"),
    ("predict --expr a//0", "positive"),
    ("predict --expr a%-5", "positive"),
    ("predict --expr a%(3-3)", "positive"),
    ("predict --expr a//b", "positive"),
    ("predict --expr a#b", "after #"),
    ("predict --expr gcd(a,b)", "a call"),
    ("predict --task mod-add --modulus 0", "modulus 0"),
    ("predict --task mod-mul --modulus -7", "modulus -7"),
    ("predict --task mod-add --modulus 1" + "0" * 1001, "1000 digits"),
    ("predict --nonsense", "--nonsense"),
    ("accuracy --task add --expr a", "not both"),
    ("graph --format svgz", "svgz"),
    ("graph --format png", "--out"),
    ("graph --format svg", "--out"),
    ("graph --tasks add;divide", "divide"),
    ("graph --tasks add;mul --modulus 101", "--modulus"),
    ("graph --tasks add;mod-add", "--modulus"),
    ("graph --tasks add;mul --expr a", "leave out"),
    ("graph --tasks add; --digits 2", "expression ''"),
    ("graph --tasks less;mul --digits 100", "take fewer digits"),
    ("graph --expr a-b --format text", "negative"),
    ("graph --format svg --digits 60 --out a.svg", "too wide"),
    ("graph --format svg --digits 2 --out missing/a.svg", "cannot write missing/a.svg"),
    ("graph --digits 0", "digits"),
    ("graph --digits -1", "digits"),
    ("graph --expr a-b", "negative"),
    ("graph --expr a//0", "positive"),
    ("graph --digits 500", "at most 100"),
    ("graph --out missing/graph.dot --format dot", "cannot write missing/graph.dot"),
    ("predict --expr=", "expression ''"),
    ("predict --train 101 --lengths 3", "trained length 101"),
    ("predict --base 1000000 --lengths 1-1000", "too long"),
    ("predict --task mod-mul --modulus 9973 --lengths 1-1000", "ask for at most 30"),
    ("table --format xml", "xml"),
    ("table --tasks divide", "not allowed"),
    ("table --pe absolute,sideways", "sideways"),
    ("table --tasks a//0", "positive"),
    ("table --tasks add;;mul", "expression ''"),
    ("table --train 0", "1 to 1000"),
    ("table --base 1", "base 1"),
    ("advise --format xml", "xml"),
    ("advise --expr a-b", "negative"),
    ("advise --expr a%0", "positive"),
    ("advise --train 101", "trained length 101"),
    ("explain --format html", "html"),
    ("predict --machine missing.json", "cannot read missing.json"),
    ("predict --machine .", "cannot read ."),
    ("advise --machine missing.json --task add", "--machine gives the whole task"),
    ("explain --machine missing.json --modulus 7", "--machine gives the whole task"),
    ("accuracy --machine missing.json --expr a", "--machine gives the whole task"),
    ("table --tasks missing.json", "cannot read missing.json"),
    ("table --tasks add --modulus 7", "--modulus 7"),
    ("table --modulus 7", "--modulus"),
    ("table --tasks mod-add", "--modulus"),
    ("nonsense", "nonsense"),
    ("predict --base", "--base"),
    ("predict extra", "extra"),
]


@pytest.mark.parametrize(("line", "part"), BAD)
def test_bad_input(line: str, part: str, tmp_path: Path) -> None:
    refused(called("theory", *line.split(" "), cwd=tmp_path), part)
    assert list(tmp_path.iterdir()) == []


def test_predict_json() -> None:
    done = command("theory", "predict", "--task", "mod-add", "--modulus", "150", "--json")
    found = json.loads(done.out)
    assert found["task"] == {"name": "mod-add", "expression": "(a + b) % 150", "base": 10, "modulus": 150}
    assert (found["encoding"], found["layout"], found["train"]) == ("absolute", "padded", {"domain": "either", "lengths": [4]})
    assert set(found["properties"]) == {"translation_invariant", "base_compatible", "compatible_digits", "low_support"}
    assert found["outcome"] == {"in_distribution": "exact", "downward": "exact", "upward": "truncation"}
    assert found["learned_function"] == "(a % 10000 + b % 10000) % 150"
    assert [row["length"] for row in found["accuracy"]] == list(range(1, 10))
    assert found["accuracy"][4] == {"length": 5, "region": "upward", "exact": "1/3", "value": 1 / 3}
    assert found["paper"]["outcome"] == {"in_distribution": "exact", "downward": "exact", "upward": "truncation"}
    assert {"status", "assumptions", "reasons", "rule", "refuted_by"} <= set(found)


def test_predict_is_quick_and_imports_nothing_heavy() -> None:
    runs = [command("theory", "predict", "--task", "mul", "--pe", "relative") for _ in range(3)]
    assert min(done.seconds for done in runs) < 0.7
    assert not {"torch", "sympy", "networkx", "numpy", "scipy", "z3"} & runs[0].modules


def test_predict_names_what_differs_from_the_paper() -> None:
    out = called("theory", "predict", "--pe", "relative").out
    assert out.splitlines()[1].startswith("upward: decays")
    assert "the paper says exact" in out


def test_accuracy_json() -> None:
    found = json.loads(called("theory", "accuracy", "--task", "mul", "--lengths", "4-6,100", "--json").out)
    assert [Fraction(row["exact"]) for row in found["accuracy"]] == [1, Fraction(1, 55000), Fraction(1, 550000), Fraction(2, 11 * 10**99)]


def test_graph_in_every_format(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert called("theory", "graph", "--digits", "2").out.startswith(("graph", "flowchart"))
    assert called("theory", "graph", "--digits", "2", "--format", "dot").out.startswith("digraph")
    assert json.loads(called("theory", "graph", "--digits", "2", "--format", "json").out)["nodes"]
    assert called("theory", "graph", "--digits", "2", "--format", "png", "--out", "add.png", cwd=tmp_path).code == 0
    assert (tmp_path / "add.png").read_bytes().startswith(b"\x89PNG")
    story = "graph --tasks add;mul;mod-add --modulus 101 --digits 2 --format svg --out story.svg"
    assert called("theory", *story.split(), cwd=tmp_path).code == 0
    assert "</svg>" in (tmp_path / "story.svg").read_text()


def test_graph_json_and_text_carry_rule_and_fingerprints() -> None:
    found = json.loads(called("theory", "graph", "--task", "third", "--digits", "3", "--json").out)["graph"]
    assert found["rule"]["lines"][:2] == ["c_i <- a_i, carry_i", "carry_{i-1} <- a_i, carry_i"]
    assert found["rule"]["status"] == "proven"
    assert found["direction"] == "msd"
    assert [cut["count"] for cut in found["fingerprints"]["sections_per_cut"]] == [1, 3, 3, 3]
    assert "rule for all lengths (proven)" in called("theory", "graph", "--digits", "2", "--format", "text").out


@pytest.mark.parametrize(("form", "first"), [("text", "task "), ("markdown", "| task"), ("csv", "task,"), ("json", "[")])
def test_table_and_advise(form: str, first: str) -> None:
    for name in ("table", "advise"):
        assert called("theory", name, "--format", form).out.startswith(first)


def test_advise_puts_what_works_first() -> None:
    first = json.loads(called("theory", "advise", "--expr", "3*a + b", "--json").out)[0]
    assert (first["encoding"], first["layout"], first["upward"]) == ("window 4", "interleaved", "exact")


@pytest.mark.parametrize(
    "line",
    [
        "predict --base 1000000",
        "predict --lengths 1-1000",
        "predict --train 1-100 --lengths 1-200",
        "predict --base 1000000 --task mul --lengths 1-300",
        "accuracy --expr digitsum(a)%300 --base 100000 --lengths 100",
        "predict --expr 19000*a+78*b --pe window --window 4",
        "predict --expr a" + "%2" * 49,
        "graph --task mod-add --modulus 101 --digits 100",
        "predict --expr a*b%" + "7" * 30,
        "predict --expr (a+b)%" + "7" * 500,
        "accuracy --task mod-mul --modulus 2003 --lengths 5,1000",
        "predict --expr " + "*".join(["a*b"] * 40),
        "predict --expr (a*a*b+b*b)%997%101 --pe relative",
    ],
)
def test_large_input_is_answered_in_seconds(line: str) -> None:
    done = command("theory", *line.split(" "))
    assert done.code in (0, 2), done.err
    assert done.seconds < 10
    assert "Traceback" not in done.err


def test_theory_and_empirical_run_where_pydantic_and_the_like_are_not_installed() -> None:
    """typer may want pydantic for itself; nothing of ours does, and z3 waits for a proof."""
    code = """
import importlib, pkgutil, sys
for name in ("pydantic", "ruamel", "ruamel.yaml", "ray", "z3"):
    sys.modules[name] = None  # any import of it now fails
import empirical, theory
for package in (theory, empirical):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
from theory.predictions.matrix import advise, write
from theory.language.domains import make_training
from theory.language.tasks import make_task
print(write(advise(make_task("add"), make_training("either", "4")), "text"))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "window 4" in done.stdout


HUGE = "1" + "0" * 30


@pytest.mark.parametrize("name", ["predict", "accuracy", "explain", "graph", "table", "advise"])
@pytest.mark.parametrize("text", ["a*b%{}", "a//{}", "a+{}"])
def test_a_constant_of_10_to_30_is_answered_or_refused_at_once(name: str, text: str) -> None:
    expression = text.format(HUGE)
    done = command("theory", name, "--tasks" if name == "table" else "--expr", expression)
    assert done.code in (0, 2), done.err
    if done.code:
        refused(done, "")
    assert done.seconds < 2
    assert done.megabytes < 500


@pytest.mark.parametrize("line", ["machine --expr 999*a", "predict --train 1-100 --lengths 1-1000 --pe window --window 3"])
def test_a_long_computation_can_be_interrupted(line: str) -> None:
    ready = "signal.signal(signal.SIGINT, signal.default_int_handler); print('go', flush=True)"  # a job in the background ignores it
    code = f"import signal; from theory.cli import main; {ready}; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, *line.split(" ")], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "go\n"
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("buffered", [True, False])
def test_output_that_finds_no_room_is_one_line(buffered: bool) -> None:
    line = [sys.executable, "-c", "from theory.cli import main; main()", "predict"]
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
        done = subprocess.run(line, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: standard output: No space left on device")


def test_a_terminal_is_told_of_progress_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("theory.progress.PATIENCE", -1.0)
    assert list(watched("abc", "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(watched("abc", "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().err.startswith("\r0 of 3 letters")

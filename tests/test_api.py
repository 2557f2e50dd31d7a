"""`import theory`: the functions have the names of the commands, say what the commands say, and are documented."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from fractions import Fraction

import pytest

import theory
from tests.command import ROOT, called
from theory.automata.report import machine_json
from theory.cli import app
from theory.predictions.matrix import write
from theory.predictions.report import prediction_json
from theory.proofs.property_report import properties_json

COMMANDS = ("predict", "accuracy", "explain", "properties", "machine", "graph", "table", "advise")
TASK, TRAINING = theory.make_task("mod-add", modulus=150), theory.make_training("either", "4")
FOUND = theory.predict(TASK, theory.make_encoding("absolute"), theory.make_layout("padded", 9), TRAINING, tuple(range(1, 10)), "either")
ASKED = "--task mod-add --modulus 150"


def said(line: str) -> str:
    done = called("theory", *line.split(" "))
    assert done.code == 0
    return done.out.rstrip("\n")


def test_each_command_has_a_function() -> None:
    commands = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert commands == set(COMMANDS)
    assert set(COMMANDS) < set(theory.__all__)


def test_predict_and_accuracy_say_what_the_commands_say() -> None:
    assert prediction_json(FOUND) == json.loads(said(f"predict {ASKED} --json"))
    rows = json.loads(said(f"accuracy {ASKED} --json"))["accuracy"]
    for row in rows:
        assert Fraction(row["exact"]) == theory.accuracy(TASK, 4, row["length"], "either")


def test_explain_table_advise_and_graph_say_what_the_commands_say() -> None:
    assert theory.explain(FOUND, "latex") == said(f"explain {ASKED} --format latex")
    found = list(theory.table([theory.make_task("add")], ["absolute", "window"], ["default"], TRAINING))
    assert write(found, "csv") == said("table --tasks add --pe absolute,window --layout default --format csv")
    assert write(theory.advise(TASK, TRAINING), "json") == said("advise --expr (a+b)%150 --json")
    links = json.loads(said("graph --digits 3 --format json"))["links"]
    assert {(link["source"], link["target"]) for link in links} == set(theory.graph(theory.make_task("add"), 3).edges)


def test_properties_and_machine_say_what_the_commands_say() -> None:
    assert properties_json(TASK, TRAINING, theory.properties(TASK, TRAINING)) == json.loads(said(f"properties {ASKED} --json"))
    dozen = theory.make_task("dozen")
    assert machine_json(dozen, "lsd", theory.machine(dozen)) == json.loads(said("machine --task dozen --json"))


@pytest.mark.parametrize("first", ["import theory.predictions.predict", "from theory.predictions.explain import explain", "pass"])
def test_names_are_functions_whatever_was_imported_before(first: str) -> None:
    """No module hides a function of the API; and nothing heavy is imported."""
    heavy = "{'torch', 'sympy', 'networkx', 'numpy', 'scipy', 'z3', 'matplotlib'}"
    code = f"{first}\nimport sys, theory\nprint([callable(getattr(theory, n)) for n in {COMMANDS}], {heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == f"{[True] * len(COMMANDS)} set()\n", done.stderr


@pytest.mark.parametrize("name", [name for name in theory.__all__ if callable(getattr(theory, name))])
def test_each_function_is_documented_with_an_example(name: str) -> None:
    found = getattr(theory, name)
    text = inspect.getdoc(found) or ""
    assert text
    if inspect.isfunction(found) and name not in ("predict", "explain"):  # these two have theirs in the package's docstring
        assert ">>> " in text
    assert f"`{name}`" in (theory.__doc__ or "") or f"theory.{name}" in (theory.__doc__ or "")


def test_bad_input_is_a_value_error_of_one_line() -> None:
    for call in (
        lambda: theory.make_task(expr="a // 0"),
        lambda: theory.make_task("mod-add", modulus=0),
        lambda: theory.make_layout("padded", 0),
        lambda: theory.make_encoding("window"),
        lambda: theory.make_training("either", "0"),
        lambda: theory.machine(TASK, "up"),
        lambda: theory.graph(TASK, 0),
        lambda: theory.advise(theory.make_task(expr="a - b"), TRAINING),
    ):
        with pytest.raises(theory.InputError) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        assert "\n" not in str(caught.value)

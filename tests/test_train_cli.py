"""arith-train as a user runs it: a run, a plan, a question; and what it refuses, writing nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from empirical.runs.grid import read_grid
from empirical.runs.plan import read_plan
from tests.command import Done, called, command, refused

TINY = "run --base 3 --train 1-2 --width 3 --preset local --steps 4 --batch 8 --examples 20 --results results --device cpu"
PLAN = """
[one]
task = "add"
base = 3
encoding = "window"
window = 5
layout = "interleaved"
width = 3
train = "1-2"
test = "1-3"
preset = "local"
steps = 3
batch = 8
examples = 20
seeds = [1, 2]

[two]
task = "mul"
base = 2
encoding = "absolute"
layout = "padded"
width = 3
train = "1-2"
test = "1-3"
preset = "local"
steps = 3
batch = 8
examples = 20
seeds = [1]
"""


def in_folder(line: str, folder: Path) -> Done:
    return called("empirical", *line.split(" "), cwd=folder)


BAD = [
    ("run --task divide", "divide"),
    ("run --pe sideways", "sideways"),
    ("run --pe window", "--window"),
    ("run --layout diagonal", "diagonal"),
    ("run --task mod-add", "--modulus"),
    ("run --task mod-add --modulus 1", "modulus 1"),
    ("run --base 1", "base 1"),
    ("run --train 3-1", "reversed"),
    ("run --lengths 0", "1 to 1000"),
    ("run --train 1-4 --width 3 --lengths 1-3", "width 3"),
    ("run --width 4 --lengths 1-5", "width 4"),
    ("run --preset huge", "huge"),
    ("run --steps 0", "steps 0"),
    ("run --batch -1", "batch -1"),
    ("run --dropout 1", "dropout"),
    ("run --lr 0", "lr 0"),
    ("run --seed -1", "seed -1"),
    ("run --sampling evenly", "evenly"),
    ("run --curriculum -1", "curriculum -1"),
    ("run --train-pairs -1", "train_pairs -1"),
    ("run --curriculum 5 --train-pairs 5", "leave one of them out"),
    ("run --task add --expr a+b", "not both"),
    ("run --expr a-b", "negative"),
    ("run --expr exit()", "not allowed"),
    ("run --device tpu", "tpu"),
    ("run --device cuda", "cuda"),
    ("run --direction msd", "msd"),
    ("list", "no such folder"),
    ("show 0123", "no such folder"),
    ("answer 0123 1+1", "no such folder"),
    ("answer 0123 one", "two numbers"),
    ("register plan.toml", "plan.toml"),
    ("sweep plan.toml", "plan.toml"),
    ("nonsense", "nonsense"),
]


@pytest.mark.parametrize(("line", "part"), BAD)
def test_bad_input(line: str, part: str, tmp_path: Path) -> None:
    refused(in_folder(line, tmp_path), part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("plan", "part"),
    [
        ("", "no groups"), ("x = 1", "[x]"), ("steps = 3", "no groups"), ("[g", "plan.toml"), ("[g]\nseeds = [1]", "missing"),
        (PLAN.replace("steps", "stepz"), "stepz"), (PLAN.replace("seeds = [1, 2]", ""), "seeds"),
        (PLAN.replace("[1, 2]", "[1, 1]"), "seeds"), (PLAN.replace("[1, 2]", "[true]"), "seeds"),
        (PLAN.replace('"local"', '"huge"'), "huge"), (PLAN.replace("width = 3", "width = 2"), "width 2"),
        (PLAN.replace('"1-2"', '"2-1"'), "reversed"), (f"pe = 'none'\nencoding = 'none'\n{PLAN}", "twice"),
        (PLAN.replace("steps = 3", 'steps = "many"'), "steps"),
    ],
)  # fmt: skip
def test_bad_plans(plan: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(plan)
    for name in ("register", "sweep"):
        refused(in_folder(f"{name} plan.toml", tmp_path), part)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]


def test_run_list_show_answer(tmp_path: Path) -> None:
    done = command("empirical", *TINY.split(" "), "--json", cwd=tmp_path)
    result = json.loads(done.out)
    assert done.code == 0
    assert "ID accuracy" in done.err
    assert [entry["length"] for entry in result["evaluation"]] == [1, 2, 3]
    assert not {"ruamel.yaml", "ray", "z3"} & done.modules
    again = in_folder(f"{TINY} --json", tmp_path)
    assert json.loads(again.out) == result
    assert "step" not in again.err
    assert json.loads(in_folder("list --json", tmp_path).out) == [result]
    assert json.loads(in_folder(f"show {result['digest'][:6]} --json", tmp_path).out) == result
    said = json.loads(in_folder(f"answer {result['digest']} 5+7 --json", tmp_path).out)
    assert (said["truth"], said["truncated"]) == (12, 12)
    refused(in_folder(f"answer {result['digest']} 100+7", tmp_path), "width 3")
    refused(in_folder("show ffff", tmp_path), "ffff")
    assert "right at length 1" in in_folder("list", tmp_path).out


def test_register_then_sweep(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    assert in_folder("register plan.toml", tmp_path).code == 0
    registered = json.loads((tmp_path / "results" / "predictions.json").read_text())
    assert registered["groups"]["one"]["outcome"]["upward"] == "exact"
    short = registered["groups"]["two"]  # of three steps truncation is not said
    assert (short["steps"], short["rule"], short["outcome"]["upward"]) == (3, "drawn in part", "undetermined")
    shared = {line: PLAN.count(line) for line in PLAN.splitlines() if PLAN.count(f"{line}\n") == 2}
    (tmp_path / "short.toml").write_text("\n".join([*shared, *(line for line in PLAN.splitlines() if line not in shared)]))
    assert read_plan(tmp_path / "short.toml") == read_plan(tmp_path / "plan.toml")
    first = in_folder("sweep plan.toml --device cpu", tmp_path)
    assert first.code == 0, first.err
    results = [json.loads(path.read_text()) for path in (tmp_path / "results").glob("*/result.json")]
    assert sorted(result["group"] for result in results) == ["one", "one", "two"]
    assert len({result["predictions"] for result in results}) == 1
    assert {result["digest"] for result in results} == {digest for g in registered["groups"].values() for digest in g["runs"].values()}
    second = in_folder("sweep plan.toml --device cpu", tmp_path)
    assert "0 to train" in second.out
    refused(in_folder("register plan.toml", tmp_path), "predictions come before runs")


def test_every_way_to_train_has_an_option(tmp_path: Path) -> None:
    """The same run by the command line, as by a grid."""
    ways = ("--sampling carries --curriculum 3", "--pe sparse --price 0.2 --charge log --anneal 0.5", "--train-pairs 9 --watch 3")
    for words in ways:
        done = in_folder(f"{TINY} {words} --json", tmp_path)
        assert done.code == 0, done.err
        options = words.replace("--", "").split()
        axes = [f"{name}={value}" for name, value in zip(options[::2], options[1::2], strict=True)]
        (group,) = read_grid(f"base=3 train=1-2 width=3 preset=local steps=4 batch=8 examples=20 {' '.join(axes)}")
        assert json.loads(done.out)["digest"] == group.specs[0].digest
    settings = json.loads(done.out)["spec"]
    assert (settings["train_pairs"], settings["watched_lengths"]) == (9, [3])

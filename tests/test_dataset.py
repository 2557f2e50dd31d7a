"""Data sets: the papers' lines, right, deterministic, never over a file, and held-out pairs on one side only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from empirical.data.dataset import CHUNK, DataSet, chunks, symbols, write_dataset
from empirical.data.lines import held_out
from tests.command import called, refused
from tests.networks import pairs
from theory.errors import InputError
from theory.language.domains import make_training
from theory.language.layouts import make_layout, render
from theory.language.tasks import Task, make_task

ADD, MUL = make_task("add"), make_task("mul")


def written(data: DataSet) -> list[str]:
    return [line for part in chunks(data) for line in part]


def test_the_papers_format() -> None:
    """Operands most significant first, zero-padded, the result one digit wider and least significant first."""
    for line in written(DataSet(ADD, make_layout("padded", 20), make_training("either", "4"), 50)):
        match = re.fullmatch(r"(\d{20})\+(\d{20})=(\d{21});\n", line)
        assert match is not None
        a, b = int(match[1]), int(match[2])
        assert 1000 <= max(a, b) < 10_000
        assert a + b == int(match[3][::-1])


@pytest.mark.parametrize("name", ["padded", "aligned", "interleaved", "plain", "reversed"])
@pytest.mark.parametrize("task", [ADD, MUL, make_task("add", base=16)])
def test_every_line_is_one_that_theory_renders(name: str, task: Task) -> None:
    """All pairs of one digit: every line of the set is among theory's, and theory's among those of the set."""
    layout = make_layout(name, 1)
    found = set(written(DataSet(task, layout, make_training("either", "1"), 3000, "all", seed=3)))
    pairs_of_one_digit = ((a, b) for a in range(task.base) for b in range(task.base))
    assert found == {render(layout, task, a, b, 1).strip("^;") + ";\n" for a, b in pairs_of_one_digit}
    assert symbols(task)[:10] == list("0123456789")


def test_equal_data_sets_are_equal_files_and_longer_ones_begin_alike(tmp_path: Path) -> None:
    torch.manual_seed(1)
    data = DataSet(ADD, make_layout("padded", 3), make_training("either", "1-3"), CHUNK + 50, seed=5)
    write_dataset(data, tmp_path / "a.txt")
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    write_dataset(data, tmp_path / "b.txt")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()
    lines = (tmp_path / "a.txt").read_text().splitlines(keepends=True)
    assert len(lines) == CHUNK + 50
    short = DataSet(ADD, make_layout("padded", 3), make_training("either", "1-3"), 100, seed=5)
    assert written(short) == lines[:100]
    assert written(DataSet(ADD, make_layout("padded", 3), make_training("either", "1-3"), 100, seed=6)) != lines[:100]


def test_the_parts_hold_what_they_say() -> None:
    found = {}
    for part in ("train", "test", "all"):
        lines = written(DataSet(ADD, make_layout("plain", 2), make_training("either", "1-2"), 400, part, heldout=4))
        numbers = [(int(a), int(b)) for a, b, _ in (re.split(r"[+=]", line[:-2]) for line in lines)]
        hidden = held_out(pairs(numbers, 10), 4)
        found[part] = float(hidden.double().mean())
    assert (found["train"], found["test"]) == (0, 1)
    assert 0.15 < found["all"] < 0.35


def test_distinct_lines() -> None:
    lines = written(DataSet(ADD, make_layout("padded", 1), make_training("either", "1"), 90, "train", distinct=True))
    assert len(set(lines)) == len(lines) == 90
    with pytest.raises(InputError, match=r"only \d+ distinct pairs"):
        written(DataSet(ADD, make_layout("padded", 1), make_training("either", "1"), 100, "train", distinct=True))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("d.txt --task divide", "divide"), ("d.txt --layout diagonal", "diagonal"), ("d.txt --lengths 3-1", "reversed"),
        ("d.txt --width 2", "width 2"), ("d.txt --count 0", "count 0"), ("d.txt --part half", "half"), ("d.txt --heldout 1", "heldout 1"),
        ("d.txt --seed -1", "seed -1"), ("d.txt --base 37", "base 37"), ("d.txt --task add --expr a+b", "not both"),
        ("d.txt --task mod-add", "--modulus"), ("d.txt --expr a-b", "negative"), ("no/d.txt", "cannot write"), ("there.txt", "exists"),
        ("d.txt --lengths 1 --distinct --count 101", "distinct"), ("d.txt --domain none", "none"), ("", "Missing"),
    ],
)  # fmt: skip
def test_bad_input(line: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("mine")
    refused(called("empirical", "dataset", *line.split(), cwd=tmp_path), part)
    assert [path.name for path in tmp_path.iterdir()] == ["there.txt"]
    assert (tmp_path / "there.txt").read_text() == "mine"


def test_command(tmp_path: Path) -> None:
    done = called("empirical", "dataset", "d.txt", "--count", "30", "--task", "mul", "--lengths", "2", cwd=tmp_path)
    assert done.out == "30 lines in d.txt\n"
    assert all(re.fullmatch(r"\d\d\*\d\d=\d{4};", line) for line in (tmp_path / "d.txt").read_text().splitlines())

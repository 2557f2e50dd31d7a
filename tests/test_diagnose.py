"""`arith-verify diagnose`: answers with planted behaviour are recognised, too few are not, and bad files are named by line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.command import called, refused
from theory.errors import InputError
from theory.language.domains import make_training
from theory.language.tasks import Task, make_task
from verify.diagnose import diagnose, read_answers

ADD = make_task("add")
TRAINING = make_training("either", "1-3")


def answered(model: Callable[[int, int, Random], Any], lengths: tuple[int, ...] = (3, 4, 6), count: int = 500) -> list[Any]:
    random = Random(11)
    pairs = [(random.randrange(10 ** (m - 1), 10**m), random.randrange(10**m)) for m in lengths for _ in range(count)]
    return [(a, b, model(a, b, random)) for a, b in pairs]


def sometimes(share: float) -> Callable[[int, int, Random], int]:
    return lambda a, b, random: a + b if random.random() < share or max(a, b) < 1000 else 1


def decaying(a: int, b: int, random: Random) -> int:
    """Right on each of the digits beyond the third with probability 0.8."""
    return a + b if random.random() < 0.8 ** max(0, len(str(max(a, b))) - 3) else 1


@pytest.mark.parametrize(
    ("model", "observed"),
    [
        (lambda a, b, _: a + b, "exact"),
        (lambda a, b, _: a % 1000 + b % 1000, "truncation"),
        (decaying, "decays"),
        (sometimes(0.0), "fails"),
        (sometimes(0.3), "mixed: none of the outcomes that theory knows"),
        (sometimes(0.99), "undecided: too few answers to tell whether it is exact"),
    ],
)
def test_planted_behaviour_is_recognised(model: Callable[[int, int, Random], int], observed: str) -> None:
    found = diagnose(ADD, TRAINING, answered(model))
    assert found.observed.startswith(observed), found.fits
    assert found.learned is True


def test_few_answers_decide_nothing() -> None:
    found = diagnose(ADD, TRAINING, answered(lambda a, b, _: a + b, count=5))
    assert found.observed.startswith("undecided")
    assert found.learned is None
    assert diagnose(ADD, TRAINING, answered(lambda a, b, _: a + b, (2, 3))).observed.startswith("undecided: no question is longer")


def test_each_outcome_names_where_theory_predicts_it() -> None:
    fits = {fit.outcome: fit.predicted_for for fit in diagnose(ADD, TRAINING, answered(lambda a, b, _: 1)).fits}
    assert "absolute, padded" in fits["truncation"]
    assert "window 4, interleaved" in fits["exact"]
    assert "relative, interleaved" in fits["decays"]
    assert "absolute, interleaved" in fits["fails"]


def test_truncation_of_a_residue_is_right_by_chance_and_told_apart() -> None:
    """Below a modulus the truncated function is right one time in p'; the answers fit truncation, and its chance is shown."""
    task: Task = make_task("mod-add", modulus=101)
    found = diagnose(task, TRAINING, answered(lambda a, b, _: (a % 1000 + b % 1000) % 101))
    assert found.observed == "truncation"
    chance = found.lengths[-1].tallies["truncation"].chance
    assert chance == pytest.approx(1 / 101, abs=0.01)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    rows = answered(lambda a, b, random: a % 1000 + b % 1000 if random.random() < 0.995 else "I cannot add these")
    path.write_text("id,a,b,answer\n" + "".join(f'{n},{a},{b},"{answer}"\n' for n, (a, b, answer) in enumerate(rows)))
    return path


def test_command(file: Path) -> None:
    done = called("verify", "diagnose", "--task", "add", "--train", "1-3", str(file))
    assert done.code == 0
    assert "observed: truncation" in done.out
    assert "no number" in done.out
    assert "theory predicts it for sparse, padded; sparse, aligned; absolute, padded; absolute, aligned" in done.out
    found = json.loads(called("verify", "diagnose", "--train", "1-3", "--json", str(file)).out)
    assert found["observed"] == "truncation"
    assert [one["region"] for one in found["lengths"]] == ["id", "upward", "upward"]
    assert sum(kind["first"] for kind in found["lengths"][1]["answers_are"].values()) == found["lengths"][1]["examples"] == 500
    assert found["outcomes"][1]["predicted_for"][0] == "sparse, padded"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "answers.csv:1: no column 'a'"),
        ("a,b\n1,2\n", "answers.csv:1: no column 'answer'"),
        ("a,a,b,answer\n1,1,2,3\n", "answers.csv:1: two columns 'a'"),
        ("a,b,answer\n", "answers.csv:2: no answers"),
        ("a,b,answer\n1,2,3\n1,2\n", "answers.csv:3: 2 fields, 3 columns"),
        ("a,b,answer\n1,2,3\n1,two,3\n", "answers.csv:3: b = 'two'"),
        ("a,b,answer\n-1,2,3\n", "answers.csv:2: a = '-1'"),
        ("a,b,answer\n1.5,2,3\n", "answers.csv:2: a = '1.5'"),
        (f"a,b,answer\n{'9' * 5000},2,3\n", "answers.csv:2: a = '999"),
        (f"a,b,answer\n{'9' * 1001},2,3\n", "operands of 1001 digits"),
        (f'a,b,answer\n1,2,"{"x" * 200_000}"\n', "answers.csv:2: field larger"),
        ("a,b,answer\n1,٣,3\n", "answers.csv:2: b = '٣'"),
    ],
)
def test_bad_files_are_named_by_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "answers.csv").write_text(text)
    refused(called("verify", "diagnose", "--train", "3", str(tmp_path / "answers.csv")), words)


def test_bad_bytes_and_bad_names(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_bytes(b"a,b,answer\n1,2,3\n1,\xff,3\n")
    refused(called("verify", "diagnose", "--train", "3", str(tmp_path / "answers.csv")), "answers.csv:3: not UTF-8")
    refused(called("verify", "diagnose", "--train", "3", str(tmp_path / "none.csv")), "none.csv: No such file")
    refused(called("verify", "diagnose", "--train", "3", str(tmp_path)), "Is a directory")
    refused(called("verify", "diagnose", "--train", "0", str(tmp_path / "answers.csv")), "lengths run from 1")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text() | st.text(alphabet='ab,answer\n"0123456789-;').map("a,b,answer\n{}".format))
def test_no_text_makes_a_traceback(tmp_path: Path, text: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    rows, problem = [], ""
    try:
        rows = read_answers(path)
    except InputError as error:
        problem = str(error)
    assert bool(rows) != bool(re.match(rf"{re.escape(str(path))}:\d+: ", problem)), problem
    assert all(min(a, b) >= 0 for a, b, _ in rows)


def test_thousands_are_read(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text('answer,b,a\n"1,009,871",1000000, 9871\n"1,00",1,2\n')
    assert read_answers(tmp_path / "answers.csv") == [(9871, 1_000_000, 1_009_871), (2, 1, None)]

"""Plans: settings that groups share, what a group may say otherwise, and what is refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from empirical.runs.plan import Group, predictions, read_plan
from theory.errors import InputError

ROOT = Path(__file__).parents[1]
SHARED = """
task = "mod-add"
modulus = 7
base = 3
encoding = "absolute"
layout = "padded"
width = 3
train = "1-2"
test = "1-3"
seeds = [1, 2]
"""


def read(folder: Path, text: str) -> dict[str, Group]:
    path = folder / "plan.toml"
    path.write_text(text)
    return {group.name: group for group in read_plan(path)}


def test_a_group_says_otherwise_setting_by_setting(tmp_path: Path) -> None:
    groups = read(tmp_path, f"{SHARED}\n[same]\n\n[wide]\nwidth = 5\nseeds = [9]\n")
    assert (groups["same"].spec.width, groups["same"].seeds) == (3, (1, 2))
    assert (groups["wide"].spec.width, groups["wide"].seeds) == (5, (9,))


@pytest.mark.parametrize(
    ("own", "text"), [('expr = "a + b"', "a + b"), ('task = "mul"', "a * b"), ('task = "mod-mul"\nmodulus = 5', "(a * b) % 5")]
)
def test_a_group_with_another_task_names_it_whole(tmp_path: Path, own: str, text: str) -> None:
    """Else a + b would be taken modulo the 7 of the others."""
    assert read(tmp_path, f"{SHARED}\n[other]\n{own}\n")["other"].spec.make_task().text == text


def test_a_shared_setting_of_no_known_name_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"plan\.toml: \[stepz\]: neither a table nor a setting that groups share: choose from anneal"):
        read(tmp_path, f"stepz = 5\n{SHARED}\n[one]\n")


@pytest.mark.parametrize("plan", ["drawn", "redrawn", "opened", "standing"])
def test_drawn_cells_are_those_that_the_seed_gives(plan: str) -> None:
    """Nobody chose among them: the committed plan is what its script prints."""
    out = subprocess.run([sys.executable, "-m", "results.draw", plan], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out == (ROOT / "results" / f"plan-{plan}.toml").read_text()


@pytest.mark.parametrize(("steps", "rule"), [(9_000, "zeros only, drawn"), (10_000, "drawn in part"), (30_000, "drawn in part")])
def test_what_is_registered_knows_how_long_is_trained(tmp_path: Path, steps: int, rule: str) -> None:
    table = f'task = "add"\nencoding = "absolute"\nwidth = 4\ntrain = "1-2"\ntest = "1-4"\nsteps = {steps}\nseeds = [1]\n'
    said = predictions([read(tmp_path, f"[g]\n{table}")["g"]])["g"]
    assert (said["steps"], said["rule"]) == (steps, rule)

"""The plans at paper scale hold the groups that claims wait for, each is predicted, and their commands are rehearsed on a small scale."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from empirical.runs.plan import read_plan
from empirical.runs.spec import PRESETS, RunSpec
from empirical.runs.store import Run, load_runs
from tests.command import ROOT, called
from theory.predictions.rules import decide
from verify.claims.lint import groups_of
from verify.claims.schema import load_claims

PLAN = ROOT / "results" / "plan-paper.toml"
BY_TWO = ROOT / "results" / "plan-paper-by2.toml"
#: a width, model, budget and test that a processor manages in seconds
SMALL = {"width": 5, "test": "1-5", "preset": "local", "steps": 5, "batch": 8, "examples": 20, "seeds": [1, 2]}


def test_it_holds_the_groups_that_claims_wait_for() -> None:
    groups = {group.name: group for group in read_plan(PLAN)}
    awaited = {name for claim in load_claims(ROOT / "paper_claims.yaml").claims for name in groups_of(claim) if "-paper" in name}
    (by_two,) = read_plan(BY_TWO)
    assert awaited
    assert awaited <= {*groups, by_two.name}
    sizes = {name: (group.spec.layers, group.spec.heads, group.spec.dim) for name, group in groups.items()}
    for name, preset in (("", "mini"), ("-micro", "micro"), ("-nano", "nano")):
        assert sizes[f"add-absolute-padded-paper{name}"] == PRESETS[preset]
    assert all(group.spec.width == 20 and len(group.seeds) == 5 for group in groups.values() if group.spec.encoding != "coupled")
    specs = [spec for group in groups.values() for spec in group.specs]
    assert len({spec.digest for spec in specs}) == len(specs)


def test_every_group_is_predicted(tmp_path: Path) -> None:
    """As registered, before theory left open what so many steps of training bring: what it says still of the limit."""
    done = called("empirical", "register", str(PLAN), "--results", str(tmp_path))
    assert done.code == 0, done.err
    assert set(json.loads((tmp_path / "predictions-paper.json").read_text())["groups"]) == {group.name for group in read_plan(PLAN)}
    registered = json.loads((ROOT / "results" / "predictions-paper.json").read_text())["groups"]
    limits = {group.name: limit(group.spec) for group in read_plan(PLAN)}
    for upward in ({name: one["outcome"]["upward"] for name, one in registered.items()}, limits):
        assert set(upward) == set(limits)
        for size in ("", "-micro"):
            for row in ("", "-dab4", "-d5", "-d6", "-d45", "-d56", "-d67"):
                assert upward[f"add-absolute-padded-paper{row}{size}"] == "truncation"
            for task, n, moduli in (("modadd", 4, (50, 51, 100, 101, 150, 151, 200, 201)), ("modmul", 3, (50, 51, 100, 150, 200, 201))):
                found = {p: upward[f"{task}{p}-absolute-padded-paper{size}"] for p in moduli}
                assert found == {p: "exact" if 10**n % p == 0 else "truncation" for p in moduli}


def limit(spec: RunSpec) -> str:
    """The outcome that theory predicts upward, of as many steps as it takes."""
    return decide(spec.make_task(), spec.make_encoding(), spec.make_layout(), spec.training, spec.test_domain).rule.outcome


def rehearsed(tmp_path: Path, plan: Path, names: tuple[str, ...], small: dict[str, object]) -> list[Run]:
    """Groups of a plan, scaled down, registered and trained as one ensemble on the processor."""
    whole = tomllib.loads(plan.read_text())
    common = {key: value for key, value in whole.items() if not isinstance(value, dict)} | small
    chosen = {name: {key: value for key, value in whole[name].items() if key not in small} for name in names}
    made = tmp_path / "paper.toml"
    lines = []
    for head, table in [("", common), *((f"[{name}]", table) for name, table in chosen.items())]:
        lines += [head, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    made.write_text("\n".join(lines))
    words = (str(made), "--results", str(tmp_path / "results"))
    assert called("empirical", "register", *words).code == 0
    done = called("empirical", "sweep", *words, "--executor", "ensemble", "--device", "cpu", "--seconds", "500")
    assert done.code == 0, done.err
    return list(load_runs(tmp_path / "results"))


def test_multiplication_by_two_digits_is_rehearsed(tmp_path: Path) -> None:
    """With all its trained lengths, whose products do not fit into 64 bits."""
    small = {"layers": 1, "heads": 2, "dim": 16, "steps": 3, "batch": 8, "examples": 4, "seeds": [1, 2], "test": "40,90"}
    runs = rehearsed(tmp_path, BY_TWO, ("mul-coupled-reversed-paper-by2",), small)
    assert {run.result["ensemble"]["members"] for run in runs} == {2}
    assert all(run.result["predictions"] for run in runs)
    assert {(run.spec.train_domain, run.spec.training.longest) for run in runs} == {("by-2", 40)}


def test_its_command_is_rehearsed(tmp_path: Path) -> None:
    """Two groups of one shape with their own domains."""
    chosen = ("add-absolute-padded-paper", "add-absolute-padded-paper-dab4")
    runs = rehearsed(tmp_path, PLAN, chosen, SMALL)
    assert {(run.result["group"], run.spec.seed) for run in runs} == {(name, seed) for name in chosen for seed in (1, 2)}
    assert {run.result["ensemble"]["members"] for run in runs} == {4}
    assert all(run.result["predictions"] for run in runs)
    assert {run.spec.train_domain for run in runs} == {"sampler", "both"}

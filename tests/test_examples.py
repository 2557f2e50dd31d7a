"""The worked example of claims of one's own: it reads well, its plan trains what it names, and its answers are diagnosed."""

from __future__ import annotations

import json
from pathlib import Path

from empirical.runs.plan import read_plan
from tests.command import ROOT, called
from theory.language.domains import make_training
from theory.language.tasks import make_task
from verify.claims.lint import groups_of, problems
from verify.claims.schema import load_claims
from verify.diagnose import diagnose, read_answers

EXAMPLES = ROOT / "examples"


def test_the_claims_read_well_and_name_the_groups_of_the_plan() -> None:
    loaded = load_claims(EXAMPLES / "claims.yaml")
    assert problems(loaded, []) == []
    groups = {group for claim in loaded.claims for group in groups_of(claim)}
    assert groups == {group.name for group in read_plan(EXAMPLES / "plan.toml")}


def test_what_needs_no_network_is_decided(tmp_path: Path) -> None:
    asked = ("--claims", str(EXAMPLES / "claims.yaml"), "--results", str(tmp_path), "--ledger", str(tmp_path / "l"), "--json")
    done = called("verify", "all", *asked)
    assert done.code == 0
    verdicts = {one["id"]: one["verdict"] for one in json.loads(done.out)["claims"]}
    assert verdicts == {"counting-window": "untested", "dozens-invariant": "supported", "dozens-row": "supported"}
    assert (tmp_path / "l").read_text().count("\n") == 1


def test_the_answers_are_those_of_a_network_that_truncates() -> None:
    found = diagnose(make_task("add"), make_training("either", "1-2"), read_answers(EXAMPLES / "answers.csv"))
    assert found.observed == "truncation"

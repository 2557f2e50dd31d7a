"""The README shows what the commands print: the verdicts of the committed claims on the committed evidence, and commands that exist."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.command import ROOT, called
from tests.networks import SPECS
from tests.readme import SHOWING, TABLE, output
from theory.predictions.rulebook import RULES
from theory.predictions.seen import record
from verify.certificates.outcomes import outcome
from verify.claims.schema import load_claims
from verify.verdicts.engine import run_claims
from verify.verdicts.evidence import load_evidence
from verify.verdicts.record import record_of, rules_of
from verify.verdicts.reevaluate import Fresh, Job

VERDICTS, FINDINGS, README = (page.read_text() for page in SHOWING)


def test_the_verdict_table_is_that_of_the_committed_evidence() -> None:
    """As printed, by the committed counts and certificates: `.ci/run` asks the networks again."""
    shown = dict(re.findall(r"^ *([a-z0-9][a-z0-9.-]+) +(?:theorem|derived|empirical|table) +([a-z]+) ", VERDICTS, re.MULTILINE))
    claims, runs = load_claims(ROOT / "paper_claims.yaml").claims, load_evidence(ROOT / "results")

    def as_committed(jobs: Sequence[Job]) -> list[Fresh]:
        entries = {run.spec.digest: {entry["length"]: entry for entry in run.result["evaluation"]} for run in runs}
        return [Fresh(job.folder, entries[job.folder.name]) for job in jobs]

    chosen = [claim.id for claim in claims]
    verdicts = run_claims(claims, chosen, runs, 20, 0, as_committed, certify=lambda networks: [outcome(run, live=0) for run in networks])
    assert shown == {verdict.id: verdict.verdict for verdict in verdicts}


def test_all_that_is_refuted_is_told() -> None:
    """README names each refuted claim, by itself or by its family, and none that is not."""
    section = README.partition("### Refuted")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z0-9*-]+)`", section)
    every = re.findall(r"^ *([a-z0-9][a-z0-9.-]+) +(?:theorem|derived|empirical|table) +([a-z]+) ", VERDICTS, re.MULTILINE)
    refuted = [name for name, verdict in every if verdict == "refuted"]
    assert [name for name in named if not fnmatch.filter(refuted, name)] == []
    assert [name for name in refuted if not any(fnmatch.fnmatch(name, pattern) for pattern in named)] == []
    for pattern in (name for name in named if "*" in name and name != "reading-*"):
        count = f"{len(fnmatch.filter(refuted, pattern))} of {len(fnmatch.filter([name for name, _ in every], pattern))}"
        assert count in section, f"{pattern}: {count}"


def test_findings_hold_the_tables_that_are_counted() -> None:
    """`make readme` was run: the tables, which claims do not hold, are those of the store."""
    assert TABLE.sub(lambda shown: shown["head"] + output(shown["command"]), FINDINGS) == FINDINGS
    assert len(TABLE.findall(FINDINGS)) == 3


def test_predictions_quote_the_committed_evidence() -> None:
    """Each rule of theory with what networks did under it: nothing is written by hand."""
    assert record() == record_of(ROOT / "results", load_evidence(ROOT / "results"))
    assert set(record()) <= set(RULES)
    assert sum(seen.groups for seen in record().values()) > 100


def test_the_rules_of_a_run_are_those_of_its_predictions() -> None:
    """Also of one that was trained on operands in order, and is asked in any."""
    window = replace(SPECS["interleaved window"], train_domain="ordered")
    assert rules_of(window) == ("pairs unseen",)
    assert rules_of(replace(window, test_domain="ordered")) == ("window holds the rule",)


@pytest.mark.parametrize("line", re.findall(r"^\$ (arith-\w+ (?:[^\n\\]|\\\n)+)", README, re.MULTILINE))
def test_the_commands_exist(line: str) -> None:
    """Each command is one whose options are known; --help stops it before it does anything."""
    name, command, *_ = shlex.split(line.replace("\\\n", " "))
    package = {"arith-theory": "theory", "arith-train": "empirical", "arith-verify": "verify"}[name]
    options = re.findall(r"--[a-z-]+", line)
    usage = called(package, command, "--help").out
    assert usage
    assert all(option in usage for option in options)

"""The report is one well-formed file without a network; formats escape what they hold; the ledger tells what changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from empirical.runs.store import Run, sha256
from tests.test_verify_engine import claim, decide, decision, run, table
from theory.errors import InputError
from verify.claims.schema import Assumption, Claim, Loaded
from verify.reports import formats
from verify.reports.html import html_report
from verify.reports.plots import Point, accuracy_plot
from verify.verdicts import ledger, observed, score
from verify.verdicts.engine import Verdict
from verify.verdicts.record import record_of
from verify.verdicts.statistics import REFUTED, SUPPORTED

NASTY = 'a < b & "c" <script>alert(1)</script> | `x` {{ y }}'
RUNS = [run(seed) for seed in range(3)]
CLAIMS = [
    claim(statement=NASTY, assumptions=("A1",)),
    claim(id="d", family="Other", decision=decision("at_most", threshold=0.05), registration={"date": "2026-01-02", "commit": "abcdef1"}),
    table("goodness_of_fit", [33.3, 33.4], expected="truncation_accuracy", margin=0.02).model_copy(update={"id": "t", "refines": "c"}),
    claim(id="p", decision={"rule": "proof"}, evidence={"pending": "nothing yet"}, depends_on=("c",)),
]
PROVENANCE: dict[str, Any] = {
    "claims_file": "x.yaml", "sha256": "0" * 64, "evidence_sha256": "1" * 64, "seed": 1, "examples": 200, "networks": 3, "commit": "c" * 40,
    "sample": True, "versions": {"python": "3"},
}  # fmt: skip
LOADED = Loaded(Path("x.yaml"), "0" * 64, tuple(CLAIMS), (Assumption(id="A1", statement="learners learn"),))


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return decide(CLAIMS, RUNS)


@pytest.fixture(scope="module")
def page(verdicts: list[Verdict], tmp_path_factory: pytest.TempPathFactory) -> str:
    return html_report(LOADED, verdicts, PROVENANCE, RUNS, tmp_path_factory.mktemp("store"))


class Reader(HTMLParser):
    """Tags that are opened and closed in order, ids, links, and what would be fetched."""

    VOID = ("meta", "link", "input", "br", "rect", "line", "circle", "path")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.headings: list[int] = []
        self.names: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.names.append((tag, values))
        if tag not in self.VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.append(str(values["href"]))
        elif values.get("src") or (values.get("href") and values["href"] != "data:,"):
            self.fetched.append(str(values))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_else(page: str) -> None:
    found = Reader(page)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert found.fetched == []
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/2000/svg)", page)
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert all(link.startswith("#") for link in found.links)
    assert "default-src 'none'" in page


def test_the_page_holds_every_claim_with_its_verdict(page: str, verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        assert f'<article id="{verdict.id}" class="{verdict.verdict}"' in page
    assert page.count('<svg class="plot"') == 4  # two claims on runs, a published row, and the calibration
    assert "Registered" in page
    assert "learners learn" in page
    assert PROVENANCE["commit"] in page


def test_nothing_of_a_claim_becomes_markup(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ y }}" in page


def test_the_page_can_be_read_without_eyes_and_without_a_mouse(page: str) -> None:
    found = Reader(page)
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.headings, found.headings[1:], strict=False))
    assert [tag for tag, _ in found.names].count("main") == 1
    for tag, values in found.names:
        if tag == "svg":
            assert values["role"] == "img"
        if tag == "th":
            assert values["scope"] in ("col", "row")
        if tag == "article":
            assert values["aria-labelledby"] in found.ids
    assert page.count("<caption>") == page.count("<table>")
    assert page.count("<desc>") == page.count('<svg class="plot"')
    assert 'for="search"' in page
    assert 'aria-live="polite"' in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_in_a_real_browser(page: str, tmp_path: Path) -> None:
    """The script runs, says how many claims there are, and the console stays empty; a search is what a reader types."""
    assert BROWSER is not None
    typed = 'search.value = "goodness t nothing-like-it"; show(); document.title = found.textContent;'
    searched = page.replace("  show();\n})", f"  {typed}\n}})")
    for name, text, words in (("page", page, "4 of 4 claims"), ("searched", searched, "0 of 4 claims")):
        file = tmp_path / f"{name}.html"
        file.write_text(text, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'user'}"]
        done = subprocess.run([BROWSER, *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120, check=False)
        assert words in done.stdout, done.stderr[-500:]
        assert "CONSOLE" not in done.stderr


def test_a_plot_says_in_words_what_it_shows() -> None:
    svg = accuracy_plot("t & u", [Point("length 4", 0.5, 0.4, 0.6, "seed 1")], {"length 4": (0.95, 1.0)}, {"length 4": 1 / 3})
    assert ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}desc") == "seed 1: 50 % (40 % to 60 %)"
    assert "theory at length 4: 33.33 %" in svg
    assert "no measurement yet" in accuracy_plot("t", [], {}, {})


def test_markdown_and_junit(verdicts: list[Verdict]) -> None:
    text = formats.markdown(LOADED, verdicts, PROVENANCE)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(CLAIMS)
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert "<script>" not in text.replace("\\<script\\>", "")
    suite = ElementTree.fromstring(formats.junit(verdicts, {"error", "refuted"}))
    assert len(suite.findall(".//testcase")) == len(CLAIMS)
    assert [case.get("name") for case in suite.findall(".//failure/..")] == [one.id for one in verdicts if one.verdict == REFUTED]
    assert not ElementTree.fromstring(formats.junit(verdicts, {"error"})).findall(".//failure")
    bad = [replace(verdicts[0], detail="\x00\x1b]0;x\ufffe")]
    assert ElementTree.fromstring(formats.junit(bad, {"error"})) is not None


def test_verdicts_can_be_read_back(verdicts: list[Verdict], tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    path.write_text(formats.verdicts_json(verdicts, PROVENANCE))
    found, provenance = formats.read_verdicts(path, LOADED)
    assert [one.verdict for one in found] == [one.verdict for one in verdicts]
    assert provenance == PROVENANCE
    whole = path.read_text()
    with pytest.raises(InputError, match="verdicts on other claims"):
        formats.read_verdicts(path, replace(LOADED, sha256="2" * 64))
    for text, words in (
        ("{", "not what arith-verify all --json writes"),
        ("[]", "not what"),
        ('{"claims": [1], "sha256": ""}', "not what"),
        (whole.replace("0" * 64, "2" * 64), "edited since"),
        (whole.replace('"refuted"', '"supported"').replace('"untested"', '"supported"'), "edited since"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            formats.read_verdicts(path, LOADED)
    with pytest.raises(InputError, match="No such file"):
        formats.read_verdicts(tmp_path / "none.json", LOADED)


@pytest.mark.parametrize(
    ("network", "outcome", "shares"),
    [
        (run(1, learned=2000), "truncation", (0, 0, 1)),
        (run(1, learned=500, truth=2000), "exact", (1, 1, 0.25)),
        (run(1, learned=500, truth=50), "fails", (0.025, 0.025, 0.25)),
        (run(1, learned=500, truth=400), "mixed", (0.2, 0.2, 0.25)),
        (run(1, learned=500, truth=1500), "mixed", (0.75, 0.75, 0.25)),  # no lower at 2n
        (run(1, learned=2000, identical=1899), observed.NOT_LEARNED, (0, 0, 1)),
        (run(1, learned=2000, identical=1900), "truncation", (0, 0, 1)),
    ],
)
def test_observed_outcomes(network: Run, outcome: str, shares: tuple[float, float, float]) -> None:
    assert observed.observed_outcome([network]) == (outcome, observed.Shares(*shares))


def test_observed_decay_and_predictions_that_presuppose_no_learning() -> None:
    decaying = run(1, learned=500, truth=1500)
    decaying.result["evaluation"][-1]["truth"] = 1000
    assert observed.observed_outcome([decaying])[0] == "decays"
    assert observed.observed_outcome([run(1, learned=0, identical=0)], presupposed=False)[0] == "fails"


# ----------------------------------------------------------------------------------------------------------------- score


def registered(folder: Path, **groups: tuple[str, list[Run], float | None]) -> list[Run]:
    """Predictions of outcomes for groups of runs, each with the accuracy said for length 4; the runs as trained under them."""
    said = {
        name: {
            "task": {"expression": "a + b", "base": 10}, "encoding": "absolute", "layout": "padded", "status": "hypothesis", "rule": "r",
            "train": {"lengths": [1, 2, 3]}, "outcome": {"upward": outcome, "in_distribution": "exact"},
            "accuracy": [{"length": 4, "value": value}], "runs": {str(one.spec.seed): one.spec.digest for one in runs},
        }
        for name, (outcome, runs, value) in groups.items()
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    file = folder / "predictions.json"
    file.write_text(json.dumps({"groups": said}))
    return [trained(one, folder, sha256(file)) for _, runs, _ in groups.values() for one in runs]


def trained(one: Run, folder: Path, predictions: str | None) -> Run:
    """The same run in this store, under predictions with this digest."""
    return replace(one, folder=folder / one.spec.digest, result={**one.result, "predictions": predictions})


def test_the_score_counts_what_was_decided_learned_and_finished(tmp_path: Path) -> None:
    runs = {
        "right": [run(s, group="right") for s in range(2)],
        "wrong": [run(s, group="wrong", truth=2000) for s in range(2)],
        "open": [run(s, group="open") for s in range(2)],
        "unlearned": [run(s, group="unlearned", identical=0) for s in range(2)],
        "half": [run(0, group="half")],
    }
    finished = registered(
        tmp_path, right=("truncation", runs["right"], 0.0), wrong=("fails", runs["wrong"], 0.5), open=("undetermined", runs["open"], None),
        unlearned=("truncation", runs["unlearned"], 0.0), half=("truncation", [*runs["half"], run(1, group="half")], 0.5),
    )  # fmt: skip
    found = score.score(tmp_path, finished[:-1])
    assert (found.total.right, found.total.of, found.waiting) == (1, 2, 1)
    assert [row.group for row in found.misses] == ["wrong"]
    assert [row.group for row in found.undetermined] == ["open"]
    assert found.confusion == {
        ("truncation", "truncation"): 1, ("fails", "exact"): 1, ("undetermined", "truncation"): 1, ("truncation", observed.NOT_LEARNED): 1
    }  # fmt: skip
    assert found.accuracies == score.Accuracies(4, 2, 0.25, 0.5, "wrong, length 4")
    text = score.score_markdown(found)
    assert "1 of 2 decided groups did as predicted (50%; 95 % interval 1% to 99%)." in text
    assert "| rule: r | 1 of 2 | 1% to 99% |" in text
    assert [(tally.right, tally.of) for tally in found.reach] == [(0, 0), (1, 2)]
    assert "0 of 0 groups predicted to be are (0% to 100%), and 1 of 2 predicted not to be are not (1% to 99%)." in text
    said = "Of 1 groups predicted to truncate, 1 agree with the truncated function on half of the answers at n+1 or more (100% the least"
    assert said in text
    assert "| wrong | a + b, base 10, absolute, padded | fails | exact | 100 % | 100 % |" in text
    assert json.loads(score.score_json(found))["decided"]["of"] == 2
    assert score.score(tmp_path, finished, "ri*").waiting == 0
    with pytest.raises(InputError, match="no registered group matches 'x'"):
        score.score(tmp_path, [], "x")


LATER = (("short", 5_000, 1600), ("longer", 29_999, 1800), ("late", 30_000, 2000))  # group, steps, lines of 2,000 as truncated


def test_the_score_tells_short_training_from_long(tmp_path: Path) -> None:
    """By encoding, where its networks were trained for very different times."""
    trained = {"short": 9_999, "longer": 29_999, "late": 30_000}
    groups = {name: [run(s, group=name, steps=steps) for s in range(2)] for name, steps in trained.items()}
    groups["unlearned"] = [run(s, group="unlearned", steps=100, identical=0) for s in range(2)]
    finished = registered(tmp_path, **{name: ("exact" if name == "short" else "truncation", runs, None) for name, runs in groups.items()})

    def told(pattern: str) -> list[str]:
        lines = score.score_markdown(score.score(tmp_path, finished, pattern)).splitlines()
        return [line.rpartition(" |")[0].rpartition(" |")[0] for line in lines if "steps" in line]

    names = "below 10,000 steps | 0 of 1", "10,000 to 29,999 steps | 1 of 1", "30,000 steps or more | 1 of 1"
    assert told("*") == [f"| absolute, {name}" for name in names]
    assert told("late") == told("unl*") == told("[lu]*[!r]") == []  # where nothing was learned, nothing is judged


def test_the_record_tells_late_networks_apart(tmp_path: Path) -> None:
    """A group counts under the rule that decides it after so many steps; long training bears on the limit as well."""
    groups = {name: [run(s, group=name, steps=steps, learned=learned) for s in range(2)] for name, steps, learned in LATER}
    finished = registered(tmp_path, **{name: ("truncation", runs, None) for name, runs in groups.items()})
    found = record_of(tmp_path, finished)
    assert {name: (seen.groups, seen.truncated) for name, seen in found.items()} == {
        "zeros only, drawn": (1, 0.8), "drawn in part": (2, None), "zeros only, keyed": (1, 1.0)
    }  # fmt: skip
    learned = "1 group of small networks that learned their task"
    assert found["zeros only, keyed"].text == f"{learned}: 1 truncation; at n+1 right on 0.0%, as truncated on 100.0% (medians)"


def test_only_networks_trained_under_their_registration_are_scored(tmp_path: Path) -> None:
    """Planted: a good network that was never registered, or trained before it was, stands in for one that is missing."""
    named = [run(s, group="g") for s in range(2)]
    first, second = registered(tmp_path, g=("truncation", named, 0.0))
    foreign = trained(run(7, group="g"), tmp_path, first.result["predictions"])
    assert score.score(tmp_path, [first, second]).waiting == 0
    for standing_in in (foreign, trained(named[1], tmp_path, None)):
        found = score.score(tmp_path, [first, standing_in])
        assert (found.waiting, found.rows) == (1, ())
        ((_, _, _, cell, _),) = observed.exact_points(observed.registered_groups(tmp_path), [first, standing_in])
        assert cell.examples == 2000
    with pytest.raises(InputError, match="its registered predictions were edited since"):
        score.score(tmp_path, [first, trained(named[1], tmp_path, "0" * 64)])


def test_a_claim_on_the_score_lists_what_it_counts(tmp_path: Path) -> None:
    finished = registered(tmp_path, right=("truncation", [run(s, group="right") for s in range(2)], 0.0))
    (tmp_path / finished[0].spec.digest).mkdir()
    (tmp_path / finished[0].spec.digest / "weights.sha256").touch()
    said = claim(evidence={"score": "ri*"}, decision={"rule": "at_least", "alpha": 0.05, "threshold": 0.01, "min_examples": 1})
    (verdict,) = decide(said, finished)
    digests = [one.spec.digest for one in finished]
    assert verdict.evidence["groups"] == [{"group": "right", "predicted": "truncation", "observed": "truncation", "networks": digests}]
    assert "counts of 2 networks as committed, the weights of 1 of them left out of the store" in verdict.detail


# ---------------------------------------------------------------------------------------------------------------- ledger


def note(path: Path, verdicts: list[Verdict], claims: list[Claim] = CLAIMS) -> None:
    ledger.append(path, ledger.entry(replace(LOADED, claims=tuple(claims)), verdicts, PROVENANCE))


def changed(path: Path) -> list[tuple[str, str]]:
    return [(change.claim, change.what) for change in ledger.changes(ledger.read(path))]


def test_the_ledger_tells_what_changed(verdicts: list[Verdict], tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.jsonl"
    note(path, verdicts)
    with pytest.raises(InputError, match="holds no two runs"):
        ledger.changes(ledger.read(path))
    note(path, verdicts)
    assert changed(path) == []
    note(path, [replace(verdicts[0], verdict=REFUTED), *verdicts[1:]])
    assert changed(path) == [("c", "verdict")]
    note(path, [replace(verdicts[0], verdict=REFUTED, evidence={"runs": []}), *verdicts[1:]])
    assert changed(path) == [("c", "evidence")]
    note(path, verdicts[:1], CLAIMS)  # one claim alone: the others are not gone
    assert changed(path) == [("c", "verdict")]
    note(path, verdicts[1:], CLAIMS[1:])
    assert changed(path) == [("c", "removed")]
    note(path, verdicts[1:], [CLAIMS[1].model_copy(update={"statement": "another"}), *CLAIMS[2:]])
    assert changed(path) == [("d", "claim")]
    note(path, verdicts)
    assert ("c", "new") in changed(path)


def test_what_is_drawn_anew_each_time_is_no_change(verdicts: list[Verdict]) -> None:
    other = json.loads(json.dumps(verdicts[0].evidence))
    other["runs"][0]["evaluated_again"][0]["correct"] -= 1
    assert ledger.digest(ledger.lasting(other)) == ledger.digest(ledger.lasting(verdicts[0].evidence))
    assert verdicts[0].verdict == SUPPORTED


@pytest.mark.parametrize("line", ["{", "[]", "null", '{"verdicts": {"a": 1}}', '{"verdicts": {}}', "[" * 5000])
def test_a_broken_ledger_is_named_by_line(verdicts: list[Verdict], tmp_path: Path, line: str) -> None:
    path = tmp_path / "ledger.jsonl"
    note(path, verdicts)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=r"ledger\.jsonl:2: no entry of the ledger"):
        ledger.read(path)
    with pytest.raises(InputError, match="arith-verify all writes it"):
        ledger.read(tmp_path / "none")
    with pytest.raises(InputError, match="name a ledger"):
        ledger.append(path / "below", {})

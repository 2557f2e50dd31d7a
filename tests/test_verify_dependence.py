"""Claims that rest on other claims: what the file may say, what lint finds, and what a reader is told when a foundation falls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_verify_claims import GOOD
from tests.test_verify_engine import claim, decide, run, table
from theory.errors import InputError
from verify.claims.dependence import foundations, misplaced, shaken
from verify.claims.lint import problems
from verify.claims.schema import ROOT, Claim, Loaded, TableEvidence, load_claims
from verify.reports.formats import markdown
from verify.reports.html import html_report
from verify.reports.text import make_console, print_claim, print_verdicts
from verify.verdicts.engine import Verdict
from verify.verdicts.statistics import INCONCLUSIVE, REFUTED, SUPPORTED

PROVENANCE = {"sha256": "0" * 64, "evidence_sha256": "1" * 64, "seed": 1, "examples": 200, "sample": True}


def chain(**needs: tuple[str, ...]) -> list[Claim]:
    return [claim(id=name, statement=f"statement {name}", depends_on=below or None) for name, below in needs.items()]


def test_foundations_reach_through_others_and_each_once() -> None:
    found = foundations(chain(a=("b", "c"), b=("d",), c=("d",), d=(), e=("a",)))
    assert found == {"a": ["b", "c", "d"], "b": ["d"], "c": ["d"], "d": [], "e": ["a", "b", "c", "d"]}


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ({"c-1": ["c-1"]}, "c-1 depends on itself: c-1 depends on c-1"),
        ({"c-1": ["c-2"], "c-2": ["c-3"], "c-3": ["c-1"]}, "c-1 depends on itself: c-1 depends on c-2 depends on c-3 depends on c-1"),
        ({"c-3": ["c-2", "none"]}, "unknown claim 'none'"),
    ],
)
def test_circles_and_unknown_claims_are_refused(tmp_path: Path, needs: dict[str, list[str]], words: str) -> None:
    head, _, block = GOOD.partition("claims:\n")
    one = block[: block.find("  - id:", 5)] if "  - id:" in block[5:] else block
    first = one.split("\n")[0]
    text = head + "claims:\n"
    for number in (1, 2, 3):
        text += one.rstrip("\n").replace(first, f"  - id: c-{number}") + "\n"
        if below := needs.get(f"c-{number}"):
            text += f"    depends_on: [{', '.join(below)}]\n"
    path = tmp_path / "paper_claims.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        load_claims(path)
    assert words in str(refused.value)
    assert str(refused.value).startswith("paper_claims.yaml:")


def verdicts(**found: str) -> list[Verdict]:
    return [Verdict(name, "F", "empirical", verdict, "as seen", {}) for name, verdict in found.items()]


def test_only_the_supported_are_shaken_and_only_by_the_refuted() -> None:
    loaded = Loaded(Path("x.yaml"), "0" * 64, tuple(chain(a=("b",), b=("c",), c=(), d=("c",), e=("f",), f=())))
    given = verdicts(a=SUPPORTED, b=SUPPORTED, c=REFUTED, d=INCONCLUSIVE, e=SUPPORTED, f=INCONCLUSIVE)
    words = "supported, though it rests on what is refuted: c"
    assert shaken(loaded, given) == {"a": words, "b": words}
    assert shaken(loaded, given[:2]) == {}  # c was not decided


def test_every_report_says_what_a_verdict_rests_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claims = [
        claim(id="far", statement="far", depends_on=("near",), evidence={"runs": {"group": "g"}, "measure": "learned", "lengths": "2n"}),
        claim(id="near", statement="near", evidence={"runs": {"group": "h"}, "measure": "learned", "lengths": "n+1"}),
    ]
    loaded = Loaded(Path("x.yaml"), "0" * 64, tuple(claims))
    runs = [run(seed) for seed in range(3)] + [run(seed, learned=0, group="h", encoding="none") for seed in range(3)]
    given = decide(claims, runs)
    assert [one.verdict for one in given] == [SUPPORTED, REFUTED]
    words = "supported, though it rests on what is refuted: near"
    page = html_report(loaded, given, PROVENANCE, runs, tmp_path)
    assert f'<p class="shaken">✗ {words}</p>' in page
    assert '<a href="#near">near</a> (refuted)' in page
    assert words in markdown(loaded, given, PROVENANCE)
    print_verdicts(make_console(), loaded, given)
    print_claim(make_console(), claims[1], claims)
    print_claim(make_console(), claims[0], claims)
    shown = capsys.readouterr().out
    assert words in " ".join(shown.split())
    assert "needed by  far" in shown
    assert "depends_on  near" in shown


def test_lint_finds_dependences_that_cannot_be_meant() -> None:
    proven = {"kind": "theorem", "scale": "symbolic", "decision": {"rule": "proof"}}
    check = {"check": "modular_multiplication_limit", "params": {"moduli": [3], "reciprocal": False}}
    a, reading, c = chain(a=("reading-b", "c"), **{"reading-b": ("c",)}, c=())
    theorem = claim(id="t", depends_on=("c",), evidence=check, **proven)
    assert misplaced([a, reading, c, theorem]) == [
        "claim a depends on reading-b, a reading that is expected to be refuted",
        "claim a depends on c already through reading-b",
        "claim t is proven, so it cannot depend on c, which networks decide",
    ]


def test_lint_finds_a_published_row_of_a_task_that_nobody_knows(tmp_path: Path) -> None:
    row = table("at_least", [99.9, 99.8], threshold=0.95)
    assert problems(Loaded(tmp_path / "x.yaml", "0" * 64, (row,)), []) == []
    for name, words in (("mod-ad", "claim c: unknown task 'mod-ad'"), ("add", "claim c: ")):  # add takes no modulus
        assert isinstance(row.evidence, TableEvidence)
        evidence = row.evidence.model_copy(update={"table": row.evidence.table.model_copy(update={"task": name})})
        other = row.model_copy(update={"evidence": evidence})
        (found,) = problems(Loaded(tmp_path / "x.yaml", "0" * 64, (other,)), [])
        assert found.startswith(words)


def test_our_own_claims_stand_on_one_another_and_in_order() -> None:
    claims = load_claims(ROOT / "paper_claims.yaml").claims
    assert misplaced(claims) == []
    below = foundations(claims)
    assert below["p2-7-contrast"][:2] == ["p2-6-relative-addition", "p2-7-relative-multiplication"]
    assert "p2-5-addition-invariant" in below["p2-7-contrast"]

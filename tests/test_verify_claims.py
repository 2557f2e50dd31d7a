"""The claims file: what is accepted, and that everything else is one line with its place."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.errors import InputError
from verify.claims.schema import ROOT, load_claims, resolve_lengths
from verify.claims.yamlfile import MAX_BYTES, read_yaml

OURS = ROOT / "paper_claims.yaml"

GOOD = """\
version: 1
claims:
  - id: first
    family: P1
    source: {paper: P1, version: v1, location: statement 1}
    quoted: false
    statement: something holds
    kind: empirical
    scale: reduced
    quantity: exact match
    population: some networks
    prediction: at least 95 %
    decision: {rule: at_least, alpha: 0.05, threshold: 0.95, min_seeds: 3, min_examples: 1000}
    evidence: {runs: {group: some}, measure: truth, lengths: n+1}
  - id: second
    family: P2
    source: {paper: P2, version: v1, location: statement 5}
    quoted: false
    statement: another thing holds
    kind: theorem
    scale: symbolic
    quantity: limit
    population: all
    prediction: not 1/p'
    decision: {rule: proof}
    evidence: {check: modular_multiplication_limit, params: {moduli: [3], reciprocal: false}}
"""

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str | bytes) -> Path:
        path = tmp_path / "paper_claims.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return put


def test_good_file(write: Write) -> None:
    loaded = load_claims(write(GOOD))
    assert [claim.id for claim in loaded.claims] == ["first", "second"]
    assert re.fullmatch(r"[0-9a-f]{64}", loaded.sha256)


def test_ours_covers_every_statement_of_both_papers() -> None:
    claims = load_claims(OURS).claims
    assert len(claims) >= 20
    statements = {
        int(match) for claim in claims for match in re.findall(r"\d+", claim.id.split("-")[1]) if claim.id.startswith(("p1-", "p2-"))
    }
    assert statements == set(range(1, 12))
    assert {claim.source.paper for claim in claims} == {"P1", "P2", "ours"}
    ids = {claim.id for claim in claims}
    assert all(claim.refines is None or claim.refines in ids for claim in claims)


#: (what is replaced in GOOD, by what, line, words of the message)
BROKEN = [
    ("rule: at_least, alpha: 0.05, threshold: 0.95", "rule: equals, alpha: 0.05, margin: 0.1, expected: '1e999999999'", 13, "no number"),
    ("rule: at_least, alpha: 0.05, threshold: 0.95", "rule: equals, alpha: 0.05, margin: 0.1, expected: '1/0'", 13, "no number"),
    ("version: 1", "version: 2", 1, "version"),
    ("    family: P1\n", "", 3, "family: Field required"),
    ("quoted: false\n    statement: something holds", "quoted: no\n    statement: something holds", 6, "quoted"),
    ("id: first", "id: First one", 3, "id"),
    ("id: second", "id: first", 15, "duplicate id 'first', first used in line 3"),
    ("    kind: empirical", "    kind: empirical\n    kind: theorem", 9, "duplicate key"),
    ("    kind: empirical", "    kind: guess", 8, "kind"),
    ("    kind: empirical", "    kind: empirical\n    colour: red", 9, "colour: Extra inputs are not permitted"),
    ("alpha: 0.05", "alpha: '0.05'", 13, "decision.alpha"),
    ("alpha: 0.05", "alpha: .nan", 13, "decision.alpha"),
    ("alpha: 0.05", "alpha: 2", 13, "decision.alpha"),
    ("threshold: 0.95, ", "", 3, "needs threshold"),
    ("threshold: 0.95", "threshold: 0.95, margin: 0.1", 3, "takes no margin"),
    ("rule: at_least", "rule: exact", 13, "decision.rule"),
    ("rule: at_least", "rule: goodness_of_fit", 3, "goes with table evidence, not with runs"),
    (  # a network that does nothing of the kind would support it
        "at_least, alpha: 0.05, threshold: 0.95, min_seeds: 3, min_examples: 1000}\n    evidence: {runs: {group: some}, measure: truth",
        "at_most, alpha: 0.05, threshold: 0.8, min_examples: 50}\n    evidence: {probes: {group: some}, measure: keys of zeros",
        3, "not with probes",
    ),
    ("rule: at_least, alpha: 0.05, threshold: 0.95", "rule: compare, alpha: 0.05, margin: 0.0", 3, "`than` go together"),
    (
        "rule: at_least, alpha: 0.05, threshold: 0.95",
        "rule: equals, alpha: 0.05, margin: 0.1, expected: guess",
        13,
        "none of truncation_accuracy",
    ),
    ("rule: at_least, alpha: 0.05, threshold: 0.95", "rule: equals, alpha: 0.05, margin: 0.1, expected: 3/2", 13, "not between 0 and 1"),
    ("scale: reduced", "scale: symbolic", 3, "scale symbolic and check evidence go together"),
    ("kind: empirical", "kind: table", 3, "kind table and table evidence go together"),
    ("group: some", "group: pilot-some", 14, "pilot runs are never evidence"),
    ("lengths: n+1", "lengths: 6-4", 14, "is reversed"),
    ("    kind: empirical", "    registration: {date: '2026-19-39', commit: abcdef1}\n    kind: empirical", 8, "month must be in 1..12"),
    ("    kind: empirical", "    assumptions: [A1, A1]\n    kind: empirical", 8, "unknown assumption 'A1'"),
    ("    kind: empirical", "    depends_on: [second, second]\n    kind: empirical", 8, "second is named twice"),
    ("    kind: empirical", "    refines: first\n    kind: empirical", 8, "first refines itself: first refines first"),
    ("statement: something holds", 'statement: "\\e[31m something holds"', 7, "String should match pattern"),
    ("lengths: n+1", "lengths: m+1", 14, "relative to the longest"),
    ("measure: truth", "measure: luck", 14, "evidence.measure"),
    ("runs: {group: some}", "run: {group: some}", 14, "one of the keys check, runs, probes, score, certificates, pairs, table, pending"),
    ("check: modular_multiplication_limit", "check: nothing", 26, "unknown check 'nothing'"),
    ("moduli: [3]", "modulus: 3", 26, "moduli: Field required"),
    ("moduli: [3]", "moduli: [1]", 26, "moduli.0"),
    ("statement: something holds", "statement: &x something holds", 7, "anchors and aliases"),
    ("statement: something holds", "statement: *x", 7, "anchors and aliases"),
    ("statement: something holds", "statement: !!python/name:os.system x", 7, "tags are not read"),
    ("statement: something holds", "statement: [unclosed", 8, "expected"),
    ("statement: something holds", "statement: " + "9" * 5000, 1, "not readable"),
    ("statement: something holds", "statement: 2001-99-99", 1, "not readable"),
    ("statement: something holds", "statement: " + "[" * 50 + "]" * 50, 7, "nested more than"),
    ("statement: something holds", "statement: a\x07b", 1, "not allowed"),
]


@pytest.mark.parametrize(("old", "new", "line", "words"), BROKEN, ids=[f"{index}-{row[3][:20]}" for index, row in enumerate(BROKEN)])
def test_one_line_with_its_place(write: Write, old: str, new: str, line: int, words: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError) as error:
        load_claims(write(GOOD.replace(old, new, 1)))
    message = str(error.value)
    assert message.startswith(f"paper_claims.yaml:{line}: "), message
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"# only a comment\n",
        b"[]",
        b"text",
        b"\xff\xfe\x00",
        b"a: 1\n---\nb: 2\n",
        b"? {a: 1}\n: 2\n",
        b"- " * 400,
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_files_that_are_no_claims(write: Write, raw: bytes) -> None:
    with pytest.raises(InputError, match=r"^paper_claims\.yaml:\d+: [^\n]+$"):
        load_claims(write(raw))


def test_the_only_claim_of_a_file_is_refused_for_what_is_wrong_with_it(write: Write) -> None:
    """Not for the list of claims, which is empty without it."""
    alone = GOOD[: GOOD.index("  - id: second")].replace("measure: truth", "measure: beauty")
    with pytest.raises(InputError, match=r"^paper_claims\.yaml:14: claims\.0\.evidence\.measure: "):
        load_claims(write(alone))


def test_alias_bomb_is_refused_at_once(write: Write) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    started = time.monotonic()
    with pytest.raises(InputError, match="anchors and aliases"):
        load_claims(write(bomb))
    assert time.monotonic() - started < 2


def test_deep_nesting_is_refused_at_once(write: Write) -> None:
    started = time.monotonic()
    with pytest.raises(InputError, match="nested more than"):
        load_claims(write("[" * 900_000))
    assert time.monotonic() - started < 5


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--claims"):
        load_claims(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="--claims"):
        load_claims(tmp_path)


@given(st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        read_yaml(text.encode(errors="surrogatepass"), "f.yaml")
    except InputError as error:
        assert re.match(r"f\.yaml:\d+: ", str(error))  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017


@given(st.integers(0, len(GOOD) - 1), st.text(max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_edit_of_a_good_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, at: int, text: str) -> None:
    path = tmp_path_factory.mktemp("edit") / "paper_claims.yaml"
    path.write_bytes((GOOD[:at] + text + GOOD[at + len(text) :]).encode(errors="surrogatepass"))
    try:
        load_claims(path)
    except InputError as error:
        assert re.match(r"paper_claims\.yaml:\d+: [^\n]+$", str(error))  # noqa: PT017


@pytest.mark.parametrize(("text", "lengths"), [("n+1", (4,)), ("2n, n", (3, 6)), ("n+1,2n,30", (4, 6, 30)), ("1-3,5", (1, 2, 3, 5))])
def test_relative_lengths(text: str, lengths: tuple[int, ...]) -> None:
    assert resolve_lengths(text, 3) == lengths


@pytest.mark.parametrize("text", ["", "n-1", "0n", "n+", "3-1", "x", "5000"])
def test_bad_lengths(text: str) -> None:
    with pytest.raises(InputError):
        resolve_lengths(text, 3)

"""Live checks: each true statement is supported, each false one is not, and nothing is concluded from nothing."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from importlib import import_module
from itertools import product
from typing import Any

import pytest

from theory.language.domains import boxes
from verify.checks import REGISTRY, WRONG, CheckResult, exact, parameter_problem, proofs, registry, run_check
from verify.checks.certificates import certify_claim
from verify.claims.schema import ROOT, load_claims
from verify.verdicts.statistics import INCONCLUSIVE, REFUTED, SUPPORTED

#: (check, parameters of a true statement, changes that make it false); the false one is the negative control
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("translation_invariant", {"expr": "a + b", "bases": [2, 10], "expected": True}, {"expected": False}),
    ("translation_invariant", {"expr": "7*a + b", "bases": [3], "expected": True}, {"expected": False}),
    ("translation_invariant", {"expr": "a * b", "bases": [3], "expected": False}, {"expected": True}),
    ("depends_on_low_digits", {"operation": "add", "moduli": [50, 100], "base": 10, "digits": 2}, {"moduli": [50, 101]}),
    ("depends_on_low_digits", {"operation": "mul", "moduli": [200], "base": 10, "digits": 3}, {"digits": 2}),
    ("needs_every_digit", {"operation": "mul", "moduli": [51, 150], "base": 10}, {"moduli": [51, 160]}),
    ("top_digit_zero_is_trained", {"domain": "either", "base": 5, "digits": 3, "expected": True}, {"domain": "both"}),
    ("relative_offsets_constant", {"layout": "aligned", "base": 10, "widths": [6], "expected": True}, {"layout": "padded"}),
    ("relative_offsets_constant", {"layout": "interleaved", "base": 10, "widths": [6], "expected": True}, {"expected": False}),
    ("modular_addition_is", {"p": 150, "base": 10, "trained": 4, "lengths": "5-9", "domains": ["both"], "value": "1/3"}, {"value": "1/2"}),
    ("modular_addition_tends_to_reciprocal", {"moduli": [51, 150], "base": 10, "trained": 4}, {"of": "p"}),
    (
        "modular_addition_near_reciprocal",
        {"moduli": [151], "base": 10, "trained": 4, "domains": ["either", "both"], "factor": 2.0},
        {"moduli": [197]},
    ),
    ("modular_addition_threshold", {"below": 60, "base": 10, "trained": 2}, {"threshold": "p' + 1"}),
    ("modular_multiplication_limit", {"moduli": [3, 51], "reciprocal": False}, {"reciprocal": True}),
    ("truncated_multiplication_is_rarely_right", {"bases": [2, 10], "trained": 2, "ahead": 2}, {"value": "0"}),
    ("truncated_addition_is_right", {"base": 10, "trained": 4, "lengths": "5", "domains": ["sampler"], "value": "0"}, {"value": "1/100"}),
    (
        "released_count_is",
        {"operation": "add", "p": 151, "base": 10, "trained": 4, "length": 7, "count": 658800000000},
        {"count": 658800000001},
    ),
    ("released_count_is", {"operation": "mul", "p": 51, "base": 10, "trained": 2, "length": 3, "count": 19386}, {"p": 53}),
]


@pytest.mark.parametrize(("name", "params", "change"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_true_statements_are_supported_and_false_ones_refuted(name: str, params: dict[str, Any], change: dict[str, Any]) -> None:
    if name == "released_count_is" and params["operation"] == "mul":
        pairs = product(range(100, 1000), repeat=2)
        params = {**params, "count": sum((a * b - (a % 100) * (b % 100)) % 51 == 0 for a, b in pairs)}
    result = run_check(name, params)
    assert result.verdict == SUPPORTED, result.detail
    assert run_check(name, {**params, **change}).verdict == REFUTED
    assert run_check(name, WRONG[name](params)).verdict == REFUTED


def test_every_check_has_a_case_and_a_claim() -> None:
    claimed = {claim.evidence.check for claim in load_claims(ROOT / "paper_claims.yaml").claims if hasattr(claim.evidence, "check")}
    assert set(REGISTRY) == {name for name, _, _ in CASES} == claimed


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("modular_addition_tends_to_reciprocal", CASES[10][1]),
        ("modular_addition_threshold", CASES[12][1]),
        ("modular_addition_is", CASES[9][1]),
    ],
)
def test_a_wrong_count_is_never_support(monkeypatch: pytest.MonkeyPatch, name: str, params: dict[str, Any]) -> None:
    """Theorems without a false twin: a planted bug in the counting must surface."""
    right = exact.residue_counts

    def wrong(low: int, high: int, p: int) -> list[int]:
        counts = right(low, high, p)
        return [counts[0] + 5 * p, *counts[1:]]

    monkeypatch.setattr(exact, "residue_counts", wrong)
    with contextlib.suppress(RuntimeError):
        assert run_check(name, params).verdict != SUPPORTED


@pytest.mark.parametrize(
    ("attribute", "name", "params"),
    [
        ("truncation_accuracy", "truncated_multiplication_is_rarely_right", CASES[14][1]),
        ("truncation_accuracy", "modular_addition_is", CASES[9][1]),
        ("modular_mul_limit", "modular_multiplication_limit", CASES[13][1]),
        ("modular_threshold", "modular_addition_threshold", CASES[12][1]),
        ("box_agreements", "released_count_is", CASES[16][1]),
    ],
)
def test_a_wrong_engine_is_noticed(monkeypatch: pytest.MonkeyPatch, attribute: str, name: str, params: dict[str, Any]) -> None:
    monkeypatch.setattr(exact, attribute, lambda *arguments: Fraction(1, 7))
    with pytest.raises(RuntimeError, match=r"theory\.exact\.accuracy"):
        run_check(name, params)


def test_a_wrong_property_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = import_module("theory.proofs.properties")  # theory.proofs.properties is the function
    monkeypatch.setattr(properties, "translation_invariance", lambda task: properties.Property(False, "planted"))
    with pytest.raises(RuntimeError, match=r"theory\.proofs\.properties"):
        run_check("translation_invariant", CASES[0][1])


def test_a_check_of_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "empty", lambda: CheckResult(SUPPORTED, "all zero cases hold", 0))
    with pytest.raises(RuntimeError, match="examined 0 cases"):
        run_check("empty", {})


def test_a_finite_search_never_supports() -> None:
    assert registry.searched("", "1000", 1000).verdict == INCONCLUSIVE
    assert "1000" in registry.searched("", "1000", 1000).detail
    assert registry.searched("a = 3", "1000", 4).verdict == REFUTED


@pytest.mark.parametrize("domain", ["either", "both", "sampler"])
@pytest.mark.parametrize(("p", "base"), [(7, 2), (6, 3), (12, 10), (11, 10)])
def test_counting_residues_equals_enumeration(p: int, base: int, domain: str) -> None:
    for trained, length in ((1, 2), (1, 3), (2, 3)):
        if base**length > 200:
            continue
        power, expected = base**trained, Fraction(0)
        for box in boxes(domain, length, base):
            pairs = list(product(range(*box.a.range(base)), range(*box.b.range(base))))
            right = sum((a + b) % p == (a % power + b % power) % p for a, b in pairs)
            expected += box.weight * Fraction(right, len(pairs))
        assert exact.modular_addition_accuracy(p, base, trained, length, domain) == expected


def test_start_state_that_is_never_reached_again() -> None:
    """a + b + 1 starts with a carry and can return to it; 0*a + b + 1 too; a constant alone never returns."""
    assert proofs._carry_machine(1, 1, 1, 10)[0]
    assert not proofs._carry_machine(0, 0, 7, 10)[0]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"moduli": [3]}, "reciprocal"),
        ({"moduli": [3], "reciprocal": False, "extra": 1}, "extra"),
        ({"moduli": [10**9], "reciprocal": False}, "moduli.0"),
        ({"moduli": ["3"], "reciprocal": False}, "moduli.0"),
        ({"moduli": [], "reciprocal": False}, "moduli"),
    ],
)
def test_bad_parameters(params: dict[str, Any], word: str) -> None:
    assert word in parameter_problem("modular_multiplication_limit", params)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("translation_invariant", {"expr": "a * a", "bases": [10], "expected": True}),
        ("modular_addition_is", {"p": 150, "base": 10, "trained": 4, "lengths": "3", "domains": ["both"], "value": "1"}),
        ("modular_addition_near_reciprocal", {"moduli": [100], "base": 10, "trained": 2, "domains": ["both"], "factor": 2.0}),
        ("released_count_is", {"operation": "mul", "p": 51, "base": 10, "trained": 5, "length": 6, "count": 1}),
        ("released_count_is", {"operation": "add", "p": 51, "base": 10, "trained": 5, "length": 5, "count": 1}),
    ],
)
def test_what_a_check_cannot_answer_it_refuses(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        run_check(name, params)


def test_a_check_that_takes_too_long_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> CheckResult:
        while True:
            pass

    monkeypatch.setitem(REGISTRY, "slow", slow)
    result = run_check("slow", {}, seconds=0.05)
    assert (result.verdict, result.detail) == (INCONCLUSIVE, "not decided within 0.05 s")


@pytest.mark.parametrize("claim_id", ["p2-5-addition-invariant", "p2-9-every-digit-needed", "table-count-add-151"])
def test_certificates_are_checked_again(claim_id: str) -> None:
    claim = next(one for one in load_claims(ROOT / "paper_claims.yaml").claims if one.id == claim_id)
    result, found = certify_claim(claim)
    assert result.verdict == SUPPORTED
    assert all(one.rechecked for one in found)
    assert bool(found) == (claim_id != "table-count-add-151")


def test_a_wrong_proof_object_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    from theory.proofs.smt import EveryBaseLinear

    monkeypatch.setattr(EveryBaseLinear, "check", lambda self: False)
    with pytest.raises(RuntimeError, match="z3 does not prove"):
        run_check("translation_invariant", CASES[0][1])

"""Live checks of exact accuracies: the theory engine against proofs and against a second way of counting."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import gcd
from typing import Annotated, Any, Literal

from pydantic import Field

from theory.exact.accuracy import box_agreements, modular_mul_limit, modular_threshold, truncation_accuracy
from theory.language.domains import boxes, parse_lengths
from theory.language.tasks import make_task
from verify.checks.registry import Base, Bases, CheckResult, Digits, Domains, Moduli, Modulus, check, proven

Factor = Annotated[float, Field(gt=1, le=100)]
#: all products of residues are counted
FewModuli = Annotated[list[Annotated[int, Field(ge=2, le=1000)]], Field(min_length=1, max_length=50)]
Tally = Annotated[int, Field(ge=0)]
Ratio = Annotated[str, Field(pattern=r"^\d{1,12}(/[1-9]\d{0,12})?$")]
Lengths = Annotated[str, Field(max_length=40)]


def _other_ratio(params: Mapping[str, Any]) -> dict[str, Any]:
    return {**params, "value": "1/2" if params["value"] != "1/2" else "1/3"}


def residue_counts(low: int, high: int, p: int) -> list[int]:
    """How many integers in [low, high) leave each residue mod p."""
    return [(high - 1 - r) // p - (low - 1 - r) // p for r in range(p)]


def modular_addition_accuracy(p: int, base: int, trained: int, length: int, domain: str) -> Fraction:
    """P(truncated = true) for (a + b) mod p by convolving residue counts; a second way, independent of theory.exact.accuracy.

    a + b - (x + y) = M*(A + C), so agreement needs A + C = 0 mod p' for the high parts A, C, which in every box of a
    test length above the trained one are independent of the low parts.
    """
    power = base**trained
    reduced = p // gcd(p, power)
    total = Fraction(0)
    for box in boxes(domain, length, base):
        sides = [operand.range(base) for operand in (box.a, box.b)]
        if any(bound % power for side in sides for bound in side):
            raise ValueError(f"length {length} is not above the trained {trained}")
        counts = [residue_counts(low // power, high // power, reduced) for low, high in sides]
        hits = sum(count * counts[1][-r % reduced] for r, count in enumerate(counts[0]))
        total += box.weight * Fraction(hits, sum(counts[0]) * sum(counts[1]))
    return total


def _computed(p: int, base: int, trained: int, length: int, domain: str) -> Fraction:
    """The exact accuracy of truncated addition mod p, computed in two ways that must agree."""
    value = modular_addition_accuracy(p, base, trained, length, domain)
    if (said := truncation_accuracy(make_task("mod-add", base=base, modulus=p), trained, length, domain)) != value:
        raise RuntimeError(f"theory.exact.accuracy says {said} for p = {p}, m = {length}, {domain}; counting residues gives {value}")
    return value


@check(wrong=_other_ratio)
def modular_addition_is(p: Modulus, base: Base, trained: Digits, lengths: Lengths, domains: Domains, value: Ratio) -> CheckResult:
    """The truncated addition mod p is right with exactly this probability, at each of these lengths and domains."""
    cases = [(length, domain) for length in parse_lengths(lengths) for domain in domains]
    wrong = [(length, domain, got) for length, domain in cases if (got := _computed(p, base, trained, length, domain)) != Fraction(value)]
    if wrong:
        length, domain, got = wrong[0]
        return proven(False, f"length {length}, {domain}: exactly {got} = {float(got):.6f}, not {value}", len(cases))
    return proven(True, f"exactly {value} in all {len(cases)} cases, two ways of counting", len(cases))


@check(wrong=lambda params: {**params, "moduli": [3 * params["base"]], "of": "p"})
def modular_addition_tends_to_reciprocal(
    moduli: Moduli, base: Base, trained: Digits, of: Literal["p'", "p"] = "p'"
) -> CheckResult:
    """The accuracy of truncated addition mod p tends to 1/p' as the test length grows, p' = p / gcd(p, B^n); or does it to 1/p?

    z3 proves for each p' that an interval of N integers holds N/p' of each residue up to less than 1. So each box
    differs from 1/p' by at most 1/N, N >= B^(m-n-1) the size of the smaller range of high parts; that goes to 0.
    """
    reduced = sorted({modulus // gcd(modulus, base**trained) for modulus in moduli})
    examined = 0
    for p in reduced:
        _prove_even_residues(p)
        for ahead in range(1, 12):
            for domain in ("either", "both"):
                gap = abs(modular_addition_accuracy(p, base, trained, trained + ahead, domain) - Fraction(1, p))
                if gap > Fraction(1, base ** (ahead - 1)):
                    raise RuntimeError(f"p' = {p}: the bound fails at m = n + {ahead} on {domain}")
                examined += 1
    shown = ", ".join(map(str, reduced))
    if of == "p" and (shrunk := [modulus for modulus in moduli if gcd(modulus, base**trained) > 1]):
        return proven(False, f"p = {shrunk[0]}: the limit is 1/{shrunk[0] // gcd(shrunk[0], base**trained)}, not 1/{shrunk[0]}", examined)
    return proven(True, f"|accuracy - 1/p'| <= {base}^-(m-n-1), residue counts proven even by z3 for p' = {shown}", examined)


def _prove_even_residues(p: int) -> None:
    import z3

    low, high, r = z3.Ints("low high r")
    count = (high - 1 - r) / p - (low - 1 - r) / p
    gap = p * count - (high - low)
    solver = z3.Solver()
    solver.set("timeout", 20_000)
    solver.add(low <= high, r >= 0, r < p, z3.Or(gap >= p, gap <= -p))
    if solver.check() != z3.unsat:
        raise RuntimeError(f"z3 does not prove that residues mod {p} are even")


@check(wrong=lambda params: {**params, "moduli": [197 * params["base"] + 1], "factor": 1.000001})
def modular_addition_near_reciprocal(moduli: Moduli, base: Base, trained: Digits, domains: Domains, factor: Factor) -> CheckResult:
    """From m >= n + log_B(p'/2 + 1) on, is the accuracy within this factor of 1/p'?

    Exact for the lengths up to B^(m-n-1) >= p' / (1 - 1/factor); beyond, the bound of
    `modular_addition_tends_to_reciprocal` says yes.
    """
    examined = 0
    for modulus in moduli:
        reduced = modulus // gcd(modulus, base**trained)
        if reduced == 1:
            raise ValueError(f"p = {modulus} divides {base}^{trained}: there is no p'")
        ahead = 1
        while base ** (ahead - 1) * (1 - 1 / factor) < reduced:
            if 2 * (base**ahead - 1) >= reduced:
                for domain in domains:
                    value = _computed(modulus, base, trained, trained + ahead, domain)
                    examined += 1
                    if not 1 / factor <= value * reduced <= factor:
                        ratio = float(value * reduced)
                        where = f"p = {modulus}, p' = {reduced}, m = {trained + ahead}, {domain}"
                        detail = f"{where}: {float(value):.6f} is {ratio:.3g} times 1/p'"
                        return proven(False, detail, examined)
            ahead += 1
    return proven(True, f"within a factor {factor:g} for {len(moduli)} moduli: {examined} exact values, a bound beyond", examined)


@check(wrong=lambda params: {**params, "threshold": "p' + 1"})
def modular_addition_threshold(
    below: Modulus, base: Base, trained: Digits, threshold: Literal["p'/2 + 1", "p' + 1"] = "p'/2 + 1"
) -> CheckResult:
    """The accuracy becomes non-zero at exactly the least m >= n + log_B(p'/2 + 1), on both domains; or at that of p' + 1?

    K = B^(m-n) bounds the high parts, whose sum lies in (0, 2K-2]. z3: below the threshold (2K - 2 < p') no multiple
    of p' is there; from it on either p' itself is a sum of two numbers of exactly m-n digits, or such sums span at
    least p' consecutive integers. Then every p' below a bound is compared with the engine and with counting.
    """
    import z3

    p, k, h, total = z3.Ints("p K h sum")  # h = K / B, so K >= 2h; numbers of exactly m-n digits are [h, K)
    setting = z3.And(p >= 2, h >= 1, k >= 2 * h)
    for bad in (
        z3.And(2 * k - 2 < p, total > 0, total <= 2 * k - 2, total >= p),
        z3.And(p <= 2 * k - 2, p >= 2 * h, z3.Not(z3.And(2 * h <= p, p <= 2 * (k - 1)))),
        z3.And(p <= 2 * k - 2, p < 2 * h, 2 * (k - 1) - 2 * h + 1 < p),
    ):
        solver = z3.Solver()
        solver.set("timeout", 20_000)
        solver.add(setting, bad)
        if solver.check() != z3.unsat:
            raise RuntimeError("z3 does not prove the threshold")
    examined = 0
    for modulus in range(2, below):
        reduced = modulus // gcd(modulus, base**trained)
        if reduced == 1:
            continue
        share = 2 if threshold == "p'/2 + 1" else 1
        ahead = next(k for k in range(1, 100) if share * (base**k - 1) >= reduced)
        for domain in ("either", "both"):
            values = [modular_addition_accuracy(modulus, base, trained, trained + k, domain) for k in range(1, ahead + 1)]
            examined += len(values)
            if any(values[:-1]) or not values[-1]:
                return proven(False, f"p = {modulus}, {domain}: accuracies {[str(x) for x in values]}", examined)
        if (said := modular_threshold(make_task("mod-add", base=base, modulus=modulus), trained)) != trained + ahead:
            raise RuntimeError(f"theory.exact.accuracy says threshold {said} for p = {modulus}, the proof says {trained + ahead}")
    return proven(True, f"z3 for all p'; {examined} exact values for p < {below} agree", examined)


@check(wrong=lambda params: {**params, "reciprocal": not params["reciprocal"]})
def modular_multiplication_limit(moduli: FewModuli, reciprocal: bool) -> CheckResult:
    """Is the limit accuracy of truncated multiplication mod p' 1/p'? Counted from all residues: P(ab = xy mod p')."""
    found, details = [], []
    for p in moduli:
        value = _product_collisions(p)
        if modular_mul_limit(p) != value:
            raise RuntimeError(f"theory.exact.accuracy gives the limit {modular_mul_limit(p)} for p' = {p}, counting gives {value}")
        found.append(value == Fraction(1, p))
        details.append(f"p' = {p}: {value} = {float(value):.5f}, 1/p' = {1 / p:.5f}")
    return proven(all(x is reciprocal for x in found), "; ".join(details), sum(p * p for p in moduli))


def _product_collisions(p: int) -> Fraction:
    """P(ab = xy mod p) for independent uniform residues, by counting every product."""
    import numpy as np

    residues = np.arange(p, dtype=np.int64)
    products = np.bincount((residues[:, None] * residues % p).ravel(), minlength=p)
    return Fraction(int((products**2).sum()), p**4)


@check(wrong=lambda params: {**params, "value": "0"})
def truncated_multiplication_is_rarely_right(
    bases: Bases,
    trained: Digits,
    ahead: Annotated[int, Field(ge=1, le=20)],
    value: Literal["2/(B^(m-1)(B+1))", "0"] = "2/(B^(m-1)(B+1))",
) -> CheckResult:
    """Truncated multiplication is right on D_m, m > n, with probability 2 / (B^(m-1)(B+1)), and never on D_abm; or is it 0 on both?

    sympy: a*b - x*y = M*(A*b + x*C), a sum of terms >= 0, so it is 0 only if an operand is 0 (A or C is not). Pairs
    of D_m with a 0: 2*(B^m - B^(m-1)) of B^(2m) - B^(2m-2).
    """
    import sympy

    high_a, high_b, x, y, power, base, top = sympy.symbols("A C x y M B T", positive=True)
    a, b = high_a * power + x, high_b * power + y
    if sympy.expand(a * b - x * y - power * (high_a * b + x * high_b)) != 0:
        raise RuntimeError("the identity a*b - x*y = M*(A*b + x*C) does not hold")
    share = 2 * (base * top - top) / (base**2 * top**2 - top**2)  # T = B^(m-1)
    if sympy.simplify(share - 2 / (top * (base + 1))) != 0:
        raise RuntimeError("the share of pairs with a zero is another")
    examined = 0
    for number in bases:
        task = make_task("mul", base=number)
        for length in range(trained + 1, trained + ahead + 1):
            got = truncation_accuracy(task, trained, length, "either"), truncation_accuracy(task, trained, length, "both")
            examined += 2
            if got != (Fraction(2, number ** (length - 1) * (number + 1)), Fraction(0)):
                raise RuntimeError(f"theory.exact.accuracy gives {got} in base {number} at m = {length}")
    if value == "0":
        return proven(False, f"a = 0 and any b of {trained + 1} digits: the truncated product is 0, which is right", examined)
    return proven(True, f"proven by sympy for every base; {examined} exact values agree", examined)


@check(wrong=_other_ratio)
def truncated_addition_is_right(base: Base, trained: Digits, lengths: Lengths, domains: Domains, value: Ratio) -> CheckResult:
    """Truncated addition is right with this probability: a + b - (x + y) = M*(A + C), which is above 0 for m > n."""
    task = make_task("add", base=base)
    cases = [(length, domain) for length in parse_lengths(lengths) for domain in domains]
    for length, domain in cases:
        got = truncation_accuracy(task, trained, length, domain)
        if length > trained and got != 0:
            raise RuntimeError(f"theory.exact.accuracy gives {got} at length {length}, the algebra 0")
        if got != Fraction(value):
            return proven(False, f"length {length}, {domain}: exactly {got}, not {value}", len(cases))
    return proven(True, f"exactly {value} in all {len(cases)} cases", len(cases))


@check(wrong=lambda params: {**params, "count": params["count"] + 1})
def released_count_is(
    operation: Literal["add", "mul"], p: Modulus, base: Base, trained: Digits, length: Digits, count: Tally
) -> CheckResult:
    """The released number of pairs in [B^n, B^m)^2 with a right truncation mod p, against two counts of ours."""
    if length <= trained:
        raise ValueError(f"length {length} is not above the trained {trained}")
    low, high = base**trained, base**length
    said = box_agreements(make_task(f"mod-{operation}", base=base, modulus=p), trained, (low, high), (low, high))
    own = _count_add(p, base, trained, low, high) if operation == "add" else _count_mul(p, low, high)
    if said != own:
        raise RuntimeError(f"theory.exact.accuracy counts {said}, a second count {own}")
    return proven(own == count, f"{own} of {(high - low) ** 2} pairs, released {count}", (high - low) ** 2)


def _count_add(p: int, base: int, trained: int, low: int, high: int) -> int:
    power: int = base**trained
    reduced = p // gcd(p, power)
    counts = residue_counts(low // power, high // power, reduced)
    return power * power * sum(count * counts[-r % reduced] for r, count in enumerate(counts))


def _count_mul(p: int, power: int, high: int) -> int:
    """By brute force over all pairs; low parts are taken mod the lower bound, B^n."""
    import numpy as np

    if high > 20_000:
        raise ValueError("brute force is limited to operands below 20000")
    b = np.arange(power, high, dtype=np.int64)
    low_b = b % power
    total = 0
    for a in range(power, high):
        total += int(np.count_nonzero((a * b - (a % power) * low_b) % p == 0))
    return total

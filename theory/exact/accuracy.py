"""Exact accuracy of the truncated function f^(a, b) = f(a mod B^n, b mod B^n) against f.

Write M = B^n, a = A*M + x and b = C*M + y. A box of pairs is cut into pieces in which the high parts A, C and
the low parts x, y are independent ranges; f^ = f is then a congruence in them, and its solutions are counted
with integers of any size. Nothing here is sampled or rounded. Operands are never negative.

Methods, by the shape of f (a constant term never matters; everything else is None):
    alpha*a + beta*b                    alpha*A + beta*C = 0                              O(1)
    monomials all of one sign           each monomial keeps its value                     O(1)
    (alpha*a + beta*b) mod p            alpha*A + beta*C = 0 mod p', p' = p/gcd(M, p)     O(log p')
    c*a*b mod p, p' up to 10^4          A*y + a*C = 0 mod p', p' = p/gcd(c*M, p)          O(p' log p') for a prime p'
    |a - b|, min, max, <, digitsum ..   see theory.exact.ordering                               O(1)
    every operand below a mod, no //    joint law of (a mod L, x mod L), L = lcm          up to 4e6 pairs of cells
    anything                            enumeration                                       up to 4e6 pairs
(the last two up to 2e5 pairs when values leave 64 bits). The slowest products, p' near 10^4 with many divisors, take seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import gcd, lcm, prod
from operator import eq
from typing import Any

from theory.exact.counting import (
    Range,
    canonical,
    common,
    congruent_points,
    divisors,
    factors,
    line_points,
    moebius,
    multiples,
    pieces,
    projective_line,
    residues,
    size,
)
from theory.exact.ordering import MAX_DIGIT_SUM, ZERO, order_agreements
from theory.language.domains import boxes
from theory.language.expressions import Binary, Call, Const, Expression, Var, affine, bounds, evaluate, has_call, nodes, polynomial
from theory.language.tasks import Task
from theory.proofs.properties import short

Same = Callable[[Any, Any], Any]

MAX_PAIRS = 4_000_000
MAX_PAIRS_BIG = 200_000  # pairs whose values need Python integers
MAX_PRODUCT_MODULUS = 10_000


def truncation_accuracy(task: Task, trained: int, length: int, domain: str) -> Fraction | None:
    """P(f^ = f) on a domain at test length `length`, for truncation to `trained` digits; 1 up to that length.

    Returns:
        The exact probability; None where no method of the module's table applies: // or high-degree terms of
        mixed sign or incompatible mods, on boxes too large to enumerate; ordered operands, unless their order does not matter.

    >>> from theory.language.tasks import make_task
    >>> truncation_accuracy(make_task("mod-add", modulus=150), trained=4, length=100, domain="either")
    Fraction(1, 3)
    """
    if task.machine is not None:
        from theory.automata.machine_tasks import agreement

        return agreement(task, trained, length, domain)
    if domain == "ordered":
        if length > trained and not exchangeable(task):
            return None
        domain = "either"  # f^ = f on a pair iff on its mirror image
    total = Fraction(0)
    for box in boxes(domain, length, task.base):
        a, b = box.a.range(task.base), box.b.range(task.base)
        agreements = box_agreements(task, trained, a, b)
        if agreements is None:
            return None
        total += box.weight * Fraction(agreements, size(a) * size(b))
    return total


def exchangeable(task: Task) -> bool:
    """Whether the form of the task shows f(b, a) = f(a, b), or f(b, a) = -f(a, b) below an outermost modulus or without one.

    >>> from theory.language.tasks import make_task
    >>> [exchangeable(make_task(expr=text)) for text in ("a - b", "a*b % 7", "max(a, b)", "2*a + b", "a < b", "(a - b) % 7 % 5")]
    [True, True, True, False, False, False]
    """
    return task.machine is None and _mirror_sign(task.inner) != 0


def _mirror_sign(expression: Expression) -> int:
    """1 where f(b, a) = f(a, b), -1 where f(b, a) = -f(a, b), 0 where the form shows neither."""
    match expression:
        case Binary("%", left, Const(_)):
            return int(_mirror_sign(left) == 1)
        case Call("abs", (inner,)):
            return abs(_mirror_sign(inner))
        case Call("max" | "min" | "==", (Var(one), Var(two))):
            return int(one != two)
    terms = polynomial(expression) or {}
    signs = (sign for sign in (1, -1) if terms and all(terms.get((j, i), 0) == sign * c for (i, j), c in terms.items()))
    return next(signs, 0)


MAX_WORK = 300_000  # about 20 s


def work(task: Task) -> int:
    """Work of one exact accuracy beyond the trained length, in units of about 60 microseconds; 0 for formulas, and where none counts it."""
    terms, p = polynomial(task.inner), task.modulus
    if terms is not None and (p is None or affine(task.inner) is not None):
        return 0
    if p is not None and terms is not None and terms.keys() <= {(1, 1), (0, 0)}:
        return min(p, MAX_PRODUCT_MODULUS)
    return 0 if operand_period(task.expression) is None else MAX_PRODUCT_MODULUS


def box_agreements(task: Task, trained: int, a: Range, b: Range) -> int | None:
    """Number of pairs in [a_low, a_high) x [b_low, b_high) where f^ = f; None as in `truncation_accuracy`.

    >>> from theory.language.tasks import make_task
    >>> box_agreements(make_task("mod-mul", modulus=51), 3, (10**3, 10**4), (10**3, 10**4))  # of 81000000: the released count
    1942585
    """
    base_power = task.base**trained
    if a[1] <= base_power and b[1] <= base_power:
        return size(a) * size(b)
    terms = polynomial(task.expression)
    if terms is not None:
        linear = affine(task.expression)
        if linear is not None:
            return _linear(linear[0], linear[1], None, base_power, a, b)
        terms.pop((0, 0), None)
        if len({c > 0 for c in terms.values()}) == 1:
            return _monotone(set(terms), base_power, a, b)
    p, terms = task.modulus, polynomial(task.inner)
    if p is not None and terms is not None:
        terms = {key: c % p for key, c in terms.items() if c % p and key != (0, 0)}
        if terms.keys() <= {(1, 0), (0, 1)}:
            return _linear(terms.get((1, 0), 0), terms.get((0, 1), 0), p, base_power, a, b)
        if terms.keys() == {(1, 1)}:
            reduced = p // gcd(terms[1, 1] * base_power, p)
            if reduced <= MAX_PRODUCT_MODULUS:
                return _product_mod(reduced, base_power, a, b)
    found = order_agreements(task.expression, task.base, base_power, a, b)
    return cell_agreements(task.expression, base_power, a, b) if found is None else found


def uncounted(task: Task, trained: int) -> str:
    """Why `truncation_accuracy` may answer None: the limit that the task is beyond."""
    p, terms = task.modulus, polynomial(task.inner)
    if p is not None and terms is not None and terms.keys() <= {(1, 1), (0, 0)}:
        reduced = p // gcd(terms.get((1, 1), 0) * task.base**trained, p)
        return f"products are counted mod p' = p / gcd(M, p) up to {MAX_PRODUCT_MODULUS}, and here p' = {short(reduced)}"
    match task.expression:
        case Binary("%", Call("digitsum"), Const(q)):
            return f"digit sums are counted mod p up to {MAX_DIGIT_SUM}, and here p = {short(q)}"
    if (period := operand_period(task.expression)) is not None:
        return f"pairs of residues are counted up to {MAX_PAIRS}, and here the residues are mod {short(period)}"
    return f"no formula covers the task, and pairs of operands are enumerated up to {MAX_PAIRS}"


def modular_threshold(task: Task, trained: int) -> int | None:
    """Least length m > n at which truncated addition mod p is ever right; the same on every domain in which both operands grow.

    f^ = f iff p' = p/gcd(B^n, p) divides A + C, where 0 < A + C <= 2(B^k - 1) and k = m - n. For the least k with
    p' <= 2(B^k - 1), that is m >= n + log_B(p'/2 + 1), the sum p' is reached: p' >= 2B^(k-1) - 1 lets the larger
    of A, C have exactly k digits. Two k-digit summands miss only p' = 2B^(k-1) - 1, and then reach 2p'.

    Returns:
        m, or None when the task is not c*(a + b) + d mod p (c is divided out of p as B^n is).

    >>> from theory.language.tasks import make_task
    >>> modular_threshold(make_task("mod-add", modulus=197), trained=4)
    6
    """
    p, linear = task.modulus, affine(task.inner)
    if p is None or linear is None or (linear[0] - linear[1]) % p:
        return None
    reduced = p // gcd(linear[0] * task.base**trained, p)
    k = 1
    while 2 * (task.base**k - 1) < reduced:
        k += 1
    return trained + k


def modular_mul_limit(p_prime: int) -> Fraction:
    """#{x*y + z*w = 0 mod p'} / p'^4: accuracy of truncated multiplication mod p for uniform residues.

    The count is multiplicative. For q^k let N_k be its value, N_0 = 1, N_1 = q^3 + q^2 - q: some of x, z is a unit in
    (q^2 - 1) q^(2k-2) of the pairs, and then q^k pairs (y, w) solve; by symmetry all solutions with a unit number
    (q - 1)(q + 1)^2 q^(3k-3), and those without are q^4 for each solution mod q^(k-2).

    >>> modular_mul_limit(3), 1 / 3
    (Fraction(11, 27), 0.3333333333333333)
    """
    counts = []
    for q, k in factors(p_prime).items():
        older, count = 1, q**3 + q**2 - q
        for power in range(2, k + 1):
            older, count = count, (q - 1) * (q + 1) ** 2 * q ** (3 * power - 3) + q**4 * older
        counts.append(count)
    return Fraction(prod(counts), p_prime**4)


# --- one method per shape of f


def _linear(alpha: int, beta: int, p: int | None, base_power: int, a: Range, b: Range) -> int:
    """alpha*a + beta*b, over the integers or mod p: f - f^ = M*(alpha*A + beta*C), where mod p leaves p/gcd(M, p)."""
    total = 0
    for (high_a, low_a), (high_b, low_b) in product(pieces(a, base_power), pieces(b, base_power)):
        if p is None:
            points = line_points(alpha, beta, high_a, high_b)
        else:
            points = congruent_points(alpha, beta, p // gcd(base_power, p), high_a, high_b)
        total += points * size(low_a) * size(low_b)
    return total


def _monotone(monomials: set[tuple[int, int]], base_power: int, a: Range, b: Range) -> int:
    """Sum of a^i * b^j, all of one sign: none grows by truncation, so f^ = f iff each keeps its value.

    a^i * b^j keeps it iff an operand in it is 0 or none is cut: a cut operand is smaller, and a product falls with it.
    """
    zero, low, cut = (0, 1), (1, base_power), (base_power, max(a[1], b[1]))

    def keeps(kinds: list[Range]) -> bool:
        return zero in kinds or cut not in kinds

    total = 0
    for kind_a, kind_b in product((zero, low, cut), repeat=2):
        if all(keeps([kind_a] * (i > 0) + [kind_b] * (j > 0)) for i, j in monomials):
            total += size(common(a, kind_a)) * size(common(b, kind_b))
    return total


def _product_mod(p: int, base_power: int, a: Range, b: Range) -> int:
    """c*a*b mod p, with gcd(c*M, p) already divided out of p: f^ = f iff A*y + a*C = 0 mod p.

    The vector (A, a) mod p is d*(s, t) with d = gcd(A, a, p) and (s : t) a point of the projective line over Z/e,
    e = p/d; the condition on (C, y) is s*y + t*C = 0 mod e and depends on e and the point only. The (A, a) that are
    d times a multiple of (s, t) have A = d*A', x = d*x' with (t - s*M)*A' - s*x' = 0 mod e; Moebius inversion over the
    divisors of e leaves those with gcd exactly d.
    """
    pieces_a, pieces_b = pieces(a, base_power), pieces(b, base_power)
    multiples_of: dict[tuple[int, int, int], int] = {}  # e and the point: number of (A, x)
    total = 0
    for e in divisors(p):
        d = p // e
        thinned = [(multiples(high, d), multiples(low, d)) for high, low in pieces_a]
        signs = [(divisor, sign) for divisor in divisors(e) if (sign := moebius(e // divisor))]
        for s, t in projective_line(e):
            multiples_of[e, *canonical(s, t, e)] = sum(congruent_points(t - s * base_power, -s, e, high, low) for high, low in thinned)
            exactly = sum(sign * multiples_of[divisor, *canonical(s, t, divisor)] for divisor, sign in signs)
            if exactly:
                total += exactly * sum(congruent_points(t, s, e, high, low) for high, low in pieces_b)
    return total


def cell_agreements(expression: Expression, base_power: int, a: Range, b: Range, same: Same = eq) -> int | None:
    """Pairs with same(f, f^), summed over pairs of cells (a, x), (b, y), taken mod L where f has period L in each operand."""
    import numpy as np

    for name, r in (("a", a), ("b", b)):
        if size(r) > 1 and Var(name) not in nodes(expression):  # 0 stands for all its values
            found = cell_agreements(expression, base_power, *((ZERO, b) if name == "a" else (a, ZERO)), same)
            return None if found is None else found * size(r)
    period = operand_period(expression)
    inside = fits(expression, max(a[1], b[1]) if period is None else period)
    if _cell_bound(a, base_power, period) * _cell_bound(b, base_power, period) > (MAX_PAIRS if inside else MAX_PAIRS_BIG):
        return None
    laws = _cells(a, base_power, period), _cells(b, base_power, period)
    if not all(laws):
        return 0
    (full_a, low_a), (full_b, low_b) = (np.array(list(law), dtype=np.int64 if inside else object).T for law in laws)
    agree = same(evaluate(expression, full_a[:, None], full_b), evaluate(expression, low_a[:, None], low_b))
    # counts exceed 64 bits but take few values: numpy counts cells per pair of values, Python multiplies
    (sizes_a, marks_a), (sizes_b, marks_b) = (_marks(list(law.values())) for law in laws)
    agree = np.broadcast_to(agree, (len(full_a), len(full_b))).astype(np.int64)
    table: list[list[int]] = (np.array(marks_a) @ (agree @ np.array(marks_b).T)).tolist()
    return sum(cells * u * v for u, row in zip(sizes_a, table, strict=True) for v, cells in zip(sizes_b, row, strict=True))


def _marks(counts: list[int]) -> tuple[list[int], list[list[int]]]:
    """The distinct counts, and for each a 0/1 row that says where it occurs."""
    found = sorted(set(counts))
    return found, [[int(count == value) for count in counts] for value in found]


def operand_period(expression: Expression) -> int | None:
    """L = lcm of all mods: a period of f in each operand, if every operand stands below a mod and no // occurs.

    + - * keep congruence modulo L, and a mod that divides L turns it into equality.
    """

    def bounded(node: Expression) -> bool:
        match node:
            case Binary("%", left) if not has_call(left):
                return True
            case Binary(_, left, right):
                return bounded(left) and bounded(right)
            case Call(_, args):
                return all(map(bounded, args))
        return isinstance(node, Const)

    operations = [(node.op, node.right) for node in nodes(expression) if isinstance(node, Binary)]
    if not bounded(expression) or any(op == "//" for op, _ in operations):
        return None
    return lcm(*(right.value for op, right in operations if op == "%" and isinstance(right, Const)))


def fits(expression: Expression, largest: int) -> bool:
    """Whether every value on the way stays within 64 bits for operands up to `largest`."""
    return all(max(map(abs, bounds(node, largest))) < 2**62 for node in nodes(expression))


def _cell_bound(r: Range, base_power: int, period: int | None) -> int:
    """At least the number of cells that `_cells` makes."""
    if period is None:
        return size(r)
    return sum(min(size(high), period // gcd(base_power, period)) * min(size(low), period) for high, low in pieces(r, base_power))


def _cells(r: Range, base_power: int, period: int | None) -> Counter[tuple[int, int]]:
    """Counts of (a mod L, x mod L) for a in the range; of (a, x) without a period."""
    if period is None:
        return Counter((a, a % base_power) for a in range(*r))
    law: Counter[tuple[int, int]] = Counter()
    for high, low in pieces(r, base_power):
        for A, count in residues(high, period // gcd(base_power, period)):
            for x, low_count in residues(low, period):
                law[(A * base_power + x) % period, x] += count * low_count
    return law

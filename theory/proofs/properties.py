"""Decidable properties of a task, each with a certificate or a counterexample in plain words: translation invariance, base
compatibility, low support, identifiability. Proofs for all lengths rest on theory.proofs.testsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from theory.automata.held import Held, held
from theory.language.domains import short_operand
from theory.language.expressions import Binary, Const, Expression, Var, affine, bounds, evaluate, has_call, polynomial, substitute
from theory.language.tasks import Task, digit_count
from theory.proofs.testsets import Undecided, degrees, nonzero_point, period, shift_witness
from theory.words import counted


@dataclass(frozen=True)
class Property:
    """A decided or undecided property.

    Attributes:
        value: True or False, both proven; None where it does not apply or this version does not decide it.
        certificate: one sentence: the proof, the counterexample, or why it is undecided.
        digits: the least number of digits, for properties that have one and hold.
    """

    value: bool | None
    certificate: str
    digits: int | None = None


OUTSIDE = Property(None, "outside the class of expressions that this version decides")
NEGATIVE = Property(None, "undecided: the value may be negative, which has no digits")


def translation_invariance(task: Task) -> Property:
    """Whether a finite digit-serial machine with finite delay computes f and can always come back to its start state.

    The machine reads one digit pair and writes one result digit per step, with a delay of d steps; it sees the number between unlimited
    zeros, so it is not told where the number ends. Either direction makes the property true; see translation_by_direction.

    >>> from theory.language.tasks import make_task
    >>> [translation_invariance(make_task(expr=text)).value for text in ("a + b", "a*b", "a // 3", "a - b")]
    [True, False, True, None]
    """
    return either_direction(translation_by_direction(task))


def either_direction(found: dict[str, Property]) -> Property:
    """One verdict from those of the two directions: true if either is."""
    lsd, msd = found.values()
    first, last = f"least significant first: {lsd.certificate}", f"most significant first: {msd.certificate}"
    if lsd.value or msd.value:
        return Property(True, first if lsd.value else last)
    if lsd.value is None or msd.value is None:
        return lsd if lsd.value is None else msd
    return Property(False, lsd.certificate if lsd == msd else f"{first}; {last}")


@lru_cache(256)
def translation_by_direction(task: Task) -> dict[str, Property]:
    """Translation invariance with a machine that reads the least (`lsd`) or the most (`msd`) significant digit first.

    Two facts decide most tasks. Read lsd, a machine that is back at its start after t steps treats the rest as a fresh problem:
    f(u + B^t*v) = w + B^t*f(v) with w < B^t. Read msd with delay d, the digits of f(B^m*v) above m >= d were written before the machine
    could tell the m zeros from the end of v: f(v) = floor(f(B^m*v) / B^m).

    - Bounded and not identically 0, f(v) > 0: lsd, any long prefix can be prolonged to a u back at the start, and then
      f(u + B^t*v) >= B^t for arbitrarily large t; msd, floor(f(B^m*v) / B^m) = 0 for large m. Both contradict the facts, so False.
    - Polynomial of degree >= 2: lsd, one derivative, say in a, takes unboundedly many values f_a(x) on low words x, and f_a(x) is the
      linear coefficient of the rest of the computation after x, so no finite number of states will do; msd, f(B^m*v) / B^m grows with m.
    - alpha*a + beta*b + gamma, all >= 0: see _affine_lsd and _affine_msd. a//q: see _quotient_lsd; msd the remainder is the state.
    - g(h)*a + u(h) with h = b mod B^K and g not constant: see _holding.
    """
    expression, base = task.expression, task.base
    coefficients, terms = affine(expression), polynomial(expression)
    if task.machine is not None:
        from theory.automata.machine_tasks import by_direction

        return by_direction(task.machine)
    if (holding := held(task)) is not None:
        return _holding(holding)
    if coefficients is not None:
        return _both(NEGATIVE) if min(coefficients) < 0 else {"lsd": _affine_lsd(*coefficients), "msd": _affine_msd(*coefficients, base)}
    if terms is not None:
        too_long = "an operand of n digits can give more than n + d digits, whatever the delay d"
        return {"lsd": _sections(expression, terms, base), "msd": Property(False, too_long)}
    match expression:
        case Binary("//", Var(name), Const(q)):
            division = f"long division of {name}: the state is one of {short(q)} remainders, and from each some digits lead back to 0"
            return {"lsd": _quotient_lsd(q, base), "msd": Property(True, division)}
    if degrees(expression) != (0, 0):
        return _both(OUTSIDE)
    if may_be_negative(expression):
        return _both(NEGATIVE)
    try:
        point = nonzero_point(expression)
    except Undecided as reason:
        return _both(Property(None, f"undecided: {reason}"))
    if point is None:
        return _both(Property(True, "the value is always 0: one state"))
    bound = f"{value_at(expression, *point)}, but f never exceeds {short(bounds(expression, max(period(expression)))[1])}"
    return _both(Property(False, f"{bound}: operands moved up by many digits do not move the result up, so the machine must stop for good"))


def ordered_by_direction(task: Task) -> dict[str, Property]:
    """Translation invariance of a task that needs order (see Task.needs_order), on operands a >= b alone.

    The machine of alpha*a + beta*b + gamma has carries beta .. alpha - 1: floors of (alpha*u + beta*v) / B^t for words u, v of t digits.
    From any of them digits u of a alone, with alpha*u just above what is missing, lead to 0, and from 0 to gamma iff gamma < alpha. Most
    significant first, alpha*B^d and alpha*B^d + beta*v + gamma < alpha*B^d have other digits d, for every d and a v of a few digits.

    >>> from theory.language.tasks import make_task
    >>> {end: found.value for end, found in ordered_by_direction(make_task("sub")).items()}
    {'lsd': True, 'msd': False}
    """
    coefficients = affine(task.expression)
    assert coefficients is not None
    assert task.needs_order, "asked of tasks that need order"
    alpha, beta, gamma = coefficients
    carries = f"for a >= b, the borrow machine with carries {beta}..{alpha - 1}"
    if gamma < alpha:
        lsd = Property(True, f"{carries}: digits of a alone bring any carry to 0, and from 0 the start carry {gamma} recurs")
    else:
        lsd = Property(False, f"{carries}: the start carry {gamma} never recurs, as from 0 it stays <= {alpha - 1}")
    return {"lsd": lsd, "msd": Property(False, "for a >= b: a borrow can come from any distance below, so no finite delay is enough")}


def _both(found: Property) -> dict[str, Property]:
    return {"lsd": found, "msd": found}


def _affine_lsd(alpha: int, beta: int, gamma: int) -> Property:
    """The carry machine, which is minimal; zeros lead any carry to 0, and from 0 exactly the carries below alpha + beta are reachable."""
    top = max(alpha + beta - 1, 0)
    if gamma > top:
        return Property(False, f"the start carry {gamma} never recurs: zeros bring the carry to 0, and from there it stays <= {top}")
    return Property(True, f"the carry machine with carries 0..{top}: zeros bring any carry to 0, and from 0 the start carry {gamma} recurs")


def _affine_msd(alpha: int, beta: int, gamma: int, base: int) -> Property:
    """alpha*a needs the carry floor(alpha * 0.xyz...) from below: d digits decide it for every input iff alpha divides B^d.

    With two operands alpha*u + beta*v passes B^d inside the cell of u = (B^d - 1) // alpha, v = 0, for every d.
    """
    if gamma:
        return Property(False, f"the constant {gamma} has to be added at the last digit, which the machine cannot recognise")
    if alpha and beta:
        return Property(False, "a carry can come from any distance below, so no finite delay is enough")
    slope = alpha or beta or 1
    if base ** slope.bit_length() % slope == 0:
        return Property(True, f"the next few digits fix the carry, because {slope} divides a power of {base}")
    return Property(False, f"{slope} does not divide a power of {base}: the carry can depend on a digit at any distance below")


def _holding(found: Held) -> dict[str, Property]:
    """lsd, with t >= K and h = 1 in the digits read, f(u + B^t*v) grows with x as B^t*g(1)*x, and w + B^t*f(v) as B^t*g(h of v)*x; msd,
    with m >= K, floor(f(B^m*v) / B^m) = g(0)*x + floor(u(0) / B^m), which is f(v) for one slope g alone."""
    low = f"the lowest digit of {found.operand}" if found.digits == 1 else f"the low {found.digits} digits of {found.operand}"
    machine = f"a finite machine with at most {short(found.states)} states holds {low} to the end, so that its start never recurs"
    return {"lsd": Property(False, machine), "msd": Property(False, f"every digit depends on {low}, read last")}


def _quotient_lsd(q: int, base: int) -> Property:
    """floor(a / q) mod B has the period B*q and none that is a power of B, unless q divides some B^m: floor((a + B^m) / q) - floor(a / q)
    takes two consecutive values otherwise, and one of them is not 0 mod B. If q divides B^m, digit i is fixed by the digits i..i+m."""
    if base ** q.bit_length() % q == 0:
        return Property(True, f"a window of a few digits is the state, because {q} divides a power of {base}")
    return Property(False, f"{q} does not divide a power of {base}: the last digit depends on operand digits at any distance above")


def _sections(expression: Expression, terms: dict[tuple[int, int], int], base: int) -> Property:
    """The machine's lower bound: low words x, y of k digits leave the function (f(x + B^k*A, y + B^k*C) - f(x, y) mod B^k) / B^k."""
    if terms.keys() == {(1, 1)}:
        return Property(False, f"the {base}^(2k) pairs of k-digit low words leave {base}^(2k) different rests, for every k")
    size = max(2, min(base, 16, 64 // max(i + j for i, j in terms)))  # high degrees are slow to substitute into
    rests = set()
    for x in range(size):
        for y in range(size):
            moved = {name: Binary("+", Const(low), Binary("*", Const(base), Var(name))) for name, low in (("a", x), ("b", y))}
            rest = polynomial(substitute(expression, moved)) or {}
            rest[0, 0] = rest.get((0, 0), 0) // base
            rests.add(frozenset(rest.items()))
    seen = f"after one digit pair {len(rests)} different rests among {size}^2"
    return Property(False, f"the number of different rests of the computation grows without bound with the digits read: {seen}")


def base_compatibility(task: Task) -> Property:
    """Whether p divides a power of the base, and the least power; None for a task without an outermost mod p.

    >>> from theory.language.tasks import make_task
    >>> base_compatibility(make_task("mod-add", modulus=100)).certificate
    '100 divides 10^2'
    """
    p, base = task.modulus, task.base
    if p is None:
        return Property(None, f"{task.text} has no outermost modulus")
    if base ** p.bit_length() % p == 0:
        m = next(m for m in range(p.bit_length() + 1) if base**m % p == 0)
        return Property(True, f"{short(p)} divides {base}^{m}", m)
    rest = p
    while (common := gcd(rest, base)) > 1:
        rest //= common
    return Property(False, f"{short(p)} never divides a power of {base}: its factor {short(rest)} is prime to {base}")


@lru_cache(256)
def low_support(task: Task) -> Property:
    """Whether f depends only on the low m digits of each operand, and the least m.

    It does iff B^m is a period in both operands. A function that is periodic in a at all has a minimal period that divides D_a, and a
    divisor of D that divides some power of B divides B^(bit length of D): one witness against that power rules out every m.

    >>> from theory.language.tasks import make_task
    >>> low_support(make_task(expr="(3*a + 3*b) % 30")).digits  # though 30 divides no power of 10
    1
    """
    if task.machine is not None:
        from theory.automata.low_support import low_support as machine_low_support

        return machine_low_support(task.machine)
    return low_support_of(task.expression, task.base)


def low_support_of(expression: Expression, base: int) -> Property:
    if has_call(expression) and degrees(expression) != (0, 0):
        return OUTSIDE
    modulus = max(period(expression))
    top = modulus.bit_length()
    try:
        witness = shift_witness(expression, base**top)
        if witness is not None:
            no_help = f"more digits do not help either (finite test-set theorem, D = {short(modulus)})"
            return Property(False, f"{clash(expression, witness, base, top)}; {no_help}")
        below = ""
        for m in range(top + 1):
            witness = shift_witness(expression, base**m)
            if witness is None:
                enough = f"f depends on the low {counted(m, 'digit')} only" if m else "f is constant"
                return Property(True, f"{enough}, by an exact finite test{below}", m)
            below = f"; {counted(m, 'digit')} would not do: {clash(expression, witness, base, m)}"
    except Undecided as reason:
        return Property(None, f"undecided: {reason}")
    raise AssertionError("base**top passed the test above")


def clash(expression: Expression, witness: tuple[str, int, int], base: int, digits: int) -> str:
    """The witness against `digits` low digits in words."""
    name, a, b = witness
    shift = base**digits
    c, d = (a + shift, b) if name == "a" else (a, b + shift)
    moved = f"{short(a)} + {base}^{digits}, {short(b)}" if name == "a" else f"{short(a)}, {short(b)} + {base}^{digits}"
    return f"{value_at(expression, a, b)} but f({moved}) = {short(evaluate(expression, c, d))}"


def short(value: int) -> str:
    """The number, cut in the middle where it is long."""
    if value.bit_length() < 80:
        return str(value)
    size = digit_count(abs(value), 10)
    return f"{value // 10 ** (size - 6)}...{abs(value) % 10**6:06} ({size} digits)"


def value_at(expression: Expression, a: int, b: int) -> str:
    return f"f({short(a)}, {short(b)}) = {short(evaluate(expression, a, b))}"


def identifiability(task: Task, longest: int, domain: str = "either") -> Property:
    """Whether some pair of operands of up to `longest` digits reaches the modulus; if none does, mod p cannot be learned from the data.

    In by-K, b has at most K digits; the other domains have the largest pair.

    >>> from theory.language.tasks import make_task
    >>> identifiability(make_task("mod-add", modulus=199), longest=2).certificate
    'no pair of up to 2 digits exceeds 198 < 199: the modulus never acts'
    """
    terms = polynomial(task.inner)
    if task.modulus is None or terms is None or min(terms.values(), default=0) < 0:
        return Property(None, "decided only for a polynomial with coefficients >= 0 under an outermost modulus")
    of_b = min(longest, short_operand(domain) or longest)
    top, top_b = task.base**longest - 1, task.base**of_b - 1
    largest = evaluate(task.inner, top, top_b)
    if largest >= task.modulus:
        pair = f"({short(top)}, {short(top_b)})"
        return Property(True, f"the pair {pair} reaches {short(largest)} >= {short(task.modulus)} before the modulus is taken")
    digits = of_digits(longest, domain)
    return Property(False, f"no pair of up to {digits} exceeds {short(largest)} < {short(task.modulus)}: the modulus never acts")


def of_digits(longest: int, domain: str) -> str:
    """How long the operands are, in words: '3 digits', or '3 and 1 digits' where b is short."""
    of_b = min(longest, short_operand(domain) or longest)
    return f"{longest} digits" if of_b == longest else f"{longest} and {of_b} digits"


def may_be_negative(expression: Expression) -> bool:
    """Whether the bounds of the expression leave room for a negative value."""
    return bounds(expression, max(*period(expression), 10**6))[0] < 0

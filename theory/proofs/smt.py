"""Proofs by z3: digit rules in every base B >= 2 at every length, and identities with min, max, abs and comparisons.

A digit rule takes the digits x, y and a carry q to (digit, carry). With s = 1 for addition and -1 for subtraction it is right iff

    value(xs) + s*value(ys) + s*q = value(digits written) + s*B^n*(last carry)    for all digit lists of length n and all carries q

with digits in 0..B-1, where value(x, xs) = x + B*value(xs). By induction on n, with a symbolic B and with M = B^n any integer:

- base case: for n = 0 the last carry is q, and 0 + s*0 + s*q = 0 + s*1*q;
- closed: from digits in 0..B-1 and a carry in 0..1 the rule writes a digit in 0..B-1 and a carry in 0..1;
- step: if the lists below the digits x, y obey the law from the rule's carry on, the whole lists obey it.

Each is a query whose negation z3 finds unsatisfiable, so it holds for all lengths and all bases at once. A rule that fails one of them is
run on 1, 2 and 3 symbolic digits from carry 0; a model in which it errs is a counterexample in plain integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import add, eq, gt, le, lt, mod, mul, ne, sub, truediv
from typing import Any

from theory.language.expressions import Binary, Call, Const, Expression, Var, evaluate, to_text
from theory.language.layouts import digits
from theory.proofs.verdicts import Verdict

TIMEOUT = 5_000  # milliseconds a query
UNROLLED = 3  # digits on which a wrong rule is searched for an error

ALWAYS = Const(1)
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"+": add, "-": sub, "*": mul, "%": mod, "//": truediv}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {"min": lt, "max": gt, "<": lt, "<=": le, "==": eq, "!=": ne}
Number = Any  # an integer, or a z3 term
Choose = Callable[[Any, Number, Number], Number]


@dataclass(frozen=True)
class DigitRule:
    """`step(x, y, carry, base, choose)` is (digit, carry), `choose(c, t, e)` is t where c holds, else e.

    sign: 1 for a + b, -1 for a - b.
    """

    name: str
    sign: int
    step: Callable[[Number, Number, Number, Number, Choose], tuple[Number, Number]]

    def run(self, a: int, b: int, base: int, width: int) -> list[int]:
        """The digits written for operands of up to `width` digits, least significant first, and the last carry."""
        written, carry = [], 0
        for x, y in zip(digits(a, width, base), digits(b, width, base), strict=True):
            digit, carry = self.step(x, y, carry, base, lambda c, t, e: t if c else e)
            written.append(digit)
        return [*written, carry]


def _add(x: Number, y: Number, carry: Number, base: Number, choose: Choose) -> tuple[Number, Number]:
    total = x + y + carry
    return choose(total >= base, total - base, total), choose(total >= base, 1, 0)


def _subtract(x: Number, y: Number, borrow: Number, base: Number, choose: Choose) -> tuple[Number, Number]:
    rest = x - y - borrow
    return choose(rest < 0, rest + base, rest), choose(rest < 0, 1, 0)


ADDITION = DigitRule("addition", 1, _add)
SUBTRACTION = DigitRule("subtraction", -1, _subtract)


# -------------------------------------------------------------------------------------------------------------------- digit rules


@dataclass(frozen=True)
class EveryBase:
    """A digit rule is right in every base at every length; `reset` are digits that lead every carry back to 0."""

    rule: DigitRule
    reset: tuple[int, int]

    def check(self) -> bool:
        """Ask z3 again for all queries of the induction and of the reset."""
        return all(proven(query) for _, query in _obligations(self.rule)) and proven(_resets(self.rule, self.reset))


@dataclass(frozen=True)
class WrongDigits:
    """Operands for which a digit rule does not write the digits of the result modulo base^width and its carry."""

    rule: DigitRule
    base: int
    a: int
    b: int
    width: int

    def check(self) -> bool:
        """By integers alone."""
        return self.rule.run(self.a, self.b, self.base, self.width) != self.expected

    @property
    def expected(self) -> list[int]:
        """The right digits, and the right carry."""
        carry, value = divmod(self.a + self.rule.sign * self.b, self.base**self.width)
        return [*digits(value, self.width, self.base), self.rule.sign * carry]


def every_base(rule: DigitRule) -> Verdict:
    """Whether a digit rule is right in every base B >= 2 at every length, and can always come back to carry 0 (translation invariance).

    False comes with a base and operands; None where a query is not proven and up to UNROLLED digits show no error.
    """
    open_queries = [name for name, query in _obligations(rule) if not proven(query)]
    if open_queries:
        wrong = refute(rule)
        if wrong is None:
            return Verdict(None, f"undecided: z3 does not prove the {open_queries[0]}, and {UNROLLED} digits show no error")
        written, right = rule.run(wrong.a, wrong.b, wrong.base, wrong.width), wrong.expected
        said = f"base {wrong.base}, a = {wrong.a}, b = {wrong.b}: digits and carry {written}, right is {right} (least significant first)"
        return Verdict(False, said, wrong.width, wrong)
    reset = next((pair for pair in ((0, 0), (0, 1), (1, 0), (1, 1)) if proven(_resets(rule, pair))), None)
    if reset is None:
        return Verdict(None, "undecided: right in every base, but no digits 0 and 1 lead every carry back to 0")
    text = f"for symbolic B >= 2: digits in 0..B-1, carry in 0..1, induction step unsat when negated; digits {reset} reset the carry"
    return Verdict(True, text, None, EveryBase(rule, reset))


def refute(rule: DigitRule) -> WrongDigits | None:
    """A base and operands of up to UNROLLED digits for which the rule errs, from a z3 model; None where z3 finds none."""
    z3 = _z3()

    base = z3.Int("B")
    carry, wrong, pairs, expected = z3.IntVal(0), [], [], z3.IntVal(0)
    solver = _solver(base >= 2)
    for width in range(1, UNROLLED + 1):
        x, y = z3.Ints(f"x{width} y{width}")
        pairs.append((x, y))
        solver.add(*_digits(x, y, base=base))
        # the right digit and carry, by definition: x + s*y + s*expected = right + s*B*following with right in 0..B-1
        right, following = z3.Ints(f"c{width} q{width}")
        digit, carry = rule.step(x, y, carry, base, z3.If)
        solver.add(x + rule.sign * (y + expected) == right + rule.sign * base * following, *_digits(right, base=base))
        wrong.append(z3.Or(digit != right, carry != following))
        expected = following
        if solver.check(z3.Or(wrong)) == z3.sat:
            found = solver.model()
            size = found.eval(base).as_long()  # the number that z3's model has for a term; no code is run
            a, b = (sum(found.eval(pair[k], True).as_long() * size**i for i, pair in enumerate(pairs)) for k in (0, 1))
            counterexample = WrongDigits(rule, size, a, b, width)
            return counterexample if counterexample.check() else None
    return None


def _obligations(rule: DigitRule) -> list[tuple[str, tuple[list[Any], Any]]]:
    """(name, (hypotheses, goal)) of the induction; see the module."""
    z3 = _z3()

    base, power, x, y, q, a, b, out, last = z3.Ints("B M x y q a b out last")
    s = rule.sign
    digit, carry = rule.step(x, y, q, base, z3.If)
    local = [base >= 2, *_digits(x, y, base=base), q >= 0, q <= 1]
    closed = z3.And(*_digits(digit, base=base), carry >= 0, carry <= 1)
    below = a + s * b + s * carry == out + s * power * last
    whole = (x + base * a) + s * (y + base * b) + s * q == (digit + base * out) + s * (base * power) * last
    return [
        ("base case", ([power == 1, a == 0, b == 0, out == 0, last == q], a + s * b + s * q == out + s * power * last)),
        ("range of digit and carry", (local, closed)),
        ("induction step", ([*local, below], whole)),
    ]


def _resets(rule: DigitRule, pair: tuple[int, int]) -> tuple[list[Any], Any]:
    z3 = _z3()

    base, q = z3.Ints("B q")
    _, carry = rule.step(z3.IntVal(pair[0]), z3.IntVal(pair[1]), q, base, z3.If)
    return [base >= 2, q >= 0, q <= 1], carry == 0


def _digits(*terms: Any, base: Any) -> list[Any]:
    return [bound for term in terms for bound in (term >= 0, term < base)]


def proven(query: tuple[list[Any], Any]) -> bool:
    """Whether the hypotheses with the negated goal are unsatisfiable; a timeout proves nothing."""
    z3 = _z3()

    hypotheses, goal = query
    return bool(_solver(*hypotheses, z3.Not(goal)).check() == z3.unsat)


def _z3() -> Any:
    """z3, imported here alone and when a proof is asked for: theory and empirical run without it."""
    import z3

    return z3


def _solver(*assertions: Any) -> Any:
    z3 = _z3()

    solver = z3.Solver()
    solver.set("timeout", TIMEOUT)
    solver.add(*assertions)
    return solver


# ------------------------------------------------------------------------------------------------------------- alpha*a + beta*b


@dataclass(frozen=True)
class EveryBaseLinear:
    """alpha*a + beta*b, alpha, beta >= 0: digit-serial with carries 0..top from carry 0, in every base; zeros bring any carry to 0."""

    alpha: int
    beta: int
    top: int

    def check(self) -> bool:
        """The induction of the module, with total = digit + B*carry in place of a rule; and zeros lower every carry but 0."""
        z3 = _z3()

        base, power, x, y, q, a, b, out, last, digit, carry = z3.Ints("B M x y q a b out last digit carry")

        def total(u: Any, v: Any) -> Any:
            return self.alpha * u + self.beta * v

        divided = [total(x, y) + q == digit + base * carry, *_digits(digit, base=base)]
        local = [base >= 2, *_digits(x, y, base=base), q >= 0, q <= self.top]
        below = total(a, b) + carry == out + power * last
        whole = total(x + base * a, y + base * b) + q == (digit + base * out) + base * power * last
        zeros = [base >= 2, q >= 1, q <= self.top, q == digit + base * carry, *_digits(digit, base=base)]
        return (
            proven(([*local, *divided], z3.And(carry >= 0, carry <= self.top)))
            and proven(([divided[0], below], whole))
            and proven((zeros, carry < q))
        )


def every_base_linear(alpha: int, beta: int) -> Verdict:
    """Translation invariance of alpha*a + beta*b (coefficients >= 0) in every base B >= 2; None where z3 gives no answer in time."""
    proof = EveryBaseLinear(alpha, beta, max(alpha + beta - 1, 0))
    if not proof.check():
        return Verdict(None, "undecided: z3 gives no proof in time")
    text = f"for symbolic B >= 2: carries stay in 0..{proof.top}, induction step unsat when negated, zeros bring any carry to 0"
    return Verdict(True, text, None, proof)


# --------------------------------------------------------------------------------------------------------------------- identities


@dataclass(frozen=True)
class AlwaysZero:
    """The expressions are 0 for all a, b >= 0 for which `given` is not 0."""

    expressions: tuple[Expression, ...]
    given: Expression = ALWAYS

    def check(self) -> bool:
        """Ask z3 again."""
        found = _search(self)
        return found is not None and str(found.check()) == "unsat"


@dataclass(frozen=True)
class NonZero:
    """A point at which the expression is not 0."""

    expression: Expression
    a: int
    b: int

    def check(self) -> bool:
        """By integers alone."""
        return min(self.a, self.b) >= 0 and evaluate(self.expression, self.a, self.b) != 0


def always_zero(expression: Expression) -> Verdict:
    """Whether the expression is 0 for all a, b >= 0; None for digit sums and reversals, and where z3 gives no answer in time."""
    found = _search(AlwaysZero((expression,)))
    answer = "unknown" if found is None else str(found.check())
    if found is None or answer == "unknown":
        return Verdict(None, f"undecided: outside what z3 decides, {to_text(expression)}")
    if answer == "unsat":
        return Verdict(True, "its negation is unsatisfiable over all integers a, b >= 0", None, AlwaysZero((expression,)))
    z3 = _z3()

    a, b = (found.model().eval(z3.Int(name), True).as_long() for name in "ab")
    return Verdict(False, f"not 0 at a = {a}, b = {b}", None, NonZero(expression, a, b))


def _search(claim: AlwaysZero) -> Any | None:
    """A solver that looks for a point where the claim fails; None where an expression reads digits."""
    z3 = _z3()

    known: dict[Expression, Any] = {}
    zeros, given = [to_z3(expression, known) for expression in claim.expressions], to_z3(claim.given, known)
    if given is None or any(zero is None for zero in zeros):
        return None
    return _solver(z3.Int("a") >= 0, z3.Int("b") >= 0, given != 0, z3.Or([zero != 0 for zero in zeros]))


def to_z3(expression: Expression, known: dict[Expression, Any] | None = None) -> Any | None:
    """The expression as a z3 integer term in a and b; None where it reads digits. `known` keeps the terms of parts that occur again."""
    terms = {} if known is None else known
    if expression not in terms:
        terms[expression] = _term(expression, terms)
    return terms[expression]


def _term(expression: Expression, known: dict[Expression, Any]) -> Any | None:
    z3 = _z3()

    match expression:
        case Var(name):
            return z3.Int(name)
        case Const(value):
            return z3.IntVal(value)
        case Binary(op, left, right):
            sides: list[Any] = [to_z3(left, known), to_z3(right, known)]
            # z3 divides to the remainder >= 0, which is floor division where the divisor is positive, as it always is here
            return None if any(side is None for side in sides) else OPERATIONS[op](*sides)
        case Call(name, args):
            terms: list[Any] = [to_z3(arg, known) for arg in args]
            if name in ("digitsum", "reverse") or any(term is None for term in terms):
                return None
            x, y = terms[0], terms[-1]
            if name == "abs":
                return z3.If(x >= 0, x, -x)
            holds = COMPARISONS[name](x, y)
            return z3.If(holds, x, y) if name.isalpha() else z3.If(holds, z3.IntVal(1), z3.IntVal(0))

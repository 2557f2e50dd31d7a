"""Tasks: named integer functions of two operands, in a base. To add one, add a row to CATALOGUE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theory.errors import InputError
from theory.language.expressions import MAX_CONSTANT, Binary, Const, Expression, affine, bounds, evaluate, parse, to_text, truncate

if TYPE_CHECKING:
    from theory.automata.machines import Machine

#: name -> (expression, description); p is the modulus that --modulus gives
CATALOGUE: dict[str, tuple[str, str]] = {
    "add": ("a + b", "digit addition"),
    "mul": ("a * b", "multiplication"),
    "mod-add": ("(a + b) % p", "addition modulo p"),
    "mod-mul": ("a * b % p", "multiplication modulo p"),
    "mod-sub": ("(a - b) % p", "subtraction modulo p"),
    "mod": ("a % p", "remainder"),
    "absdiff": ("abs(a - b)", "difference without its sign"),
    "copy": ("a", "the first operand"),
    "successor": ("a + 1", "counting"),
    "double": ("2 * a", "doubling"),
    "triple": ("3 * a", "tripling"),
    "seven": ("7 * a", "multiplication by 7"),
    "dozen": ("12 * a", "multiplication by 12: a carry of two digits' span"),
    "hundredfold": ("100 * a", "shift by two digits in base 10"),
    "weighted": ("2 * a + 3 * b", "a weighted sum"),
    "square": ("a * a", "squaring"),
    "norm": ("a * a + b * b", "sum of squares"),
    "fma": ("a * b + a", "multiply and add"),
    "halve": ("a // 2", "division by 2"),
    "third": ("a // 3", "division by 3"),
    "seventh": ("a // 7", "division by 7"),
    "parity": ("(a + b) % 2", "parity of the sum"),
    "last-digit": ("(a + b) % 10", "last digit of the sum, in base 10"),
    "max": ("max(a, b)", "the larger operand"),
    "min": ("min(a, b)", "the smaller operand"),
    "less": ("a < b", "1 if a < b, else 0"),
    "equal": ("a == b", "1 if a = b, else 0"),
    "digit-sum": ("digitsum(a)", "sum of the digits"),
    "digit-sum-mod": ("digitsum(a) % p", "sum of the digits modulo p"),
    "reversal": ("reverse(a)", "the digits in reverse order, as a number"),
}

#: tasks with a value to write for a >= b alone, kept apart as most commands are asked of every pair
ORDERED: dict[str, tuple[str, str]] = {"sub": ("a - b", "subtraction")}


@dataclass(frozen=True)
class Task:
    """An integer function f(a, b) of operands a, b >= 0, written in base `base`.

    A task has no domain: where its value may be negative, which has no digits, theory.language.domains.check_signs refuses it.
    `machine` is that of a task given by one (theory.automata.machine_tasks): its properties are decided on the table.
    """

    name: str
    expression: Expression
    base: int
    machine: Machine | None = None

    def __call__(self, a: Any, b: Any) -> Any:
        return evaluate(self.expression, a, b)

    @property
    def text(self) -> str:
        """The expression as text."""
        return to_text(self.expression)

    @property
    def modulus(self) -> int | None:
        """p when the task is something mod p, else None."""
        match self.expression:
            case Binary("%", _, Const(p)):
                return p
        return None

    @property
    def inner(self) -> Expression:
        """The expression below the outermost mod p (the expression itself without one)."""
        match self.expression:
            case Binary("%", inner, Const(_)):
                return inner
        return self.expression

    @property
    def needs_order(self) -> bool:
        """Whether the value may be negative, but never for a >= b: alpha*a + beta*b + gamma = alpha*(a - b) + (alpha + beta)*b + gamma.

        >>> [make_task(expr=text).needs_order for text in ("a - b", "3*a - 2*b + 1", "a - 2*b", "a - b - 1", "b - a", "a + b")]
        [True, True, False, False, False, False]
        """
        coefficients = None if self.machine is not None else affine(self.expression)
        if coefficients is None:
            return False
        alpha, beta, gamma = coefficients
        return beta < 0 <= min(alpha + beta, gamma)

    def to_dict(self) -> dict[str, Any]:
        """What names the task, as plain JSON values."""
        return {"name": self.name, "expression": self.text, "base": self.base, "modulus": self.modulus}

    def truncated(self, digits: int) -> Expression:
        """f(a mod B^n, b mod B^n), n = digits."""
        return truncate(self.expression, self.base**digits)

    def result_width(self, digits: int) -> int:
        """Digits of the largest value for operands of up to `digits` digits, in whatever order.

        Raises:
            InputError: the value may be negative even for a >= b, and has no digits then.
        """
        low, high = bounds(self.expression, self.base**digits - 1)
        if low < 0 and not self.needs_order:
            raise InputError(f"{self.text} may be negative, which has no digits: use a result modulo a power of the base")
        return digit_count(high, self.base)


def digit_count(value: int, base: int) -> int:
    """Number of digits of value >= 0; 0 has one.

    >>> digit_count(99, 10), digit_count(0, 10), digit_count(8, 2)
    (2, 1, 4)
    """
    count = 1
    while value >= base:
        value //= base
        count += 1
    return count


def make_task(name: str | None = None, expr: str | None = None, base: int = 10, modulus: int | None = None) -> Task:
    """A task from the catalogue, or from an expression.

    Raises:
        InputError: unknown name, base < 2, modulus missing, superfluous or < 2, bad expression.

    >>> make_task("mod-add", modulus=150)(99, 102)
    51
    >>> make_task(expr="3*a + b", base=2).result_width(4)  # digits of 60
    6
    """
    if base < 2:
        raise InputError(f"base {base}: the base must be at least 2")
    if max(base, modulus or 0) > MAX_CONSTANT:
        raise InputError("a base or modulus of more than 1000 digits: write a smaller one")
    if (name is None) == (expr is None):
        raise InputError("give either --task or --expr, not both and not neither")
    if modulus is not None and modulus < 2:
        raise InputError(f"modulus {modulus}: the modulus must be at least 2")
    if expr is not None:
        tree = parse(expr, base)
        if modulus is not None:
            raise InputError("--modulus goes with mod-add and mod-mul: write the modulus into the expression, like '(a + b) % 24'")
        return Task("expr", tree, base)
    if name in ORDERED:
        if modulus is not None:
            raise InputError(f"task {name} takes no --modulus")
        return Task(name, parse(ORDERED[name][0], base), base)
    if name not in CATALOGUE:
        raise InputError(f"unknown task {name!r}: choose from {', '.join((*CATALOGUE, *ORDERED))}, or write --expr")
    text = CATALOGUE[name][0]
    if needs_modulus(name) != (modulus is not None):
        raise InputError(f"task {name} {'needs' if needs_modulus(name) else 'takes no'} --modulus")
    return Task(name, parse(text, base, {} if modulus is None else {"p": modulus}), base)


def needs_modulus(name: str) -> bool:
    """Whether the catalogue's task has a modulus to choose."""
    return CATALOGUE[name][0].endswith("% p")

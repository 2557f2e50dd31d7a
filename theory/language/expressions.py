"""Integer expressions in the operands a and b.

Text is parsed through a whitelist over Python's `ast` and never evaluated by Python: the tree below is
interpreted, on integers or on anything with integer arithmetic (numpy arrays, torch tensors).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from theory.errors import InputError

MAX_TEXT = 1000
MAX_PARTS = 100
MAX_CONSTANT = 10**1000


@dataclass(frozen=True)
class Var:
    """An operand, `a` or `b`."""

    name: str


@dataclass(frozen=True)
class Const:
    """An integer constant."""

    value: int


@dataclass(frozen=True)
class Binary:
    """`left op right` with op one of + - * % //; the right side of % and // is a positive constant."""

    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Call:
    """A function of FUNCTIONS; `base` is that of the digits, for those that read digits."""

    name: str
    args: tuple[Expression, ...]
    base: int = 0


class Function(Protocol):
    """A function of one or two numbers >= 0, with a bound of its values for arguments up to `largest`."""

    def __call__(self, *args: int) -> int: ...

    def most(self, largest: int) -> int: ...


@dataclass(frozen=True)
class Given(Call):
    """A function that no expression is known for: whoever gives it knows its values and properties (see theory.automata.machine_tasks)."""

    function: Function | None = None


Expression = Var | Const | Binary | Call

#: name -> number of arguments; comparisons are 1 where they hold, else 0; digit functions read |x|
FUNCTIONS = {"abs": 1, "min": 2, "max": 2, "digitsum": 1, "reverse": 1, "<": 2, "<=": 2, "==": 2, "!=": 2}
_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Mod: "%", ast.FloorDiv: "//"}
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.Gt: ">", ast.GtE: ">="}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "%": 2, "//": 2}


def parse(text: str, base: int = 10, constants: Mapping[str, int] | None = None) -> Expression:
    """Parse an expression in a and b over + - * % //, integer constants, comparisons and FUNCTIONS.

    Args:
        text: what a user wrote.
        base: of the digits that digitsum and reverse read.
        constants: further names, with their values.

    Raises:
        InputError: anything else in the text: another call or name, an attribute, a power, a variable divisor.

    >>> affine(parse("2*(a + b) - b + 5"))
    (2, 1, 5)
    >>> parse("a ** 2")
    Traceback (most recent call last):
    theory.errors.InputError: expression 'a ** 2' uses a power: write a product, a*a for a squared
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"expression of {len(text)} characters: at most {MAX_TEXT} are read")
    if "#" in text:
        raise InputError(f"expression {text!r}: nothing is read after #, leave it out")
    try:
        found = _Reader(text, base, constants or {}).convert(ast.parse(text.strip(), mode="eval").body)
        if (parts := sum(1 for _ in nodes(found))) > MAX_PARTS:
            raise InputError(f"expression of {parts} operands and operations: at most {MAX_PARTS} are read")
        return found
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expression {text!r} is not readable: write it like '(3*a + b) % 24'") from None


@dataclass(frozen=True)
class _Reader:
    """From Python's syntax tree to ours: what is not named here is refused."""

    text: str
    base: int
    constants: Mapping[str, int]

    def convert(self, node: ast.expr) -> Expression:
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                if abs(value) > MAX_CONSTANT:
                    raise InputError("a constant of more than 1000 digits: write a smaller one")
                return Const(value)
            case ast.Name(id=("a" | "b") as name):
                return Var(name)
            case ast.Name(id=name) if name in self.constants:
                return Const(self.constants[name])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _combine("-", Const(0), self.convert(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _combine(_OPERATORS[type(op)], self.convert(left), self.convert(right))
            case ast.BinOp(op=ast.Pow()):
                raise InputError(f"expression {self.text!r} uses a power: write a product, a*a for a squared")
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return self._comparison(_COMPARISONS[type(op)], self.convert(left), self.convert(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name.isalpha() and FUNCTIONS.get(name) == len(args):
                digits = name in ("digitsum", "reverse")
                return Call(name, tuple(self.convert(arg) for arg in args), self.base if digits else 0)
        what = {ast.Call: "a call", ast.Attribute: "an attribute", ast.Name: "a name other than a and b"}.get(type(node), "something")
        allowed = "a, b, integers, + - * % //, a comparison, abs(x), min(x, y), max(x, y), digitsum(x) and reverse(x)"
        raise InputError(f"expression {self.text!r} uses {what} that is not allowed: only {allowed} are")

    def _comparison(self, op: str, left: Expression, right: Expression) -> Expression:
        """x > y is y < x."""
        return Call("<" + op[1:], (right, left)) if op[0] == ">" else Call(op, (left, right))


def _combine(op: str, left: Expression, right: Expression) -> Expression:
    """The node `left op right`, with constants folded."""
    if op in "%//" and (not isinstance(right, Const) or right.value < 1):
        raise InputError(f"the right side of {op} must be a positive integer constant, like 'a {op} 10'")
    if isinstance(left, Const) and isinstance(right, Const):
        return Const(_apply(op, left.value, right.value))
    return Binary(op, left, right)


def _apply(op: str, left: Any, right: Any) -> Any:
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "%":
            return left % right
        case _:
            return left // right


def _call(name: str, base: int, args: Sequence[Any]) -> Any:
    """FUNCTIONS by arithmetic and comparison alone, so that arrays work as integers do."""
    x, y = args[0], args[-1]
    match name:
        case "abs":
            return x * (1 - 2 * (x < 0))
        case "min":
            return y + (x - y) * (x < y)
        case "max":
            return x + (y - x) * (x < y)
        case "<":
            return (x < y) * 1
        case "<=":
            return (x <= y) * 1
        case "==":
            return (x == y) * 1
        case "!=":
            return (x != y) * 1
    rest, out = _call("abs", 0, [x]), 0 * x
    while rest.any() if hasattr(rest, "any") else rest:
        more, digit = (rest > 0) * 1, rest % base
        out = out + digit if name == "digitsum" else out * (1 + more * (base - 1)) + digit
        rest = rest // base
    return out


def evaluate(expression: Expression, a: Any, b: Any) -> Any:
    """The value at (a, b); integers, numpy arrays and torch tensors alike (the caller minds overflow).

    >>> evaluate(parse("abs(a - b) % 5"), 3, 10)
    2
    """
    match expression:
        case Var(name):
            return a if name == "a" else b
        case Const(value):
            return value
        case Binary(op, left, right):
            return _apply(op, evaluate(left, a, b), evaluate(right, a, b))
        case Given(args=args, function=function) if function is not None:
            return function(*[evaluate(arg, a, b) for arg in args])
        case Call(name, args, base):
            return _call(name, base, [evaluate(arg, a, b) for arg in args])


def nodes(expression: Expression) -> Iterator[Expression]:
    """The expression and everything below it."""
    yield expression
    match expression:
        case Binary(_, left, right):
            yield from nodes(left)
            yield from nodes(right)
        case Call(_, args):
            for arg in args:
                yield from nodes(arg)


def operands(expression: Expression) -> int:
    """1 where b does not occur, else 2."""
    return 1 + any(isinstance(node, Var) and node.name == "b" for node in nodes(expression))


def has_call(expression: Expression) -> bool:
    """Whether a function of FUNCTIONS occurs: such expressions are outside the class that finite test sets decide."""
    return any(isinstance(node, Call) for node in nodes(expression))


def to_text(expression: Expression, outer: int = 0, right_side: bool = False) -> str:
    """Python and sympy readable text, with no more brackets than needed.

    >>> to_text(parse("((a))*(b+1)%7"))
    '(a * (b + 1)) % 7'
    """
    match expression:
        case Var(name):
            return name
        case Const(value):
            return str(value) if value >= 0 or outer == 0 else f"({value})"
        case Binary("-", Const(0), right):
            text = "-" + to_text(right, 2, True)
            return f"({text})" if outer else text
        case Binary(op, left, right):
            rank = _PRECEDENCE[op]
            text = f"{to_text(left, rank, op not in '+-*' and isinstance(left, Binary))} {op} {to_text(right, rank, True)}"
            return f"({text})" if rank < outer or (rank == outer and right_side) else text
        case Call(name, args) if not name.isalpha():
            text = f"{to_text(args[0], 1)} {name} {to_text(args[1], 1)}"
            return f"({text})" if outer else text
        case Call(name, args):
            return f"{name}({', '.join(map(to_text, args))})"


def substitute(expression: Expression, values: Mapping[str, Expression]) -> Expression:
    """The expression with each operand replaced."""
    match expression:
        case Var(name):
            return values[name]
        case Const():
            return expression
        case Binary(op, left, right):
            return Binary(op, substitute(left, values), substitute(right, values))
        case Call(args=args):
            return replace(expression, args=tuple(substitute(arg, values) for arg in args))


def truncate(expression: Expression, modulus: int) -> Expression:
    """f(a mod M, b mod M): the function of operands cut to their low digits (M a power of the base).

    >>> to_text(truncate(parse("a*b"), 10**2))
    'a % 100 * (b % 100)'
    """
    return substitute(expression, {name: Binary("%", Var(name), Const(modulus)) for name in "ab"})


def polynomial(expression: Expression) -> dict[tuple[int, int], int] | None:
    """Coefficients {(i, j): c} of the sum of c * a^i * b^j, or None where %, // or a function occurs.

    >>> polynomial(parse("(a + b)*(a - b)"))
    {(2, 0): 1, (0, 2): -1}
    """
    match expression:
        case Var(name):
            return {(1, 0) if name == "a" else (0, 1): 1}
        case Const(value):
            return {(0, 0): value} if value else {}
        case Call():
            return None
        case Binary(op, left, right):
            x, y = polynomial(left), polynomial(right)
            if x is None or y is None or op in ("%", "//"):
                return None
            out: dict[tuple[int, int], int] = {}
            if op == "*":
                for (i, j), c in x.items():
                    for (k, m), d in y.items():
                        out[i + k, j + m] = out.get((i + k, j + m), 0) + c * d
            else:
                out = dict(x)
                for key, d in y.items():
                    out[key] = out.get(key, 0) + (d if op == "+" else -d)
            return {key: c for key, c in out.items() if c}


def affine(expression: Expression) -> tuple[int, int, int] | None:
    """(alpha, beta, gamma) when the expression is alpha*a + beta*b + gamma, else None.

    >>> affine(parse("3*a + b + 1")), affine(parse("a*b"))
    ((3, 1, 1), None)
    """
    terms = polynomial(expression)
    if terms is None or any(i + j > 1 for i, j in terms):
        return None
    return terms.get((1, 0), 0), terms.get((0, 1), 0), terms.get((0, 0), 0)


def bounds(expression: Expression, largest: int) -> tuple[int, int]:
    """An interval that holds every value for 0 <= a, b <= largest; exact for monotone expressions.

    >>> bounds(parse("a - b"), 99), bounds(parse("3*a - a"), 99), bounds(parse("a*b % 7"), 99)
    ((-99, 99), (0, 198), (0, 6))
    """
    match expression:
        case Var():
            return 0, largest
        case Const(value):
            return value, value
        case Given(args=args, function=function) if function is not None:
            return 0, function.most(max(bounds(arg, largest)[1] for arg in args))
        case Call(name, args, base):
            return _call_bounds(name, base, [bounds(arg, largest) for arg in args])
        case Binary("%", left, Const(p)):
            low, high = bounds(left, largest)
            return (low, high) if low >= 0 and high < p else (0, p - 1)
        case Binary(op, left, right):
            (a, b), (c, d) = bounds(left, largest), bounds(right, largest)
            if op == "+":
                return a + c, b + d
            if op == "-" and (terms := affine(expression)) is not None:  # 3*a - a: equal terms cancel
                moves = [sorted((0, slope * largest)) for slope in terms[:2]]
                return terms[2] + sum(low for low, _ in moves), terms[2] + sum(high for _, high in moves)
            if op == "-":
                return a - d, b - c
            ends = [_apply(op, x, y) for x in (a, b) for y in (c, d)]
            return min(ends), max(ends)


def _call_bounds(name: str, base: int, args: Sequence[tuple[int, int]]) -> tuple[int, int]:
    (a, b), (c, d) = args[0], args[-1]
    most = max(abs(a), abs(b))
    match name:
        case "abs":
            return (0 if a <= 0 <= b else min(abs(a), abs(b))), most
        case "min":
            return min(a, c), min(b, d)
        case "max":
            return max(a, c), max(b, d)
        case "digitsum" | "reverse":
            digits = 0
            while most:
                most, digits = most // base, digits + 1
            return 0, (base - 1) * digits if name == "digitsum" else base**digits - 1
        case _:
            return 0, 1

"""A prediction as a short argument: premises, the rule, the conclusion, what would refute it; plain, Markdown or LaTeX."""

from __future__ import annotations

from dataclasses import dataclass

from theory.expressions import Binary, Call, Const, Expression, Var
from theory.predict import Prediction
from theory.report import MEANING, answer, percent, ranges
from theory.rules import ASSUMPTIONS

FORMATS = ("text", "markdown", "latex")


@dataclass(frozen=True)
class Step:
    """One step of the argument; `formula` is LaTeX."""

    title: str
    text: str
    formula: str | None = None


def steps(found: Prediction) -> list[Step]:
    """The argument behind a prediction."""
    task, n = found.task, found.training.longest
    trained = f"lengths {ranges(found.training.lengths)}, domain {found.training.domain}"
    out = [
        Step("Task", f"{task.text}, digits in base {task.base}", f"f(a, b) = {to_latex(task.expression)}"),
        Step("Setting", f"{found.encoding.name} positions, {found.layout.name} layout, trained on {trained}"),
        Step("Translation invariant", answer(found.translation_invariance)),
    ]
    if found.base_compatibility.value is not None:
        out.append(Step("Base compatible", answer(found.base_compatibility)))
    out.append(Step("Low digits suffice", answer(found.low_support)))
    out.append(Step(f"Rule: {found.rule_name}", "; ".join(found.reasons)))
    out += [Step(f"Assumption {name}", ASSUMPTIONS[name]) for name in found.rule.assumptions]
    learned = {"exact": task.expression, "truncation": task.truncated(n)}.get(found.rule.outcome)
    formula = None if learned is None else rf"\hat f(a, b) = {to_latex(learned)}"
    upward = found.rule.outcome
    out.append(Step("Conclusion", f"on longer operands: {upward}, {MEANING[upward]} ({found.rule.status})", formula))
    if rows := [row for row in found.accuracy if row.region == "upward" and row.exact is not None]:
        shares = ", ".join(f"{percent(row.exact)} at length {row.length}" for row in rows[:5] if row.exact is not None)
        out.append(Step("Exact accuracy", shares, r"P_m = \Pr[\hat f(a, b) = f(a, b)]"))
    out.append(Step("Refuted by", found.rule.refuted_by))
    return out


def explain(found: Prediction, form: str) -> str:
    """The argument as text, Markdown (formulas between dollars) or a LaTeX enumeration."""
    argument = steps(found)
    if form == "markdown":
        items = [f"{i}. **{step.title}.** {step.text}" + _tail(step, " $", "$") for i, step in enumerate(argument, 1)]
        return "\n".join(items)
    if form == "latex":
        items = [rf"  \item \textbf{{{_escaped(step.title)}.}} {_escaped(step.text)}" + _tail(step, r" \(", r"\)") for step in argument]
        return "\n".join((r"\begin{enumerate}", *items, r"\end{enumerate}"))
    return "\n".join(f"{i}. {step.title}: {step.text}" for i, step in enumerate(argument, 1))


def _tail(step: Step, before: str, after: str) -> str:
    return "" if step.formula is None else before + step.formula + after


_WORDS = {"^": r"\^{}", "\\": r"\textbackslash{}", "<": r"\textless{}", ">": r"\textgreater{}"}
_ESCAPES = str.maketrans({c: rf"\{c}" for c in "%&#_{}$"} | _WORDS)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def to_latex(expression: Expression, outer: int = 0) -> str:
    r"""The expression in LaTeX; `outer` is the binding strength around it.

    >>> from theory.expressions import parse
    >>> print(to_latex(parse("(a + b) % 24")))
    \left(a + b\right) \bmod 24
    """
    match expression:
        case Var(name):
            return name
        case Const(value):
            return str(value) if value >= 0 else f"({value})"
        case Binary("//", left, right):
            return rf"\left\lfloor \frac{{{to_latex(left)}}}{{{to_latex(right)}}} \right\rfloor"
        case Binary("%", left, right):
            text, own = rf"{to_latex(left, 2)} \bmod {to_latex(right, 3)}", 0
        case Binary("*", left, right):
            text, own = rf"{to_latex(left, 2)} \cdot {to_latex(right, 3)}", 2
        case Call("abs", (arg,)):
            return rf"\left|{to_latex(arg)}\right|"
        case Call(name, args) if name.isalpha():
            operator = rf"\{name}" if name in ("min", "max") else rf"\operatorname{{{name}}}"
            return rf"{operator}\left({', '.join(map(to_latex, args))}\right)"
        case Call(name, (left, right)):
            sign = {"<=": r"\le", "==": "=", "!=": r"\ne"}.get(name, name)
            return rf"\left[{to_latex(left)} {sign} {to_latex(right)}\right]"
        case Binary(op, left, right):
            text, own = f"{to_latex(left, 1)} {op} {to_latex(right, 2)}", 1
        case _:
            raise TypeError(f"no LaTeX for {expression!r}")
    return rf"\left({text}\right)" if own < outer else text

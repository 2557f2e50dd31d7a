"""A prediction as a short argument: premises, the rule, the conclusion, what would refute it; plain, Markdown or LaTeX (amsmath)."""

from __future__ import annotations

from dataclasses import dataclass

from theory.language.expressions import Binary, Call, Const, Expression, Var
from theory.predictions.predict import Prediction
from theory.predictions.report import MEANING, answer, in_steps, percent, ranges, window_text
from theory.predictions.rulebook import ASSUMPTIONS
from theory.proofs.properties import Property

FORMATS = ("text", "markdown", "latex")


@dataclass(frozen=True)
class Step:
    """One step of the argument; `formula` is LaTeX."""

    title: str
    text: str
    formula: str | None = None


#: what an assumption says, as a formula: weight of r digits among T whose logits stand out by Delta
FORMULAS = {"A4": r"\frac{r e^{\Delta}}{r e^{\Delta} + T - r} \to 0 \quad (T \to \infty)"}


def steps(found: Prediction) -> list[Step]:
    """The argument behind a prediction; every claim says its status."""
    task, n, rule = found.task, found.training.longest, found.rule
    trained = f"lengths {ranges(found.training.lengths)}, domain {found.training.domain}"
    trained += in_steps(found)
    out = [
        Step("Task", f"{task.text}, digits in base {task.base}", f"f(a, b) = {to_latex(task.expression)}"),
        Step("Setting", f"{found.encoding.text}, {found.layout.name} layout, trained on {trained}"),
        Step("Translation invariant", _decided(found.translation_invariance)),
    ]
    if found.base_compatibility.value is not None:
        out.append(Step("Base compatible", _decided(found.base_compatibility)))
    out.append(Step("Low digits suffice", _decided(found.low_support)))
    if found.window.value is not None:
        out.append(Step("Smallest window", f"{window_text(found)} (proven)"))
    out.append(Step(f"Rule: {found.rule_name}", "; ".join(found.reasons)))
    out += [Step(f"Assumption {name}", f"{ASSUMPTIONS[name]} (hypothesis)", FORMULAS.get(name)) for name in rule.assumptions]
    meaning = f"on longer operands: {rule.outcome}, {MEANING[rule.outcome]} ({rule.status})"
    out.append(Step("Conclusion", meaning, _learned(found)))
    if rows := [row for row in found.accuracy if row.region == "upward" and row.exact is not None]:
        shares = ", ".join(f"{percent(row.exact)} at length {row.length}" for row in rows[:5] if row.exact is not None)
        out.append(Step("Exact accuracy", shares, r"P_m = \Pr[\hat f(a, b) = f(a, b)]"))
    if ahead := [row for row in found.lookahead if row.length > n]:
        row = ahead[0]
        shares = ", ".join(f"{percent(best)} with {k} ahead" for k, best in row.best.items() if best is not None)
        out.append(Step("Lookahead", f"at length {row.length} the best answers that look k digits ahead are right on {shares} (proven)"))
    out.append(Step("Refuted by", rule.refuted_by))
    return out


def _decided(found: Property) -> str:
    return answer(found) if found.value is None else f"{answer(found)} (proven)"


def _learned(found: Prediction) -> str | None:
    """The predicted function as a formula."""
    match found.rule.outcome:
        case "exact":
            return r"\hat f = f"
        case "truncation":
            power = f"{found.task.base}^{{{found.training.longest}}}"
            return rf"\hat f(a, b) = f(a \bmod {power}, b \bmod {power})"
    return None


def explain(found: Prediction, form: str) -> str:
    """The argument as text, Markdown (formulas between dollars) or a LaTeX enumeration."""
    argument = steps(found)
    if form == "markdown":
        items = [f"{i}. **{markdown(step.title)}.** {markdown(step.text)}" + _tail(step, " $", "$") for i, step in enumerate(argument, 1)]
        return "\n".join(items)
    if form == "latex":
        items = [rf"  \item \textbf{{{_escaped(step.title)}.}} {_escaped(step.text)}" + _tail(step, r" \(", r"\)") for step in argument]
        return "\n".join((r"\begin{enumerate}", *items, r"\end{enumerate}"))
    return "\n".join(f"{i}. {step.title}: {step.text}" for i, step in enumerate(argument, 1))


def _tail(step: Step, before: str, after: str) -> str:
    return "" if step.formula is None else before + step.formula + after


_WORDS = {"\\": "backslash", "<": "less", ">": "greater", "|": "bar", "~": "asciitilde", "^": "asciicircum"}
_ESCAPES = str.maketrans({c: rf"\{c}" for c in "%&#_{}$"} | {c: rf"\text{word}{{}}" for c, word in _WORDS.items()})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_<>|$"})


def markdown(text: str) -> str:
    """The text as Markdown shows it: no emphasis, no tags, no table cells, no formulas."""
    return text.translate(_MARKDOWN)


def to_latex(expression: Expression, outer: int = 0) -> str:
    r"""The expression in LaTeX; `outer` is the binding strength around it.

    >>> from theory.language.expressions import parse
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

"""The prediction: properties, then the rule that decides, then the exact accuracy at each length.

Everything said of a network is a hypothesis about learners; `status` and `assumptions` name what it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from theory.accuracy import truncation_accuracy
from theory.domains import Training
from theory.encodings import Encoding
from theory.errors import InputError
from theory.expressions import to_text
from theory.layouts import Layout
from theory.paper import Outcome, PaperStatement, paper_statement
from theory.properties import Property, base_compatibility, identifiability, low_support, translation_invariance
from theory.rules import Rule, decide, downward
from theory.tasks import Task


@dataclass(frozen=True)
class LengthAccuracy:
    """Exact accuracy of the predicted function at one test length; null where no function is predicted."""

    length: int
    region: str
    exact: Fraction | None


@dataclass(frozen=True)
class Prediction:
    """What a network trained so will do, by which rule, why, and how exactly."""

    task: Task
    encoding: Encoding
    layout: Layout
    training: Training
    test_domain: str
    translation_invariance: Property
    base_compatibility: Property
    low_support: Property
    outcome: Outcome
    learned_function: str | None
    accuracy: tuple[LengthAccuracy, ...]
    paper: PaperStatement
    rule_name: str
    rule: Rule
    reasons: tuple[str, ...]


def predict(task: Task, encoding: Encoding, layout: Layout, training: Training, lengths: tuple[int, ...], domain: str) -> Prediction:
    """Apply the decision order and count.

    Raises:
        InputError: the layout's width is below the longest operand, or the result may be negative.
    """
    longest = max(*lengths, *training.lengths)
    if layout.fixed and layout.width < longest:
        raise InputError(f"width {layout.width} is below the longest operand ({longest} digits): use --width {longest}")
    task.result_width(longest)
    invariance, compatibility, support = translation_invariance(task), base_compatibility(task), low_support(task)
    applied = decide(task, encoding, layout, training, invariance, support)
    rule, upward = applied.rule, applied.rule.outcome
    regions = {training.region(length) for length in lengths}
    outcome = Outcome(
        in_distribution=(upward if rule.everywhere else "exact") if "id" in regions else None,
        downward=(upward if rule.everywhere else downward(task, training, support)) if "downward" in regions else None,
        upward=upward if "upward" in regions else None,
    )
    statement = paper_statement(task, encoding, training)
    return Prediction(
        task=task,
        encoding=encoding,
        layout=layout,
        training=training,
        test_domain=domain,
        translation_invariance=invariance,
        base_compatibility=compatibility,
        low_support=support,
        outcome=outcome,
        learned_function={"exact": task.text, "truncation": to_text(task.truncated(training.longest))}.get(upward),
        accuracy=tuple(_count(task, training, outcome, length, domain) for length in lengths),
        paper=statement,
        rule_name=applied.name,
        rule=rule,
        reasons=(*applied.reasons, *_remarks(task, encoding, layout, training, outcome, statement)),
    )


def _count(task: Task, training: Training, outcome: Outcome, length: int, domain: str) -> LengthAccuracy:
    region = training.region(length)
    kind = outcome.of(region)
    exact = Fraction(1) if kind == "exact" else None
    if kind == "truncation":
        exact = truncation_accuracy(task, training.longest, length, domain)
    return LengthAccuracy(length, region, exact)


def _remarks(
    task: Task, encoding: Encoding, layout: Layout, training: Training, outcome: Outcome, statement: PaperStatement
) -> tuple[str, ...]:
    """Where ours differs from the paper, why; and whether training can show the modulus at all."""
    said, wraps = statement.outcome.upward, identifiability(task, training.longest)
    reasons = []
    if outcome.upward and said and outcome.upward != said:
        reasons.append(f"the paper says {said}: {_difference(encoding, layout)}")
    if wraps.value is False:
        reasons.append(wraps.certificate)
    return tuple(reasons)


def _difference(encoding: Encoding, layout: Layout) -> str:
    if encoding.family == "relative":
        return f"it takes relative positions to show the digit roles; in the {layout.name} layout, unbounded attention sees other marks too"
    return f"it does not consider the {layout.name} layout"

"""The prediction: properties, then the decision order, then the exact accuracy at each length.

Everything said of a network is a hypothesis about learners; `status` and `assumptions` name what it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from theory.accuracy import truncation_accuracy
from theory.alignment import digit_codes, keeps_codes, shift_lifts, training_support
from theory.causality import causality
from theory.domains import Training
from theory.encodings import Encoding
from theory.errors import InputError
from theory.expressions import to_text
from theory.layouts import Layout
from theory.paper import Outcome, PaperStatement, paper_statement
from theory.properties import (
    Property,
    base_compatibility,
    identifiability,
    low_support,
    translation_by_direction,
    translation_invariance,
)
from theory.tasks import Task
from theory.transducers import affine_transducer, quotient_transducer

ASSUMPTIONS = {
    "A1": "when a shift-equivariant rule fits the training data, the learner takes it",
    "A2": "codes that training showed with zero digits only contribute as if their digit were 0",
    "A3": "a digit that never changes the training targets is ignored beyond the training lengths too",
}


@dataclass(frozen=True)
class Rule:
    """One step of the decision order that applied: upward outcome, what it rests on, and why."""

    upward: str
    status: str
    assumptions: tuple[str, ...]
    reasons: tuple[str, ...]
    everywhere: bool = False  # the outcome holds for every region, not upward alone


@dataclass(frozen=True)
class LengthAccuracy:
    """Exact accuracy of the predicted function at one test length; null where no function is predicted."""

    length: int
    region: str
    exact: Fraction | None


@dataclass(frozen=True)
class Prediction:
    """What a network trained so will do, why, and how exactly."""

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
    status: str
    assumptions: tuple[str, ...]
    reasons: tuple[str, ...]


def predict(task: Task, encoding: Encoding, layout: Layout, training: Training, lengths: tuple[int, ...], domain: str) -> Prediction:
    """Apply the decision order (theory, section 4) and count.

    Raises:
        InputError: the layout's width is below the longest operand, or the result may be negative.
    """
    longest = max(*lengths, *training.lengths)
    if layout.fixed and layout.width < longest:
        raise InputError(f"width {layout.width} is below the longest operand ({longest} digits): use --width {longest}")
    task.result_width(longest)
    invariance, compatibility, support = translation_invariance(task), base_compatibility(task), low_support(task)
    # the codes of the first longer length decide; only that length is looked at, so no outcome depends on how far one asks
    rule = decide(task, encoding, layout, training, invariance, support)
    regions = {training.region(length) for length in lengths}
    outcome = Outcome(
        in_distribution=(rule.upward if rule.everywhere else "exact") if "id" in regions else None,
        downward=(rule.upward if rule.everywhere else _downward(task, training, support)) if "downward" in regions else None,
        upward=rule.upward if "upward" in regions else None,
    )
    function = {"exact": task.text, "truncation": to_text(task.truncated(training.longest))}.get(rule.upward)
    statement = paper_statement(task, encoding, training)
    reasons = rule.reasons
    said = statement.outcome.upward
    if outcome.upward and said and outcome.upward != said:
        reasons = (*reasons, f"the paper says {said}: {_difference(encoding, layout)}")
    wraps = identifiability(task, training.longest)
    if wraps.value is False:
        reasons = (*reasons, wraps.certificate)
    return Prediction(
        task, encoding, layout, training, domain, invariance, compatibility, support, outcome,
        function,
        tuple(_count(task, training, outcome, length, domain) for length in lengths),
        statement, rule.status, rule.assumptions, reasons,
    )  # fmt: skip


def _count(task: Task, training: Training, outcome: Outcome, length: int, domain: str) -> LengthAccuracy:
    region = training.region(length)
    kind = outcome.of(region)
    exact = Fraction(1) if kind == "exact" else None
    if kind == "truncation":
        exact = truncation_accuracy(task, training.longest, length, domain)
    return LengthAccuracy(length, region, exact)


def decide(task: Task, encoding: Encoding, layout: Layout, training: Training, invariance: Property, support: Property) -> Rule:
    """The first rule of the decision order that applies."""
    return next(rule for rule in _rules(task, encoding, layout, training, invariance, support) if rule is not None)


def _rules(
    task: Task, encoding: Encoding, layout: Layout, training: Training, invariance: Property, support: Property
) -> Iterator[Rule | None]:
    n, family = training.longest, encoding.family
    longer = n + 1 if not layout.fixed else min(n + 1, layout.width)
    causal = causality(task, layout)
    if causal.value is False:
        why = f"the layout is not causal for the task: {causal.certificate}"
        yield Rule("fails", "proven", (), (why, "no network of any size can be exact"), everywhere=True)
    if family == "window":
        yield _window_rule(task, encoding, layout, support)
    seen = training_support(encoding, layout, task, training)
    low_first = causality(task, Layout("interleaved", 1)).value is True  # then c_i needs digits up to place i only
    new = seen.of(digit_codes(encoding, layout, task, longer, range(n, longer), low_first).values())
    unseen = "unseen" in seen.of(digit_codes(encoding, layout, task, longer, range(longer), low_first).values())
    local = translation_by_direction(task)[layout.result_direction]
    if family == "none":
        why = "without position encoding the digit roles share one code; no rule decides what is learned"
        yield Rule("undetermined", "hypothesis", (), (why,))
    if support.value and support.digits is not None and support.digits <= n:
        low = range(support.digits)
        kinds = seen.of(digit_codes(encoding, layout, task, longer, low).values())
        why = f"the result depends on the low {support.digits} digits of each operand only"
        if kinds <= {"nonzero"} and not unseen and keeps_codes(encoding, layout, task, training, longer, low):
            yield Rule("exact", "conditional", ("A3",), (why, "training shows all of these digits at the codes they have in longer inputs"))
    lift = shift_lifts(encoding, layout, task, (*training.lengths, longer))
    if local.value and lift.value:
        shared = (f"the task is translation invariant: {local.certificate}", f"the layout lets the shift lift: {lift.certificate}")
        if layout.fixed and family == "relative" and layout.width > n:
            tail = "but training shows a zero tail above the trained digits; unbounded attention can use it and the separators as marks"
            yield Rule("fails", "hypothesis", (), (*shared, tail))
        yield Rule("decays", "hypothesis", ("A1",), (*shared, "but attention to ever more far tokens dilutes the local rule"))
    why = lift.certificate if not lift.value else "no finite digit-serial rule exists"
    if unseen:
        yield Rule("fails", "hypothesis", (), (f"longer inputs use position codes that training never shows ({why})",))
    if new == {"zero"}:
        shown = f"training shows the digits from place {n} on with the digit 0 alone, at codes of their own ({why})"
        yield Rule("truncation", "conditional", ("A2",), (shown, f"so a and b act as a mod {task.base}^{n} and b mod {task.base}^{n}"))
    if invariance.value is False:
        shown = "longer inputs use codes that training shows with other digits, but no finite digit-serial rule exists to carry over"
        yield Rule("fails", "hypothesis", (), (shown,))
    if layout.fixed and family == "relative" and layout.width > n and invariance.value:
        marks = "so at a fixed width <bos> and the separators tell where a digit stands, and training shows 0 alone from place"
        yield Rule("truncation", "hypothesis", ("A2",), (f"the shift does not lift: {why}", f"{marks} {n} on"))
    yield Rule("undetermined", "hypothesis", (), (f"no rule decides this case: {lift.certificate}; {local.certificate}",))


def _window_rule(task: Task, encoding: Encoding, layout: Layout, support: Property) -> Rule:
    """Hard windows: the receptive field must hold the I/O memory of a finite local rule."""
    assert encoding.receptive_field is not None
    sees = encoding.receptive_field - 1
    if layout.name != "interleaved":
        why = f"a window of {sees} tokens covers no fixed number of digit groups in the {layout.name} layout; no rule decides this"
        return Rule("undetermined", "hypothesis", (), (why,))
    local = translation_by_direction(task)[layout.result_direction]
    if not local.value:
        if local.value is False and not support.value:
            why = "a bounded window cannot hold the state the task needs: " + local.certificate
            return Rule("fails", "hypothesis", (), (why,))
        why = f"the local rule is not decided for this task in a window: {local.certificate}"
        return Rule("undetermined", "hypothesis", (), (why,))
    machine = affine_transducer(task) if layout.result_direction == "lsd" else quotient_transducer(task)
    memory = None if machine is None else machine.memory
    if memory is None:
        return Rule("undetermined", "hypothesis", (), ("the I/O memory of the task is not decided, so neither is the window it needs",))
    need = 3 * memory + 1
    fact = f"I/O memory {memory}: that many digit groups fix the state, which takes {need} tokens before the query; {sees} are seen"
    if sees < need:
        why = "the majority answer per visible context is wrong now and then, at each digit"
        return Rule("decays", "hypothesis", ("A1",), (fact, why), everywhere=True)
    reasons = (f"the task is translation invariant: {local.certificate}", fact)
    return Rule("exact", "conditional", ("A1",), (*reasons, "each answer is a function of a bounded context, at every length alike"))


def _downward(task: Task, training: Training, support: Property) -> str:
    """Exact iff every needed (place, digit) cell occurs in training; D_abn never shows a 0 on top."""
    n = training.longest
    if training.domain != "both" or n == 1:
        return "exact"
    needed = support.digits if support.value and support.digits is not None else n
    # place j shows the digit 0 if some trained length is above j+1 (uniform there) or at most j (padding)
    shown = all(any(length > j + 1 or length <= j for length in training.lengths) for j in range(1, min(needed, n)))
    return "exact" if shown else "undetermined"


def _difference(encoding: Encoding, layout: Layout) -> str:
    if encoding.family == "relative":
        return f"it takes relative positions to show the digit roles; in the {layout.name} layout, unbounded attention sees other marks too"
    return f"it does not consider the {layout.name} layout"

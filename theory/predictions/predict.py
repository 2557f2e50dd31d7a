"""The prediction: properties, then the rule that decides, then the exact accuracy at each length.

Everything said of a network is a hypothesis about learners; `status` and `assumptions` name what it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import log2

from theory.errors import InputError
from theory.exact.accuracy import MAX_WORK, truncation_accuracy, work
from theory.language.domains import Training, check_signs
from theory.language.encodings import Encoding
from theory.language.expressions import to_text
from theory.language.layouts import Layout
from theory.language.tasks import Task
from theory.local.lookahead import best_accuracy, looks_ahead
from theory.local.majority import majority_of
from theory.local.windows import needed_window
from theory.predictions.facts import Facts
from theory.predictions.paper import Outcome, PaperStatement, paper_statement
from theory.predictions.rulebook import Rule
from theory.predictions.rules import decide, downward, in_distribution
from theory.progress import watched
from theory.proofs.properties import Property, base_compatibility, identifiability, short

MAX_BITS = 14_000  # of B^(2m+1), which accuracies at length m are written in; Python writes 4300 decimal digits
MAX_TRAINED = 100
MAX_AHEAD = 2000  # digits of all lengths together for which lookahead is counted


@dataclass(frozen=True)
class LengthAccuracy:
    """Exact accuracy of the predicted function at one test length; null where no function is predicted, or none counts it."""

    length: int
    region: str
    exact: Fraction | None


@dataclass(frozen=True)
class Ahead:
    """The best exact accuracies at one test length for results that are written before the digits they depend on are looked at.

    `best` is by the digits of lookahead (see theory.local.lookahead); null where it is not counted.
    """

    length: int
    best: dict[int, Fraction | None]


@dataclass(frozen=True)
class Prediction:
    """What a network trained so will do, by which rule, why, and how exactly.

    `window` holds the least number of tokens that contain the I/O memory of the task, in an interleaved layout of `window_direction`;
    `lookahead` is empty where the layout begins the result at the end that the task's machine reads first.
    """

    task: Task
    encoding: Encoding
    layout: Layout
    training: Training
    steps: int | None
    test_domain: str
    translation_invariance: Property
    base_compatibility: Property
    low_support: Property
    window: Property
    window_direction: str
    lookahead: tuple[Ahead, ...]
    outcome: Outcome
    learned_function: str | None
    accuracy: tuple[LengthAccuracy, ...]
    paper: PaperStatement
    rule_name: str
    rule: Rule
    reasons: tuple[str, ...]


def predict(
    task: Task, encoding: Encoding, layout: Layout, training: Training, lengths: tuple[int, ...], domain: str, steps: int | None = None
) -> Prediction:
    """Apply the decision order and count.

    Args:
        lengths: test lengths in digits, ascending; trained lengths are `training.lengths`.
        domain: law of the test operands, as in theory.language.domains.
        steps: optimiser steps of training; null: as many as it takes.

    Returns:
        What happens per region and one accuracy per length, a share from 0 to 1; P2 = arXiv 2407.17963 is quoted beside it, never used.

    Raises:
        InputError: the layout's width is below the longest operand, it shows too few operands, the result may be negative, no steps, or
            too much is asked.
    """
    longest = max(*lengths, *training.lengths)
    _check_size(task, training, longest)
    if layout.fixed and layout.width < longest:
        raise InputError(f"width {layout.width} is below the longest operand ({longest} digits): use --width {longest}")
    if steps is not None and steps < 1:
        raise InputError(f"{steps} steps of training: at least one is needed")
    check_signs(task, {"--train-domain": training.domain, "--domain": domain})
    layout.widths(task, longest)
    facts = Facts(task, training.domain)
    applied = decide(task, encoding, layout, training, domain, steps)
    rule, upward = applied.rule, applied.rule.outcome
    asked = sum(training.region(length) == "upward" for length in lengths)
    if upward == "truncation" and asked * work(task) > MAX_WORK:
        raise InputError(f"{asked} exact accuracies of {task.text} would take minutes: ask for at most {MAX_WORK // work(task)} lengths")
    everywhere = rule.everywhere and not _harmless(task, layout, training)
    regions = {training.region(length) for length in lengths}
    outcome = Outcome(
        in_distribution=(upward if everywhere else in_distribution(task, encoding, layout, training)) if "id" in regions else None,
        downward=(upward if everywhere else downward(task, encoding, layout, training)) if "downward" in regions else None,
        upward=upward if "upward" in regions else None,
    )
    if applied.name in ("window too small", "window half enough", "window far too small"):
        accuracy = _majority(task, encoding, layout, training, lengths, domain)
    else:
        longest = applied.longest or longest
        rows = watched(lengths, "lengths")
        accuracy = tuple(_count(task, training, outcome, length, domain, length <= longest) for length in rows)
    statement = paper_statement(task, encoding, training)
    later = upward if steps is None else decide(task, encoding, layout, training, domain).rule.outcome
    direction, window = coverage(task, layout, training.domain)
    return Prediction(
        task=task,
        encoding=encoding,
        layout=layout,
        training=training,
        steps=steps,
        test_domain=domain,
        translation_invariance=facts.invariance,
        base_compatibility=base_compatibility(task),
        low_support=facts.support,
        window=window,
        window_direction=direction,
        lookahead=_lookahead(task, layout, lengths, domain),
        outcome=outcome,
        learned_function={"exact": task.text, "truncation": to_text(task.truncated(training.longest))}.get(upward),
        accuracy=accuracy,
        paper=statement,
        rule_name=applied.name,
        rule=rule,
        reasons=(*applied.reasons, *_remarks(task, encoding, layout, training, outcome, statement, later)),
    )


def coverage(task: Task, layout: Layout, domain: str) -> tuple[str, Property]:
    """The smallest window that contains the task's I/O memory, in the layout's direction or else in the other that has one."""
    ends = sorted(("lsd", "msd"), key=layout.direction.__ne__)
    found = [(direction, needed_window(task, direction, layout.shown, domain)) for direction in ends]
    return next((each for each in found if each[1].digits is not None), found[0])


def _lookahead(task: Task, layout: Layout, lengths: tuple[int, ...], domain: str) -> tuple[Ahead, ...]:
    """For the first of the lengths asked, as many as are quickly counted."""
    shown = [length for i, length in enumerate(lengths) if sum(lengths[: i + 1]) <= MAX_AHEAD]
    ahead = looks_ahead(task, layout)
    return tuple(Ahead(n, {k: best_accuracy(task, layout, k, domain, n) for k in ahead}) for n in shown if ahead)


def _check_size(task: Task, training: Training, longest: int) -> None:
    if (2 * longest + 1) * log2(task.base) > MAX_BITS:
        raise InputError(f"numbers of {longest} digits in base {short(task.base)} are too long: take smaller lengths or a smaller base")
    if training.longest > MAX_TRAINED:
        raise InputError(f"trained length {training.longest}: predictions are made for up to {MAX_TRAINED} trained digits")


def _harmless(task: Task, layout: Layout, training: Training) -> bool:
    """Whether the modulus never acts on trained operands and the layout is causal for what is left."""
    if identifiability(task, training.longest, training.domain).value is not False:
        return False
    whole, inner = (Facts(each, training.domain) for each in (task, replace(task, expression=task.inner)))
    return whole.causal(layout).value is False and inner.causal(layout).value is True


def _count(task: Task, training: Training, outcome: Outcome, length: int, domain: str, said: bool) -> LengthAccuracy:
    region = training.region(length)
    kind = outcome.of(region) if said else None
    exact = Fraction(1) if kind == "exact" else None
    if kind == "truncation":
        exact = truncation_accuracy(task, training.longest, length, domain)
    return LengthAccuracy(length, region, exact)


def _majority(
    task: Task, encoding: Encoding, layout: Layout, training: Training, lengths: tuple[int, ...], domain: str
) -> tuple[LengthAccuracy, ...]:
    """What the most frequent answer per visible context is worth, where that is quickly counted."""
    found = majority_of(task, encoding, layout, training)
    shares = (None if found is None else found.accuracy(domain, n) for n in watched(lengths, "lengths"))
    return tuple(LengthAccuracy(n, training.region(n), share) for n, share in zip(lengths, shares, strict=True))


def _remarks(
    task: Task, encoding: Encoding, layout: Layout, training: Training, outcome: Outcome, statement: PaperStatement, later: str
) -> tuple[str, ...]:
    """Where ours differs from the paper, why; and whether training can show the modulus at all. `later` is ours after long training."""
    wraps = identifiability(task, training.longest, training.domain)
    reasons = []
    for region, where in (("id", " on the trained lengths"), ("downward", " on shorter operands"), ("upward", "")):
        ours, said = outcome.of(region), statement.outcome.of(region)
        if ours and said and ours != said:
            patient = region == "upward" and said == later
            why = ", and so do we of the limit of training" if patient else f": {_difference(encoding, layout, ours)}"
            reasons.append(f"the paper says {said}{where}{why}")
    if wraps.value is False:
        reasons.append(wraps.certificate)
    return tuple(reasons)


def _difference(encoding: Encoding, layout: Layout, ours: str) -> str:
    if ours == "exact":
        return "but training shows every digit that the result needs with all its values"
    if encoding.family == "relative":
        return f"it takes relative positions to show the digit roles; in the {layout.name} layout, unbounded attention sees other marks too"
    return f"it does not consider the {layout.name} layout"

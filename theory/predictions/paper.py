"""What P2 (arXiv 2407.17963) says of a task and an encoding, kept apart from our own predictions."""

from __future__ import annotations

from dataclasses import dataclass

from theory.language.domains import Training, selects
from theory.language.encodings import Encoding
from theory.language.expressions import Expression, parse
from theory.language.tasks import Task


@dataclass(frozen=True)
class Outcome:
    """`exact`, `truncation`, `decays`, `fails` or `undetermined` per region; null where silent or not asked for."""

    in_distribution: str | None
    downward: str | None
    upward: str | None

    def of(self, region: str) -> str | None:
        return {"id": self.in_distribution, "downward": self.downward, "upward": self.upward}[region]


@dataclass(frozen=True)
class PaperStatement:
    """The outcome stated in the paper, and where."""

    outcome: Outcome
    source: str


SILENT = PaperStatement(Outcome(None, None, None), "P2 is silent on this case")
_PLAIN: dict[Expression, str] = {parse("a + b"): "addition", parse("a * b"): "multiplication"}


def paper_statement(task: Task, encoding: Encoding, training: Training) -> PaperStatement:
    """P2's statements 6-10 (paraphrased), for addition, multiplication and both modulo p.

    >>> from theory.language.domains import make_training
    >>> from theory.language.encodings import make_encoding
    >>> from theory.language.tasks import make_task
    >>> paper_statement(make_task("mul"), make_encoding("absolute"), make_training("either", "4")).outcome.upward
    'truncation'
    """
    name = _PLAIN.get(task.inner)
    if task.machine is not None:
        from theory.automata.machine_tasks import computes_sum

        name = "addition" if computes_sum(task.machine) else None
    published = encoding.family in ("absolute", "relative") and encoding.keyed and not encoding.priced
    if name is None or selects(training.domain) or not published:
        return SILENT
    downward = "undetermined" if training.domain == "both" else "exact"
    p, power, absolute = task.modulus, task.base**training.longest, encoding.family == "absolute"
    if p is None:
        upward = "truncation" if absolute else "exact" if name == "addition" else "fails"
        source = f"P2 on {name} with {encoding.family} positions, statement {6 if name == 'addition' else 7}"
    elif power % p == 0:
        upward, source = "exact", f"P2, {p} divides {task.base}^{training.longest}, whatever the positions: statement 8"
    else:
        upward, source = "truncation" if absolute else "fails", f"P2, {p} does not divide {task.base}^{training.longest}: statement 9"
    return PaperStatement(Outcome("exact", downward, upward), source)

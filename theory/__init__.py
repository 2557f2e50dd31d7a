"""When do GPT-like models generalise to longer arithmetic? Computed answers; no torch.

The functions have the names of the commands of `arith-theory`, and are asked with the four things that decide: a task, a position
encoding, a layout and a training domain. All of them are immutable, and so are the answers.

>>> import theory
>>> task = theory.make_task("mod-add", modulus=150)
>>> encoding, layout = theory.make_encoding("absolute"), theory.make_layout("padded", width=9)
>>> found = theory.predict(task, encoding, layout, theory.make_training("either", "4"), (4, 5, 9), "either")
>>> found.outcome.upward, found.learned_function
('truncation', '(a % 10000 + b % 10000) % 150')
>>> [str(row.exact) for row in found.accuracy]
['1', '1/3', '1/3']
>>> print(theory.explain(found, "text").splitlines()[-1])
11. Refuted by: agreement with the truncated function below 95 % at n+1

| function | gives | command |
|---|---|---|
| `predict` | what a network does on longer operands, by which rule, and how exactly (`Prediction`) | predict |
| `accuracy` | the exact accuracy of the truncated function at one length (`Fraction`) | accuracy |
| `explain` | a prediction as an argument: text, Markdown or LaTeX | explain |
| `properties` | every decidable property of a task, with certificates that were checked again (`Row` after `Row`) | properties |
| `machine` | the minimal machine of a task, or the proof that there is none (`Serial`) | machine |
| `graph` | the digit dependency graph (`networkx.DiGraph`) | graph |
| `table` | predictions for tasks by encodings by layouts (`Cell` after `Cell`) | table |
| `advise` | all encodings and layouts for one task, the most promising first | advise |

Bad input raises `InputError`, a `ValueError` whose one line names the input and the remedy. Lengths are counted in digits, accuracies are
shares from 0 to 1. The subpackages hold the rest: `language`, `proofs`, `automata`, `exact`, `local`, `graphs` and `predictions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from theory.errors import InputError
from theory.exact.accuracy import truncation_accuracy as accuracy
from theory.graphs.dependency import dependency_graph as graph
from theory.language.domains import make_training
from theory.language.encodings import make_encoding
from theory.language.layouts import make_layout
from theory.language.tasks import CATALOGUE, make_task
from theory.predictions.explain import explain
from theory.predictions.matrix import advise
from theory.predictions.matrix import cells as table
from theory.predictions.predict import predict

if TYPE_CHECKING:
    from theory.automata.rests import Serial
    from theory.language.domains import Training
    from theory.language.tasks import Task
    from theory.proofs.property_report import Row

__all__ = [
    "CATALOGUE", "InputError", "accuracy", "advise", "explain", "graph", "machine", "make_encoding", "make_layout", "make_task",
    "make_training", "predict", "properties", "table",
]  # fmt: skip


def properties(task: Task, training: Training) -> tuple[Row, ...]:
    """Every property of a task, with certificates; each proof is checked again. Identifiability is for the training domain.

    >>> rows = properties(make_task("add"), make_training("either", "4"))
    >>> [row.name for row in rows if row.rechecked is False]
    []
    """
    from theory.proofs.property_report import all_properties  # late: predictions do not need it

    return all_properties(task, training)


def machine(task: Task, direction: str = "lsd") -> Serial:
    """The minimal machine that computes a task digit by digit, or the proof that there is none; `direction`: lsd or msd first.

    Raises:
        InputError: an unknown direction, or undecided: the limit or the class is named.

    >>> found = machine(make_task("add"))
    >>> found.machine is not None and len(found.machine.table), machine(make_task("mul")).verdict.value
    (2, False)
    """
    from theory.automata.report import machine_of

    return machine_of(task, direction)

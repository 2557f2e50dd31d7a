"""RunSpec: everything that determines a training run, and its digest. No torch here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import inf
from typing import Any

from theory.automata.formats import from_json
from theory.automata.machine_tasks import machine_task
from theory.errors import InputError
from theory.language.domains import Training, check_signs, make_training, parse_lengths, restricted
from theory.language.encodings import PRICEABLE, PRICED, SPARSE, Encoding, make_encoding
from theory.language.layouts import Layout, make_layout
from theory.language.tasks import Task, make_task
from theory.local.bands import seen_offsets

#: layers / heads / dim; nano, micro and mini are the papers'
PRESETS: dict[str, tuple[int, int, int]] = {
    "local": (1, 4, 64),
    "small": (3, 4, 64),
    "nano": (3, 3, 48),
    "micro": (4, 4, 128),
    "mini": (6, 6, 384),
}

#: encodings that can be trained -> the mechanism, a module of empirical.network.encodings
TRAINABLE = {
    **dict.fromkeys(("absolute", "ape", "learned", "priced", "sparse-absolute"), "learned"),
    "sinusoidal": "sinusoidal",
    "positional": "positional",
    "sparse": "positional",
    **dict.fromkeys(("relative", "rpe", "shaw"), "shaw"),
    "bias": "bias",
    "t5": "t5",
    "alibi": "alibi",
    "rope": "rope",
    "fire": "fire",
    **dict.fromkeys(("window", "windowed", "local"), "bias"),
    **dict.fromkeys(("banded", "band"), "bias"),
    **dict.fromkeys(("none", "nope", "no"), "none"),
    **dict.fromkeys(("randomised", "randomized", "random-subset", "randomised-ape"), "learned"),
    "randomised-rope": "rope",
    "randomised-alibi": "alibi",
    **dict.fromkeys(("abacus", "coupled", "position-coupling"), "learned"),
}

#: how training pairs are drawn
SAMPLING = {
    "domain": "the law of the training domain",
    "carries": "each number of carries equally often; pairs with as many carries by the law of the domain",
}

#: what a price is charged for
CHARGES = {
    "share": "the share of attention off <bos>, summed over queries",
    "log": "minus the logarithm of the share on <bos>, summed over queries and divided by the tokens that are asked",
}

#: fields that came later: left out of the canonical form where they have their default, so that older digests stay
LATER = ("machine", "sampling", "curriculum", "train_pairs", "watched_lengths", "price", "charge", "anneal")


@dataclass(frozen=True)
class RunSpec:
    """One training run: task, layout, encoding, model, optimiser, seed. Equal specs have equal digests.

    Lengths count digits, `steps` optimiser steps of `batch` lines each, `max_distance` tokens (relative
    distances are clipped there), `heldout` is the reciprocal of the share of pairs that are never trained on.
    `machine` is the JSON of a task that is given by its machine (theory.automata.formats), then named `task`. Over the first
    `curriculum` steps the training lengths come in one by one, shortest first. `train_pairs` is the number of distinct pairs that
    training goes through again and again; 0 draws fresh ones. `watched_lengths` are measured at every logged step; nothing is chosen by it.
    `price` is what a query's attention costs in the end that is not on <bos>, in units of the loss (empirical.training.loop.price_at);
    `charge` says what of it is counted, a name in CHARGES. Over the first `anneal` of the steps, a share of them in [0, 1], sparse
    attention goes from softmax to sparsemax.
    """

    task: str
    train_lengths: tuple[int, ...]
    test_lengths: tuple[int, ...]
    encoding: str
    layout: str
    width: int
    expr: str | None = None
    modulus: int | None = None
    base: int = 10
    window: int | None = None
    direction: str = "lsd"
    train_domain: str = "either"
    test_domain: str = "either"
    layers: int = 3
    heads: int = 4
    dim: int = 64
    max_distance: int = 32
    dropout: float = 0.2
    steps: int = 10_000
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.1
    warmup: int = 100
    clip: float = 1.0
    heldout: int = 16
    examples: int = 2000
    seed: int = 0
    machine: str | None = None
    sampling: str = "domain"
    curriculum: int = 0
    train_pairs: int = 0
    watched_lengths: tuple[int, ...] = ()
    price: float = 0.0
    charge: str = "share"
    anneal: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before anything is written."""
        for name in ("steps", "batch", "layers", "heads", "dim", "warmup", "examples", "max_distance", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: must be at least 1")
        if self.dim % self.heads:
            raise InputError(f"dim {self.dim} is not a multiple of heads {self.heads}: choose a multiple")
        if not 0 < self.lr < inf or not 0 <= self.weight_decay < inf or not 0 < self.clip < inf:
            raise InputError(f"lr {self.lr}, weight_decay {self.weight_decay}, clip {self.clip}: must be above 0 (weight_decay at least 0)")
        for name in ("train_lengths", "test_lengths"):
            lengths = getattr(self, name)
            if not lengths or parse_lengths(",".join(map(str, lengths))) != lengths:
                raise InputError(f"{name} {list(lengths)}: give ascending lengths from 1 on")
        known = {*self.train_lengths, *self.test_lengths}
        if self.watched_lengths != tuple(sorted(known.intersection(self.watched_lengths))):
            raise InputError(f"watched_lengths {list(self.watched_lengths)}: ascending, and among the trained and the test lengths")
        if not 0 <= self.price < inf:
            raise InputError(f"price {self.price}: must be at least 0")
        if self.charge not in CHARGES:
            raise InputError(f"charge {self.charge!r}: choose {' or '.join(CHARGES)}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout}: must lie in [0, 1)")
        if self.heldout < 2:
            raise InputError(f"heldout {self.heldout}: at least 2 (half of the pairs held out)")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed {self.seed}: must lie in [0, 2^31)")
        if self.encoding not in TRAINABLE:
            raise InputError(f"encoding {self.encoding!r} cannot be trained yet: choose from {', '.join(TRAINABLE)}")
        if self.encoding in PRICED and not self.price:
            raise InputError(f"encoding {self.encoding} takes attention at a price: say what it costs, as in --charge log --price 0.3")
        if self.price and self.encoding not in PRICEABLE:
            raise InputError(f"price {self.price:g}: take it with --pe priced, sparse or positional; --pe {self.encoding} has none")
        if not 0 <= self.anneal <= 1:
            raise InputError(f"anneal {self.anneal}: must lie in [0, 1]")
        if self.charge != "share" and not self.price:
            raise InputError(f"charge {self.charge} charges nothing: say with --price how much, or leave it out")
        if self.anneal and not self.sparse:
            raise InputError(f"anneal {self.anneal:g}: take it with --pe {' or '.join(SPARSE)}; --pe {self.encoding} is never sparse")
        size = self.dim if self.mechanism == "sinusoidal" else self.dim // self.heads
        if self.mechanism in ("rope", "sinusoidal") and size % 2:
            raise InputError(f"encoding {self.encoding} pairs dimensions, {size} are odd: choose dim and heads so that they are even")
        self._check_data()
        task, layout, _ = self.make_task(), self.make_layout(), self.make_encoding()
        longest = max(*self.train_lengths, *(self.test_lengths if layout.fixed else (1,)))
        if layout.fixed and longest > self.width:
            raise InputError(f"width {self.width} is below the longest operand ({longest} digits): use --width {longest}")
        make_training(self.test_domain, self.test_lengths)
        make_training(self.train_domain, self.train_lengths)
        check_signs(task, {"--train-domain": self.train_domain, "--domain": self.test_domain})
        restricted(task, self.train_domain)  # refuses a short b of a task that a machine gives, of which nothing is known
        layout.widths(task, longest)
        _ = self.offsets

    def _check_data(self) -> None:
        """Refuse unknown or contradictory ways to draw training pairs."""
        if self.sampling not in SAMPLING:
            raise InputError(f"sampling {self.sampling!r}: choose from {', '.join(SAMPLING)}")
        if self.curriculum < 0 or self.train_pairs < 0:
            raise InputError(f"curriculum {self.curriculum}, train_pairs {self.train_pairs}: must be at least 0")
        if self.curriculum and self.train_pairs:
            raise InputError("curriculum and train_pairs: a curriculum goes with fresh pairs, leave one of them out")
        if self.machine is not None and (self.expr is not None or self.modulus is not None):
            raise InputError("machine: a task given by its machine takes no expr and no modulus")

    def make_task(self) -> Task:
        if self.machine is not None:
            task = machine_task(from_json(self.machine), self.task)
            if task.base != self.base:
                raise InputError(f"base {self.base}: the machine's base is {task.base}")
            return task
        return make_task(None if self.expr else self.task, self.expr, self.base, self.modulus)

    def make_layout(self) -> Layout:
        return make_layout(self.layout, self.width, self.direction)

    def make_encoding(self) -> Encoding:
        return make_encoding(self.encoding, self.window, self.layers)

    @property
    def training(self) -> Training:
        return Training(self.train_domain, self.train_lengths)

    @property
    def mechanism(self) -> str:
        """How positions enter the network: a module of empirical.network.encodings."""
        return TRAINABLE[self.encoding]

    @property
    def sparse(self) -> bool:
        """Whether attention weights are those of sparsemax."""
        return self.make_encoding().sparse

    @property
    def has_position_table(self) -> bool:
        """Whether positions are rows of a learned table, so that there are none beyond those of training and testing."""
        return self.mechanism in ("learned", "positional")

    @property
    def numbering(self) -> str:
        """How tokens are numbered: along the line, or as empirical.network.encodings.numbering says."""
        family = self.make_encoding().family
        if family == "abacus":
            return "abacus" if self.encoding == "abacus" else "coupled"
        return "randomised" if family == "randomised" else "line"

    @property
    def offsets(self) -> tuple[int, ...] | None:
        """The tokens that one layer sees, by how far back from the query they stand; None where it sees all.

        Raises:
            InputError: a banded encoding in a layout that has no band.
        """
        return seen_offsets(self.make_encoding(), self.make_layout(), self.make_task())

    @property
    def digest(self) -> str:
        """16 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(canonical_json(self.to_dict()).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `spec_from_dict` is the inverse."""
        default = {field.name: field.default for field in fields(self)}
        kept = {key: value for key, value in asdict(self).items() if key not in LATER or value != default[key]}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}


def spec_from_dict(values: Mapping[str, Any]) -> RunSpec:
    """A RunSpec from plain values; lengths may be text such as '1-3' or lists.

    Raises:
        InputError: an unknown or missing key, or a value that RunSpec refuses.
    """
    known = {field.name for field in fields(RunSpec)}
    if unknown := sorted(set(values) - known):
        raise InputError(f"unknown setting {unknown[0]!r}: choose from {', '.join(sorted(known))}")
    out = dict(values)
    for key in ("train_lengths", "test_lengths", "watched_lengths"):
        if key in out:
            out[key] = parse_lengths(out[key]) if isinstance(out[key], str) else _tuple(key, out[key])
    for field in fields(RunSpec):
        if field.name not in out and field.default is MISSING:
            raise InputError(f"setting {field.name} is missing: give a value")
        if field.name in out and not _fits(out[field.name], str(field.type)):
            raise InputError(f"setting {field.name} = {out[field.name]!r} is of the wrong type: {field.type} is expected")
        if field.type == "float" and field.name in out:
            out[field.name] = float(out[field.name])  # 0 and 0.0 are one setting, and have one digest
    return RunSpec(**out)


def _tuple(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(type(length) is int for length in value):
        raise InputError(f"setting {key} = {value!r}: give lengths as text like '1-3', or as a list of whole numbers")
    return tuple(value)


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value has the type of a RunSpec field."""
    kinds: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "tuple[int, ...]": tuple, "None": type(None)}
    return not isinstance(value, bool) and any(isinstance(value, kinds[part]) for part in annotation.split(" | "))


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))

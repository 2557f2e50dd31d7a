"""The rules by name: the outcome of each, what it rests on, and what would refute it (the decision order is theory.predictions.rules)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

#: steps of training before which unseen keys draw plenty
EARLY = 10_000

ASSUMPTIONS = {
    "A1": "when a shift-equivariant rule fits the training data, the learner takes it",
    "A2": "codes that training showed with zero digits only contribute as if their digit were 0",
    "A3": "a digit that never changes the training targets is ignored beyond the training lengths too",
    "A4": "without a window far digits keep some weight: attention logits do not grow with the number of digits, so the rule is diluted",
    "A5": "with randomised positions only the order of tokens is learned from, as nothing else is the same in every draw",
    "A6": "the key of a digit draws no attention that the zeros which training showed in its place did not",
    "A7": "attention that nothing depends on in training does not rest on places that it shows with zeros alone",
    "A8": "attention at a price, on which nothing depends in training, ends on <bos> alone: what is not read weighs exactly 0",
    "A9": "softmax attention at a price, on which nothing depends in training, ends on <bos> but for a negligible share",
    "A10": f"before {EARLY:,} steps of training, keys of digits in places where it never showed them draw enough to undo truncation often",
}

DRAWN = "but keys hold digits, and one that training never showed in its place can draw attention, though less after long training"
RESTING = "but attention that nothing depends on in training may rest on places that it showed with zeros alone"
ONCE = "one layer of positional attention reads each place alike for all operands"
PRICED = "which places are read is the same for all operands, and what is read has its price: it can be told from the weights"
LEFT = "keys hold digits, but attention that has no use has a price: what draws it there must draw more than <bos>"
HELD = "the digits of a short operand must be read at every place, from ever further away, and no rule decides whether that is learned"
MARKED = "the short operand stands at a separator, which can be found from every place by what it is and not by where it stands"
UNORDERED = "no training pair shows what is done with operands out of order"

EXACT, TRUNCATED = "truth below 99 % at n+1 or 2n", "agreement with the truncated function below 95 % at n+1"
DECAYED, FAILED = "truth below 50 % at n+1, or no lower at 2n", "truth of 5 % or more at n+1"
UNDONE = "95 % or more as cut at n+1"
#: the shares behind the outcome words: right on nearly all, in agreement with the truncated function, right on half, failing below
RIGHT, AGREEING, DECAYING, FAILING = Fraction(99, 100), Fraction(95, 100), Fraction(1, 2), Fraction(5, 100)


@dataclass(frozen=True)
class Rule:
    """One rule of the decision order: `everywhere` extends its outcome from longer operands to every region."""

    outcome: str
    status: str
    assumptions: tuple[str, ...]
    refuted_by: str
    everywhere: bool = False


#: name -> rule; in the decision order
RULES: dict[str, Rule] = {
    "pairs unseen": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said", everywhere=True),
    "not causal": Rule("fails", "proven", (), "nothing: two inputs with the same visible tokens need different digits", everywhere=True),
    "not causal, uncounted": Rule("fails", "hypothesis", (), FAILED, everywhere=True),
    "not causal, half guessed": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said", everywhere=True),
    "not causal, guessed": Rule("decays", "hypothesis", ("A1",), DECAYED, everywhere=True),
    "window undecided": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "window without a rule": Rule("fails", "hypothesis", (), FAILED),
    "window far too small": Rule("fails", "hypothesis", ("A1",), FAILED, everywhere=True),
    "window too small": Rule("decays", "hypothesis", ("A1",), DECAYED, everywhere=True),
    "window half enough": Rule("undetermined", "hypothesis", ("A1",), "an accuracy other than the counted one", everywhere=True),
    "window holds the rule": Rule("exact", "conditional", ("A1",), EXACT, everywhere=True),
    "band undecided": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "band holds the rule": Rule("exact", "conditional", ("A1",), EXACT, everywhere=True),
    "no positions": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "low digits suffice, keyed sparse": Rule("exact", "hypothesis", ("A6", "A8"), EXACT),
    "low digits suffice, priced": Rule("exact", "hypothesis", ("A6", "A9"), EXACT),
    "low digits suffice, drawn": Rule("decays", "hypothesis", ("A3", "A10"), f"{DECAYED}; {UNDONE}"),
    "drawn in part": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "low digits suffice, keyed": Rule("exact", "hypothesis", ("A3", "A6"), EXACT),
    "low digits suffice, sparse": Rule("exact", "conditional", ("A8",), EXACT),
    "resting in part": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "low digits suffice, layered": Rule("exact", "hypothesis", ("A3", "A7"), EXACT),
    "low digits suffice": Rule("exact", "conditional", ("A3", "A7"), EXACT),
    "order without a rule": Rule("fails", "hypothesis", ("A5",), FAILED),
    "order alone": Rule("undetermined", "hypothesis", ("A5",), "nothing, as nothing is said"),
    "operand held, lifted": Rule("decays", "hypothesis", ("A1", "A4"), DECAYED),
    "operand held": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "roles shown": Rule("decays", "hypothesis", ("A1", "A4"), DECAYED),
    "zero tail": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "shift lifts": Rule("decays", "hypothesis", ("A1", "A4"), DECAYED),
    "codes unseen": Rule("fails", "hypothesis", (), FAILED),
    "codes unseen, guessed": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "cut out of order": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "zeros only, keyed sparse": Rule("truncation", "hypothesis", ("A6", "A8"), TRUNCATED),
    "zeros only, priced": Rule("truncation", "hypothesis", ("A6", "A9"), TRUNCATED),
    "zeros only, drawn": Rule("fails", "hypothesis", ("A2", "A10"), f"{FAILED}; {UNDONE}"),
    "zeros only, keyed": Rule("truncation", "hypothesis", ("A2", "A6"), TRUNCATED),
    "zeros only, sparse": Rule("truncation", "conditional", ("A8",), TRUNCATED),
    "zeros only, one layer": Rule("truncation", "hypothesis", ("A2", "A7"), TRUNCATED),
    "zeros only, open": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "zeros only": Rule("truncation", "hypothesis", ("A2", "A7"), TRUNCATED),
    "no local rule, cut": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
    "no local rule": Rule("fails", "hypothesis", (), FAILED),
    "fixed marks, drawn": Rule("fails", "hypothesis", ("A2", "A10"), f"{FAILED}; {UNDONE}"),
    "fixed marks": Rule("truncation", "hypothesis", ("A2", "A6"), TRUNCATED),
    "no rule": Rule("undetermined", "hypothesis", (), "nothing, as nothing is said"),
}


@dataclass(frozen=True)
class Applied:
    """The rule that applied, the facts that made it, and the longest operands that it speaks of (null: all)."""

    name: str
    reasons: tuple[str, ...]
    longest: int | None = None

    @property
    def rule(self) -> Rule:
        return RULES[self.name]

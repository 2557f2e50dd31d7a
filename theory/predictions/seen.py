"""What stored networks did under each rule: a prediction is told with its record.

The record, seen.json, is counted by verify.verdicts.record from the evidence of this project: small networks, in groups of mostly three.
It is no score, as rules were sharpened on some of these groups; `arith-verify score` counts what was registered beforehand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from theory.words import counted

FILE = Path(__file__).parent / "seen.json"


@dataclass(frozen=True)
class Seen:
    """Groups of networks that learned a task which a rule decides, by the outcome observed on longer operands.

    `right` and `truncated` are medians over groups, at n+1: shares of answers that are the truth, and the task on cut operands (null where
    that was not counted).
    """

    groups: int
    observed: dict[str, int]
    right: float
    truncated: float | None

    @property
    def text(self) -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.observed.items(), key=lambda item: (-item[1], item[0])))
        cut = "" if self.truncated is None else f", as truncated on {self.truncated:.1%}"
        learned = f"{counted(self.groups, 'group')} of small networks that learned their task"
        return f"{learned}: {outcomes}; at n+1 right on {self.right:.1%}{cut} (medians)"


@cache
def record() -> dict[str, Seen]:
    """By the name of the rule; rules that no network was trained for are left out."""
    return {name: Seen(**said) for name, said in json.loads(FILE.read_bytes()).items()}

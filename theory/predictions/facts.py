"""What is proven of a task on the pairs that a domain has.

What holds for all pairs holds there; where b is short, so does what holds of f(a, b mod B^K). What does not hold of that function is taken
to fail there, but for causality: that is a proof by two pairs, which the domain may not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from theory.automata.held import Held, held
from theory.language.domains import plain, restricted, short_operand
from theory.language.expressions import affine
from theory.language.layouts import Layout
from theory.language.tasks import Task
from theory.proofs.causality import causality
from theory.proofs.properties import Property, either_direction, low_support, ordered_by_direction, translation_by_direction


@dataclass(frozen=True)
class Facts:
    """Facts of a task where operands are those of `domain`."""

    task: Task
    domain: str

    @cached_property
    def plain(self) -> Task:
        """The task without what the domain makes idle."""
        return plain(self.task, self.domain)

    @cached_property
    def restricted(self) -> Task:
        """The task as the domain shows it.

        Raises:
            InputError: the domain has a short b, and the task is given by a machine.
        """
        return restricted(self.task, self.domain)

    def _decided(self, fact: Callable[[Task], Property]) -> Property:
        found = fact(self.plain)
        return found if found.value or self.restricted is self.task else fact(self.restricted)

    @cached_property
    def by_direction(self) -> dict[str, Property]:
        """Translation invariance by the end that is read first; of tasks that need order, on operands in order."""
        if self.task.needs_order:
            return ordered_by_direction(self.task)
        whole, told = translation_by_direction(self.plain), translation_by_direction(self.restricted)
        return {end: found if found.value else told[end] for end, found in whole.items()}

    @cached_property
    def invariance(self) -> Property:
        return either_direction(self.by_direction)

    @cached_property
    def support(self) -> Property:
        found = low_support(self.restricted)  # needs no more digits than the task does
        return found if found.value else low_support(self.plain)

    def causal(self, layout: Layout) -> Property:
        found = self._decided(lambda task: causality(task, layout))
        if found.value is False and (short_operand(self.domain) or 1) > 1 and self.restricted is not self.task:
            return Property(None, "undecided where b is short: the pairs that show it may be of no length")
        return found

    @cached_property
    def held(self) -> Held | None:
        """How a finite machine holds an operand that stays short, if it takes one that does."""
        return None if self.by_direction["lsd"].value else held(self.restricted)

    def starts_apart(self, layout: Layout) -> bool:
        """Whether a machine computes the task from a start that never recurs, in the layout's direction: a finite rule all the same."""
        local = self.by_direction[layout.result_direction]
        if self.task.machine is not None:
            return local.value is False and layout.result_direction == self.task.machine.direction
        linear = affine(self.plain.expression) is not None or self.held is not None
        return local.value is False and layout.result_direction == "lsd" and linear

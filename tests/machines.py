"""Machines that tests share: those of simple tasks, and random ones."""

from itertools import product

from hypothesis import strategies as st

from theory.automata.machines import Machine, from_transducer
from theory.automata.transducers import affine_transducer, quotient_transducer
from theory.language.tasks import make_task


def affine(text: str, base: int = 10, operands: int = 2) -> Machine:
    return from_transducer(affine_transducer(make_task(expr=text, base=base)), operands)


def division(q: int, base: int = 10) -> Machine:
    return from_transducer(quotient_transducer(make_task(expr=f"a//{q}", base=base)), 1)


@st.composite
def machines(draw, largest=5, bases=(2, 3), operands=(1, 2)):
    base, count, states = draw(st.sampled_from(bases)), draw(st.sampled_from(operands)), draw(st.integers(1, largest))
    cell = st.tuples(st.integers(0, states - 1), st.integers(0, base - 1))
    row = st.lists(cell, min_size=base**count, max_size=base**count)
    table = draw(st.lists(row, min_size=states, max_size=states))
    return Machine(base, count, draw(st.integers(0, states - 1)), table, draw(st.sampled_from(["lsd", "msd"])))


small = machines(largest=5, bases=(2,), operands=(1,))


def words(machine: Machine, length: int):
    return product(machine.groups, repeat=length)


def behaviour(machine: Machine, state: int, length: int) -> tuple:
    """Everything a state writes on inputs of `length` groups (shorter ones are prefixes)."""
    return tuple(machine.walk(word, state)[1] for word in words(machine, length))

"""Words that depend on a number."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number of things, by the name of one.

    >>> counted(1, "digit"), counted(2, "layer")
    ('1 digit', '2 layers')
    """
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"

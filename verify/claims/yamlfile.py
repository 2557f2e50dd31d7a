"""YAML that people write: bounded, without aliases or duplicate keys, and with the line of every value.

A claims file may come from a stranger, so everything that could make reading it slow or ambiguous is refused
before any value is built: size, nesting, anchors (an alias bomb needs them), tags and duplicate keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from theory.errors import InputError

MAX_BYTES = 1_000_000
MAX_EVENTS = 30_000  # that the parser reports: about five times those of this project's file, read in seconds
MAX_DEPTH = 20
NEWLINE = b"\n"

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """Plain values, and the line (from 1) on which each path starts."""

    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Iterable[str | int]) -> int:
        """The line of a path; steps that do not exist (a missing key, a union tag) are passed over."""
        at: Path = ()
        for step in path:
            if (*at, step) in self.lines:
                at = (*at, step)
        return self.lines[at]


def read_yaml(raw: bytes, name: str) -> Document:
    """The document in `raw`; `name` is the file name that errors show.

    Raises:
        InputError: `name:LINE: message` for anything that is not plain, unambiguous YAML.
    """
    if len(raw) > MAX_BYTES:
        raise InputError(f"{name}:1: {len(raw)} bytes: at most {MAX_BYTES} are read")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}:{raw.count(NEWLINE, 0, error.start) + 1}: not UTF-8 text") from None
    try:
        _refuse_tricks(text, name)
        reader = YAML(typ="safe", pure=True)
        node = reader.compose(text)
        if node is None:
            raise InputError(f"{name}:1: the file is empty")
        lines: dict[Path, int] = {}
        _note_lines(node, (), node.start_mark.line + 1, lines)
        return Document(reader.constructor.construct_document(node), lines)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        problem = " ".join(str(error.problem or error.context).split())
        raise InputError(f"{name}:{line}: {problem}") from None
    except YAMLError as error:
        raise InputError(f"{name}:1: {' '.join(str(error).split())}") from None
    except (ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}:1: a value is not readable: {error}") from None


def _refuse_tricks(text: str, name: str) -> None:
    """Walk the events, which costs no memory, and stop at the first thing that a claims file has no use for."""
    depth = 0
    for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind == "AliasEvent" or getattr(event, "anchor", None) is not None:
            raise InputError(f"{name}:{line}: anchors and aliases are not read: write the value out")
        if getattr(event, "tag", None) is not None:
            raise InputError(f"{name}:{line}: tags are not read: write a plain value")
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if number > MAX_EVENTS:
            raise InputError(f"{name}:{line}: too many values: at most {MAX_EVENTS} marks, keys and values are read")
        if depth > MAX_DEPTH:
            raise InputError(f"{name}:{line}: nested more than {MAX_DEPTH} levels deep")


def _note_lines(node: Node, path: Path, line: int, lines: dict[Path, int]) -> None:
    lines[path] = line
    if isinstance(node, MappingNode):
        for key, child in node.value:
            _note_lines(child, (*path, str(key.value)), key.start_mark.line + 1, lines)
    elif isinstance(node, SequenceNode):
        for index, child in enumerate(node.value):
            _note_lines(child, (*path, index), child.start_mark.line + 1, lines)

"""How many small errors the tests find: `python -m benchmarks.mutation --sample 40 --seed 1`.

Each mutant changes one operator, comparison, constant or condition of a module, and counts as found when its tests fail. A mutant runs in
a forked process, so that nothing is written and nothing imported twice. Some mutants cannot be found, as they change nothing
(`x < 2**k` for `x <= 2**k - 1`): those that survive are listed, to be looked at.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: module -> the tests that specify it
TARGETS = {
    "verify.verdicts.statistics": ("tests/test_verify_statistics.py",),
    "theory.exact.accuracy": ("tests/test_accuracy.py", "tests/test_accuracy_planted.py"),
    "theory.mistakes": ("tests/test_mistakes.py",),
}
SECONDS = 60  # a mutant that takes longer runs for ever, and is found

SWAPS: dict[type[ast.AST], Any] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
    ast.Div: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: at the node of this number in the module's tree, what it does in words."""

    module: str
    number: int
    line: int
    what: str


def mutants(module: str, tree: ast.Module) -> Iterator[Mutant]:
    """Every change that the table knows, in functions; annotations and texts are left alone."""
    ignored = {id(inner) for node in ast.walk(tree) for part in _annotations(node) for inner in ast.walk(part)}
    inside = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    line = 0
    for number, node in enumerate(ast.walk(tree)):
        line = getattr(node, "lineno", line)
        if id(node) in ignored or id(node) not in inside:
            continue
        if what := _change(node, apply=False):
            yield Mutant(module, number, getattr(node, "lineno", line), what)


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    for name in ("annotation", "returns"):
        if isinstance(part := getattr(node, name, None), ast.AST):
            yield part


def _change(node: ast.AST, apply: bool) -> str:
    """What a node becomes, or nothing; with `apply`, it becomes it."""
    match node:
        case ast.BinOp(op=old) | ast.BoolOp(op=old) | ast.AugAssign(op=old) if type(old) in SWAPS:
            if apply:
                node.op = SWAPS[type(old)]()
            return f"{type(old).__name__} to {SWAPS[type(old)].__name__}"
        case ast.Compare(ops=[old]) if type(old) in SWAPS:
            if apply:
                node.ops = [SWAPS[type(old)]()]
            return f"{type(old).__name__} to {SWAPS[type(old)].__name__}"
        case ast.Constant(value=bool() as value):
            if apply:
                node.value = not value
            return f"{value} to {not value}"
        case ast.Constant(value=int() | float() as value):
            if apply:
                node.value = value + 1
            return f"{value} to {value + 1}"
        case ast.IfExp(test=test) | ast.If(test=test):
            if apply:
                node.test = ast.UnaryOp(ast.Not(), test)
            return "condition negated"
    return ""


def found(mutant: Mutant, tests: tuple[str, ...]) -> bool:
    """Whether the tests fail on a mutant, in a forked process."""
    import pytest

    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    code = 1
    try:
        signal.alarm(SECONDS)
        module = importlib.import_module(mutant.module)
        path = Path(str(module.__file__))
        tree = ast.parse(path.read_text())
        _change(list(ast.walk(tree))[mutant.number], apply=True)
        exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), module.__dict__)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", *tests]))
    except BaseException:  # a mutant that does not even load is found
        code = 1
    finally:
        os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=40, help="mutants, drawn evenly from the modules")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=240.0, help="stop after so long")
    asked = parser.parse_args()
    os.chdir(ROOT)
    dice, started = random.Random(asked.seed), time.monotonic()
    drawn: list[list[Mutant]] = []
    for module in TARGETS:
        path = Path(str(importlib.import_module(module).__file__))
        every = list(mutants(module, ast.parse(path.read_text())))
        drawn.append(dice.sample(every, min(len(every), -(-asked.sample // len(TARGETS)))))
    score = {module: [0, 0] for module in TARGETS}
    for row in zip(*drawn, strict=False):
        for mutant in row:
            if time.monotonic() - started > asked.seconds:
                break
            killed = found(mutant, TARGETS[mutant.module])
            score[mutant.module][0] += killed
            score[mutant.module][1] += 1
            if not killed:
                print(f"survived: {mutant.module}:{mutant.line}: {mutant.what}", flush=True)
    for module, (killed, tried) in score.items():
        print(f"{module}: {killed} of {tried} mutants found")
    print(f"in all: {sum(k for k, _ in score.values())} of {sum(n for _, n in score.values())}", file=sys.stdout)


if __name__ == "__main__":
    main()

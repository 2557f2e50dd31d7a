"""What exact counting costs, beside counting one by one: python -m benchmarks.accuracy writes README.md and accuracy.json here.

Three ways to the same number, on the pairs of operands with exactly m digits each, for truncation to n digits:

- exact: theory.exact.accuracy, formulas and lattice points;
- enumeration: every pair, the task against the task on cut operands;
- parts: loops over the high parts A, C and in them over the low parts x, y, with a test of the difference f - f^ alone, as the
  notebooks released with arXiv 2407.17963 are described to do it. Written here from that description.

Where several ways are run they must agree. The slow ones run once. Times are processor seconds, so that a busy machine matters little.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import process_time

from theory.exact.accuracy import box_agreements
from theory.language.tasks import Task, make_task

HERE = Path(__file__).resolve().parent
ENUMERABLE = 100_000_000  # pairs
REPETITIONS = 15


@dataclass(frozen=True)
class Case:
    """A task, the trained length n, the test length m, and the seconds that exact counting should stay below."""

    name: str
    modulus: int
    n: int
    m: int
    aim: float | None = None

    @property
    def task(self) -> Task:
        return make_task(self.name, modulus=self.modulus)

    @property
    def operands(self) -> tuple[int, int]:
        return 10 ** (self.m - 1), 10**self.m

    @property
    def pairs(self) -> int:
        return (self.operands[1] - self.operands[0]) ** 2


CASES = (
    Case("mod-add", 997, 4, 100, 0.001),
    Case("mod-mul", 997, 4, 100, 0.3),
    Case("mod-mul", 51, 2, 3),
    Case("mod-mul", 51, 3, 4),
    Case("mod-mul", 51, 3, 100),
    Case("mod-add", 997, 2, 3),
    Case("mod-add", 997, 3, 4),
)


def exact(case: Case) -> int | None:
    return box_agreements(case.task, case.n, case.operands, case.operands)


def enumeration(case: Case) -> int:
    """Pair by pair, with the formula written out: nothing is interpreted."""
    p, M, values, count = case.modulus, 10**case.n, range(*case.operands), 0
    if case.name == "mod-add":
        for a in values:
            for b in values:
                count += (a + b) % p == (a % M + b % M) % p
    else:
        for a in values:
            for b in values:
                count += a * b % p == (a % M) * (b % M) % p
    return count


def parts(case: Case) -> int:
    """High parts outside, low parts inside; f - f^ is M*(A + C), or M*(M*A*C + A*y + C*x)."""
    p, M, count = case.modulus, 10**case.n, 0
    high, low = range(case.operands[0] // M, case.operands[1] // M), range(M)
    for A in high:
        for C in high:
            if case.name == "mod-add":
                for _ in low:
                    for _ in low:
                        count += M * (A + C) % p == 0
            else:
                for x in low:
                    for y in low:
                        count += M * (M * A * C + A * y + C * x) % p == 0
    return count


WAYS: dict[str, Callable[[Case], int | None]] = {"exact": exact, "enumeration": enumeration, "parts": parts}


@dataclass(frozen=True)
class Timing:
    """Seconds of one way at one case."""

    case: Case
    way: str
    agreements: str
    repetitions: int
    minimum: float
    median: float


def timed(case: Case, way: str, repetitions: int) -> Timing:
    """Time one way; the first call of `exact` is not counted, so that imports are not."""
    run = partial(WAYS[way], case)
    if way == "exact":
        run()
    seconds, found = [], None
    for _ in range(repetitions):
        start = process_time()
        found = run()
        seconds.append(process_time() - start)
    return Timing(case, way, str(found), repetitions, min(seconds), median(seconds))


def measure(cases: tuple[Case, ...], limit: int = ENUMERABLE) -> list[Timing]:
    """All ways at all cases, slow ones where the pairs can be enumerated.

    Raises:
        RuntimeError: two ways disagree.
    """
    found = []
    for case in cases:
        rows = [timed(case, "exact", REPETITIONS)]
        if case.pairs <= limit:
            rows += [timed(case, way, 1) for way in ("enumeration", "parts")]
        if len({row.agreements for row in rows}) > 1:
            raise RuntimeError(f"the ways disagree at {case}: {[row.agreements for row in rows]}")
        found += rows
    return found


def versions() -> dict[str, str]:
    out = {"python": platform.python_version()}
    for name in ("arith-theory", "numpy"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "from source"
    return out


def table(rows: list[Timing], used: dict[str, str]) -> str:
    """The README of this folder."""
    lines = [
        "# What exact accuracy costs",
        "",
        "Processor seconds to count the pairs of m-digit operands on which truncation to n digits agrees with the task (base 10).",
        f"Exact counting: the median of {REPETITIONS} repetitions; counting one by one: a single run. Written by",
        "`python -m benchmarks.accuracy`, which also says what each way does; all figures are in `accuracy.json`.",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in used.items()) + ".",
        "",
        "| task | n | m | pairs | exact | aim | plain enumeration | loops over high and low parts |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in dict.fromkeys(row.case for row in rows):
        seconds = {row.way: _seconds(row.median) for row in rows if row.case == case}
        aim = "" if case.aim is None else _seconds(case.aim)
        slow = [seconds.get(way, "not feasible") for way in ("enumeration", "parts")]
        name = case.task.text.replace("*", r"\*")
        lines.append(f"| {name} | {case.n} | {case.m} | {case.pairs:.1e} | {seconds['exact']} | {aim} | {slow[0]} | {slow[1]} |")
    return "\n".join(lines) + "\n"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def main() -> None:
    rows, used = measure(CASES), versions()
    (HERE / "README.md").write_text(table(rows, used))
    (HERE / "accuracy.json").write_text(json.dumps({"versions": used, "timings": [asdict(row) for row in rows]}, indent=1) + "\n")
    print(table(rows, used))


if __name__ == "__main__":
    main()

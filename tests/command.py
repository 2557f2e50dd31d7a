"""Runs a command line of this project in a child process, as a user does."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, output, errors, processor seconds, and the modules it imported."""

    code: int
    out: str
    err: str
    seconds: float
    modules: frozenset[str]


def command(package: str, *arguments: str, cwd: Path | None = None) -> Done:
    """Run the command line of `theory`, `empirical` or `verify`."""
    note = "import atexit, sys; atexit.register(lambda: print('@@' + ' '.join(sys.modules), file=sys.stderr));"
    code = f"{note} from {package}.cli import main\nsys.argv[0] = {package!r}\nmain()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    err, _, modules = done.stderr.rpartition("@@")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Done(done.returncode, done.stdout, err, seconds, frozenset(modules.split()))


def refused(done: Done, part: str) -> None:
    """Bad input: exit code 2, one line on standard error that names the input, nothing on standard output."""
    assert done.code == 2, (done.code, done.out, done.err)
    assert done.out == ""
    assert "Traceback" not in done.err
    lines = [line for line in done.err.splitlines() if line.strip() and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1, done.err
    assert part in lines[0], lines

"""Runs a command line of this project in a child process, as a user does."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, output, errors, processor seconds, the modules it imported, and the most memory it held."""

    code: int
    out: str
    err: str
    seconds: float
    modules: frozenset[str]
    megabytes: float = 0.0


def command(package: str, *arguments: str, cwd: Path | None = None) -> Done:
    """Run the command line of `theory`, `empirical` or `verify`."""
    # the largest memory of the child alone: what getrusage gives begins at that of the parent it was forked from
    peak = "next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))"
    note = f"import atexit, sys; atexit.register(lambda: print('@@', {peak}, *sys.modules, file=sys.stderr));"
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
    err, _, rest = done.stderr.rpartition("@@")
    kilobytes, *modules = rest.split()
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Done(done.returncode, done.stdout, err, seconds, frozenset(modules), int(kilobytes) / 1024)


def called(package: str, *arguments: str, cwd: Path | None = None) -> Done:
    """The same in this process: quick, for tables of cases; seconds and modules are not measured."""
    main = importlib.import_module(f"{package}.cli").main
    out, err, code, before = io.StringIO(), io.StringIO(), 0, sys.argv
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(cwd or ROOT):
        sys.argv = [package, *arguments]
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        finally:
            sys.argv = before
    return Done(code, out.getvalue(), err.getvalue(), 0.0, frozenset())


def refused(done: Done, part: str) -> None:
    """Bad input: exit code 2, one line on standard error that names the input, nothing on standard output."""
    assert done.code == 2, (done.code, done.out, done.err)
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1, done.err
    assert part in done.err

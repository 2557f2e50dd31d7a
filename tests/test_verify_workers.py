"""The processes of a command end with it, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import ROOT

CODE = """
import os, signal, sys, time
from verify.verdicts.workers import Workers
def work(path):
    open(f"{path}/{os.getpid()}", "w").close()
    time.sleep(300)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Workers() as workers:
        list(workers.run(work, [sys.argv[1]] * 3, lambda item, error: None))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_the_command(tmp_path: Path, number: signal.Signals) -> None:
    script, notes = tmp_path / "script.py", tmp_path / "notes"
    script.write_text(CODE)
    notes.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, str(script), str(notes)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    until = time.monotonic() + 60
    while not any(notes.iterdir()) and time.monotonic() < until:
        time.sleep(0.1)
    assert any(notes.iterdir())
    child.send_signal(number)
    child.communicate(timeout=60)  # until all that hold its output are gone
    assert child.returncode != 0

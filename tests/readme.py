"""`make readme`: runs the commands that README.md, results/verdicts.md and results/findings.md show with an output, and renews that.

Before, it counts what networks did under each rule, which predictions quote (theory/predictions/seen.json).

A shown output is a fenced block that starts with `$ command` lines, or one behind a comment `<!-- output of: command -->`. Blocks
of commands alone (training, installing) are left alone. A table behind `<!-- table of: command -->` is not fenced.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: README last: it counts what the verdicts say
SHOWING = (ROOT / "results" / "verdicts.md", ROOT / "results" / "findings.md", ROOT / "README.md")
SHOWN = re.compile(
    r"(?P<head><!-- output of: (?P<hidden>.+?) -->\n```\w*\n|```\n\$ (?P<command>(?:.*\\\n)*+.*)\n)"
    r"(?P<output>(?!\$ )(?:(?!```).*\n)+)```"
)
TABLE = re.compile(r"(?P<head><!-- table of: (?P<command>.+?) -->\n)(?:\|.*\n)+")


def output(command: str) -> str:
    """What a command prints in a shell at the root, 110 columns wide, without paths of this machine."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PATH": path, "COLUMNS": "110"}
    )
    if not done.stdout:
        sys.exit(f"error: {command}: printed nothing: {done.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.rstrip().replace(f"{ROOT}/", "").splitlines())


def renewed(text: str) -> str:
    text = TABLE.sub(lambda shown: shown["head"] + output(shown["command"]), text)
    return SHOWN.sub(lambda shown: shown["head"] + output(shown["hidden"] or shown["command"]) + "```", text)


def write_record() -> None:
    """What predictions quote of the evidence."""
    from theory.predictions.seen import FILE
    from verify.verdicts.evidence import load_evidence
    from verify.verdicts.record import record_json, record_of

    FILE.write_text(record_json(record_of(ROOT / "results", load_evidence(ROOT / "results"))))


if __name__ == "__main__":
    write_record()
    for page in SHOWING:
        page.write_text(renewed(page.read_text()))

"""Verdicts for other programs: JSON, Markdown for a CI summary, JUnit XML for its list of tests."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

from theory.errors import InputError
from verify.claims.dependence import shaken
from verify.claims.schema import Loaded
from verify.verdicts.engine import Verdict
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, UNTESTED, VERDICTS

SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?", "untested": "–", "error": "!"}


def verdicts_json(verdicts: Sequence[Verdict], provenance: Mapping[str, Any]) -> str:
    """The JSON object that `--json` prints."""
    return json.dumps({**provenance, "claims": [asdict(verdict) for verdict in verdicts]}, indent=1)


def read_verdicts(path: Path, loaded: Loaded) -> tuple[list[Verdict], dict[str, Any]]:
    """Verdicts and provenance from a file that `--json` printed, of these very claims.

    Raises:
        InputError: it is missing, no such file, or of another version of the claims.
    """
    try:
        content = json.loads(path.read_bytes())
        verdicts = [Verdict(**one) for one in content.pop("claims")]
        stated = content["sha256"]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}: give a file that arith-verify all --json wrote") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"{path}: not what arith-verify all --json writes: write it anew") from None
    if not _as_written(content, verdicts):
        raise InputError(f"{path}: not what arith-verify all --json writes: write it anew")
    known = {claim.id for claim in loaded.claims}
    if stated != loaded.sha256 or not {one.id for one in verdicts} <= known or not {one.verdict for one in verdicts} <= set(VERDICTS):
        raise InputError(f"{path}: verdicts on other claims than {loaded.path} holds now: write it anew with arith-verify all --json")
    return verdicts, content


def _as_written(provenance: Mapping[str, Any], verdicts: Sequence[Verdict]) -> bool:
    """Whether the reports find what they look for, each claim once; what lies deeper in `evidence` is not looked at."""
    texts = all(isinstance(provenance.get(key), str) for key in ("claims_file", "sha256", "evidence_sha256"))
    counts = all(isinstance(provenance.get(key), int) for key in ("networks", "seed", "examples"))
    claims = all(isinstance(getattr(one, key), str) for one in verdicts for key in ("id", "family", "kind", "verdict", "detail"))
    facts = all(isinstance(one.evidence, dict) for one in verdicts)
    once = claims and len({one.id for one in verdicts}) == len(verdicts) > 0
    return texts and counts and facts and once and isinstance(provenance.get("commit"), str | None)


def markdown(loaded: Loaded, verdicts: Sequence[Verdict], provenance: Mapping[str, Any]) -> str:
    """A summary table, then one table per family."""
    statements, notes = {claim.id: claim.statement for claim in loaded.claims}, shaken(loaded, verdicts)
    families = list(dict.fromkeys(verdict.family for verdict in verdicts))
    shown = [name for name in VERDICTS if any(verdict.verdict == name for verdict in verdicts)]
    lines = ["| family | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for family in families:
        counts = [sum(one.family == family and one.verdict == name for one in verdicts) for name in shown]
        lines.append(f"| {_cell(family)} | " + " | ".join(str(count or "") for count in counts) + " |")
    for family in families:
        lines += ["", f"### {family}", "", "| claim | verdict | statement | why |", "|---|---|---|---|"]
        for one in (one for one in verdicts if one.family == family):
            why = "; ".join([one.detail, *([notes[one.id]] if one.id in notes else [])])
            lines.append(f"| `{one.id}` | {SIGNS[one.verdict]} {one.verdict} | {_cell(statements[one.id])} | {_cell(why)} |")
    rests = [f"claims `{str(provenance['sha256'])[:16]}`", f"evidence `{str(provenance['evidence_sha256'])[:16]}`"]
    rests += [f"seed {provenance['seed']}", *([f"commit `{provenance['commit'][:12]}`"] if provenance.get("commit") else [])]
    return "\n".join([*lines, "", ", ".join(rests)])


def _cell(text: str) -> str:
    """Text that no character of which ends or marks a cell."""
    escaped = "".join(f"\\{letter}" if letter in "\\|*_`<>[]#" else letter for letter in text)
    return " ".join(escaped.split())


def junit(verdicts: Sequence[Verdict], fail_on: Collection[str]) -> str:
    """A test per claim: failed by the verdicts named, skipped where nothing was decided."""
    root = xml.Element("testsuites", name="arith-verify", tests=str(len(verdicts)))
    for family in dict.fromkeys(verdict.family for verdict in verdicts):
        mine = [one for one in verdicts if one.family == family]
        counts = {
            "failures": sum(one.verdict in fail_on and one.verdict != ERROR for one in mine),
            "errors": sum(one.verdict == ERROR for one in mine),
            "skipped": sum(one.verdict in (UNTESTED, INCONCLUSIVE) and one.verdict not in fail_on for one in mine),
        }
        attributes = {"name": family, "tests": str(len(mine)), **{key: str(count) for key, count in counts.items()}}
        suite = xml.SubElement(root, "testsuite", attributes)
        for one in mine:
            case = xml.SubElement(suite, "testcase", classname=family, name=one.id)
            if one.verdict == ERROR:
                xml.SubElement(case, "error", message=_plain(one.detail))
            elif one.verdict in fail_on:
                xml.SubElement(case, "failure", message=_plain(f"{one.verdict}: {one.detail}"))
            elif one.verdict in (UNTESTED, INCONCLUSIVE):
                xml.SubElement(case, "skipped", message=_plain(f"{one.verdict}: {one.detail}"))
            xml.SubElement(case, "system-out").text = _plain(f"{one.verdict}: {one.detail}")
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode")


def _plain(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(letter if letter >= " " and letter not in "\ufffe\uffff" else " " for letter in text)

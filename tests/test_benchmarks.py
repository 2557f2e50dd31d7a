"""The benchmark's ways to count agree, and its committed table is that of its committed figures."""

from __future__ import annotations

import json

import pytest

from benchmarks import accuracy
from benchmarks.accuracy import CASES, HERE, Case, Timing, measure, table


def test_all_ways_find_the_same_number() -> None:
    rows = measure((Case("mod-mul", 51, 1, 2), Case("mod-add", 997, 1, 2), Case("mod-add", 7, 1, 2), Case("mod-mul", 30, 1, 2)))
    assert [row.way for row in rows] == ["exact", "enumeration", "parts"] * 4
    assert int(rows[0].agreements) > 0


def test_ways_that_disagree_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(accuracy.WAYS, "parts", lambda case: -1)
    with pytest.raises(RuntimeError, match="disagree"):
        measure((Case("mod-add", 7, 1, 2),))


def test_the_committed_table_is_that_of_the_committed_figures() -> None:
    stored = json.loads((HERE / "accuracy.json").read_text())
    rows = [Timing(**{**row, "case": Case(**row["case"])}) for row in stored["timings"]]
    assert table(rows, stored["versions"]) == (HERE / "README.md").read_text()
    assert tuple(dict.fromkeys(row.case for row in rows)) == CASES
    assert {row.way for row in rows} == {"exact", "enumeration", "parts"}
    released = next(row for row in rows if row.case == Case("mod-mul", 51, 3, 4))
    assert released.agreements == "1942585"
    assert all(row.median < row.case.aim for row in rows if row.case.aim is not None and row.way == "exact")

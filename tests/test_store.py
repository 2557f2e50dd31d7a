"""The run store notices every damage; digests are stable and tell specs apart."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from empirical.runs.spec import RunSpec, spec_from_dict
from empirical.runs.store import Run, claimed, load_model, load_run, load_runs, registrations, trim
from empirical.training.loop import train
from tests.command import ROOT
from tests.networks import TINY
from theory.errors import InputError

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(replace(TINY, steps=2), tmp_path_factory.mktemp("results"))


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return damage


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return damage


def flip(folder: Path) -> None:
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(data)


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "result cut short": ("result.json", cut("result.json")),
    "count edited": ("result.json", edit("result.json", '"examples": 50', '"examples": 51')),
    "group edited": ("result.json", edit("result.json", '"group": null', '"group": "x"')),
    "result no object": ("result.json", lambda folder: (folder / "result.json").write_text("[1]") and None),
    "result nested": ("result.json", lambda folder: (folder / "result.json").write_text("[" * 100_000) and None),
    "spec edited": ("spec.json", edit("spec.json", '"seed": 0', '"seed": 1')),
    "spec unknown key": ("unknown", edit("spec.json", '"seed": 0', '"seed": 0, "sead": 1')),
    "spec missing": ("spec.json", lambda folder: (folder / "spec.json").unlink()),
    "weights cut short": ("weights.safetensors", cut("weights.safetensors")),
    "one bit of the weights": ("weights.safetensors", flip),
    "weights missing": ("weights.safetensors", lambda folder: (folder / "weights.safetensors").unlink()),
    "metrics edited": ("metrics.jsonl", edit("metrics.jsonl", '"step": 1', '"step": 3')),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_noticed(name: str, done: Run, tmp_path: Path) -> None:
    part, damage = DAMAGE[name]
    folder = tmp_path / done.folder.name
    shutil.copytree(done.folder, folder)
    assert load_run(folder).result == done.result
    damage(folder)
    with pytest.raises(InputError, match=part) as caught:
        load_run(folder)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        load_runs(tmp_path)


def test_trimmed_runs_keep_all_but_their_weights(done: Run, tmp_path: Path) -> None:
    folder = tmp_path / done.folder.name
    shutil.copytree(done.folder, folder)
    trim(load_run(folder))
    trim(load_run(folder))  # twice is once
    assert load_run(folder).trimmed
    assert load_run(folder).result == done.result
    assert {path.name for path in folder.iterdir()} == {"spec.json", "metrics.jsonl", "weights.sha256", "result.json"}
    shutil.copy(folder / "weights.sha256", tmp_path / "weights.sha256")
    shutil.copy(done.folder / "weights.safetensors", tmp_path)
    assert subprocess.run(["sha256sum", "--check", "weights.sha256"], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    with pytest.raises(InputError, match="left out"):
        load_model(load_run(folder))
    edit("weights.sha256", "weights", "waits")(folder)
    with pytest.raises(InputError, match=r"weights\.sha256: digest mismatch"):
        load_run(folder)


def test_a_folder_in_the_place_of_a_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run" / "result.json").mkdir(parents=True)
    with pytest.raises(InputError, match=r"result\.json: Is a directory: restore it"):
        load_run(tmp_path / "run")


def test_a_store_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory: name a folder"), claimed(tmp_path / "file" / "run"):
        pass


def test_a_run_in_another_folder_is_refused(done: Run, tmp_path: Path) -> None:
    shutil.copytree(done.folder, tmp_path / "0123456789abcdef")
    with pytest.raises(InputError, match="digest mismatch"):
        load_run(tmp_path / "0123456789abcdef")


def test_digests_never_change() -> None:
    """Digests name the folders of committed evidence. If this fails, a field or a default was changed: see CONTRIBUTING."""
    assert TINY.digest == "196151bd26105274"
    values = TINY.to_dict()
    assert spec_from_dict(dict(reversed(values.items()))) == TINY
    assert spec_from_dict(json.loads(json.dumps(values))).digest == TINY.digest


def test_committed_specs_keep_their_digests() -> None:
    """Every run of the store is still found under the digest that it was stored with, whatever fields and encodings were added since."""
    specs = sorted((ROOT / "results").glob("*/spec.json"))
    assert len(specs) > 50
    for path in specs:
        assert spec_from_dict(json.loads(path.read_bytes())).digest == path.parent.name


CHANGES: list[dict[str, Any]] = [
    {"seed": 1}, {"steps": 21}, {"lr": 2e-3}, {"base": 4}, {"task": "mul"}, {"layout": "aligned"},
    {"encoding": "relative"}, {"layout": "aligned", "encoding": "banded"}, {"width": 4},
    {"train_lengths": (1,)}, {"test_lengths": (1,)}, {"train_domain": "both"}, {"test_domain": "both"},
    {"dropout": 0.2}, {"dim": 32},
    {"layers": 2}, {"heads": 4}, {"batch": 17}, {"examples": 51}, {"heldout": 17}, {"weight_decay": 0.2},
    {"max_distance": 33}, {"warmup": 6}, {"encoding": "rope"}, {"sampling": "carries"}, {"curriculum": 5}, {"train_pairs": 9},
    {"encoding": "sparse", "price": 0.3}, {"encoding": "positional"}, {"encoding": "positional", "price": 0.3},
    {"encoding": "sparse", "price": 0.3, "charge": "log"}, {"encoding": "priced", "price": 0.3},
    {"encoding": "sparse-absolute", "price": 0.3}, {"encoding": "sparse", "price": 0.3, "anneal": 0.5},
    {"machine": '{"base": 3, "operands": 1, "direction": "lsd", "start": 0, "table": [[[0,0],[0,1],[0,2]]]}'},
]  # fmt: skip


def test_every_change_gives_another_digest() -> None:
    specs = [replace(TINY, **change) for change in CHANGES]
    assert len({spec.digest for spec in [TINY, *specs]}) == len(specs) + 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"steps": 0}, "steps 0"), ({"dim": 15}, "multiple"), ({"dropout": 1.0}, "dropout"), ({"heldout": 1}, "heldout"),
        ({"seed": -1}, "seed"), ({"lr": 0.0}, "lr 0"), ({"lr": float("nan")}, "lr nan"),
        ({"encoding": "abacus2"}, "cannot be trained"), ({"width": 2}, "width"), ({"task": "divide"}, "divide"),
        ({"layout": "x"}, "layout"),
        ({"encoding": "banded"}, "has no band"),
        ({"encoding": "window"}, "--window"), ({"expr": "a - b"}, "negative"), ({"train_domain": "x"}, "domain"),
        ({"encoding": "rope", "dim": 6}, "even"), ({"sampling": "x"}, "sampling"), ({"curriculum": -1}, "curriculum"),
        ({"curriculum": 2, "train_pairs": 2}, "leave one"), ({"machine": "{}"}, "machine"), ({"train_pairs": -1}, "train_pairs"),
        ({"price": -0.1}, "price"), ({"encoding": "sparse"}, "--price"), ({"price": 0.3}, "absolute has none"),
        ({"encoding": "priced"}, "--price"),
        ({"charge": "log"}, "leave it out"), ({"encoding": "priced", "charge": "log"}, "takes attention at a price"),
        ({"encoding": "sparse", "price": 0.3, "charge": "x"}, "share or log"),
        ({"anneal": 0.5}, "never sparse"), ({"encoding": "sparse", "price": 0.3, "anneal": -0.1}, "anneal -0.1"),
        ({"encoding": "sparse", "price": 0.3, "anneal": 1.5}, "anneal 1.5"),
    ],
)  # fmt: skip
def test_refused_specs(change: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part):
        replace(TINY, **change)


def test_registrations_are_found_by_run(done: Run, tmp_path: Path) -> None:
    assert registrations(tmp_path) == {}
    (tmp_path / "predictions-x.json").write_text(json.dumps({"groups": {"g": {"runs": {"0": done.spec.digest}}}}))
    assert list(registrations(tmp_path)) == [done.spec.digest]


def test_spec_from_text() -> None:
    spec = spec_from_dict({**TINY.to_dict(), "train_lengths": "1-2", "test_lengths": "1-3"})
    assert isinstance(spec, RunSpec)
    assert spec == TINY


def test_a_registration_that_names_a_run_by_no_text_is_refused(tmp_path: Path) -> None:
    for digest in (7, None, ["a"], {"b": 1}):
        (tmp_path / "predictions.json").write_text(json.dumps({"groups": {"g": {"runs": {"1": digest}}}}))
        with pytest.raises(InputError, match="not a file of registered predictions"):
            registrations(tmp_path)

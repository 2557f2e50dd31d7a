"""Measurement, probes and pictures of a network that is trained here, and of planted ones that they must tell apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from empirical.network.model import GPT
from empirical.runs.store import Run, load_model
from empirical.study import probe as probing
from empirical.study.evaluate import answer, evaluate
from empirical.study.measure import answers, check_lengths, heat_map, measure
from empirical.study.plots import spelled
from empirical.study.probe import attention_by_role, nearness, plane, probe, probe_accuracy
from empirical.study.states import draw_batch, look, make_batch, roles, targets, truncated
from empirical.training.loop import build_model, train
from tests.command import called, command, refused
from tests.networks import SPECS, TINY, pairs
from theory.errors import InputError

torch.set_num_threads(1)
LEARNER = replace(TINY, steps=200, batch=64, dim=32, lr=4e-3, test_lengths=(1, 2, 3), watched_lengths=(2, 3), examples=60)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("store")
    train(LEARNER, results, group="learner")
    train(replace(TINY, steps=2, train_lengths=(1,)), results, group="family-1")
    train(replace(TINY, steps=2, train_lengths=(2,), seed=1), results, group="family-2")
    train(replace(TINY, steps=2, train_lengths=(2,)), results, group="family-2")
    return results


@pytest.fixture(scope="module")
def run(store: Path) -> Run:
    from empirical.runs.store import load_run

    return load_run(store / LEARNER.digest)


def test_the_counts_are_those_of_evaluate_and_the_kinds_add_up(run: Run) -> None:
    found = measure(run, (1, 2, 3), 80, 5)
    assert [one.counts for one in found] == evaluate(load_model(run), run.spec, (1, 2, 3), 80, 5)
    for one in found:
        tallies = one.mistakes.tallies
        assert sum(tally.first for tally in tallies.values()) == one.counts["examples"]
        assert tallies["right"].holds == one.counts["truth"]
        assert tallies["truncation"].holds == one.counts["learned"]
    assert [one.exact for one in found][:2] == [1, 1]


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.numbering == "line"])
def test_answers_are_what_the_network_writes(name: str, tmp_path: Path) -> None:
    """In every layout, questions in batches are answered as one by one."""
    done = train(replace(SPECS[name], steps=2), tmp_path)
    rows = answers(load_model(done), done.spec, 2, 12, 0)
    fixed = name not in ("plain none", "reversed absolute")  # there, a batch holds lines of several shapes
    for a, b, given in rows[: 12 if fixed else 4]:
        assert given == answer(done, a, b)


def test_lengths_that_cannot_be_asked_are_refused() -> None:
    with pytest.raises(InputError, match="width 3"):
        check_lengths(TINY, (4,))
    with pytest.raises(InputError, match="up to 3 digits"):
        check_lengths(replace(TINY, layout="interleaved"), (4,))
    check_lengths(SPECS["interleaved window"], (40,))


def test_watched_lengths_are_measured_and_change_nothing(run: Run, tmp_path: Path) -> None:
    """At every logged step, with the same pairs; the training is that of the run that does not watch."""
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert {tuple(entry["length"] for entry in row["watched"]) for row in rows} == {(2, 3)}
    plain = train(replace(LEARNER, watched_lengths=()), tmp_path)
    assert (plain.folder / "weights.safetensors").read_bytes() == (run.folder / "weights.safetensors").read_bytes()
    assert plain.spec.digest != run.spec.digest
    assert "watched_lengths" not in plain.spec.to_dict()
    for bad in ((4,), (3, 2), (2, 2)):
        with pytest.raises(InputError, match="watched_lengths"):
            replace(LEARNER, watched_lengths=bad)


def test_heat_map(store: Path, run: Run) -> None:
    from empirical.runs.store import load_runs

    family = [one for one in load_runs(store) if one.result["group"].startswith("family")]
    found = heat_map(family)
    assert (found.trained, found.tested, found.networks) == (((1,), (2,)), (1, 2, 3), (1, 2))
    two = [one for one in family if one.spec.train_lengths == (2,)]
    mean = sum(one.result["evaluation"][2]["truth"] / one.result["evaluation"][2]["examples"] for one in two) / 2
    assert found.shares[1][2] == pytest.approx(mean)
    with pytest.raises(InputError, match="differ in their lengths"):
        heat_map([*family, run])
    with pytest.raises(InputError, match="measure"):
        heat_map(family, "digits")
    assert [spelled(lengths) for lengths in ((3,), (1, 2, 3), (2, 4), (1, 2))] == ["3", "1-3", "2,4", "1-2"]


def test_targets_by_hand() -> None:
    batch = make_batch(TINY, pairs([(8, 1), (5, 7)], 3, 2))  # 22 + 01 = 100, 12 + 21 = 110 in base 3
    found = targets(batch)
    assert batch.places == (0, 1, 2, 3)
    assert found["result digit"].tolist() == [[0, 0, 1, 0], [0, 1, 1, 0]]
    assert found["digit sum"].tolist() == [[3, 2, 0, 0], [3, 3, 0, 0]]
    assert found["carry"].tolist() == [[0, 1, 1, 0], [0, 1, 1, 0]]
    assert "carry" not in targets(make_batch(replace(TINY, task="mul"), pairs([(8, 1), (5, 7)], 3, 2)))


def test_roles_by_hand() -> None:
    batch = make_batch(TINY, pairs([(8, 1)], 3, 2))  # ^ a2 a1 a0 + b2 b1 b0 = c0 c1 c2 c3
    assert roles(batch, 1) == [
        "separators", "a higher", "a_i", "a_i-1", "separators", "b higher", "b_i", "b_i-1", "separators", "c_i-1", "", "", "",
    ]  # fmt: skip
    assert roles(batch, 0)[8] == "itself"
    inner = make_batch(SPECS["interleaved window"], pairs([(8, 1)], 3, 2))  # ^ a0 b0 c0 a1 b1 c1 ...
    assert roles(inner, 1)[:6] == ["separators", "a_i-1", "b_i-1", "c_i-1", "a_i", "b_i"]


def test_probes_find_what_is_planted_and_nothing_else() -> None:
    """States that hold one label linearly among noise: the probe finds it there, and neither another label nor at another token."""
    torch.manual_seed(0)
    label = torch.randint(0, 4, (800, 2))
    state = torch.randn(2, 800, 3, 24, dtype=torch.float64)
    state[1, :, 2, :4] += 4 * torch.nn.functional.one_hot(label[:, 1], 4)
    found = probe_accuracy(state, {"x": label})["x"]
    assert found.shape == (2, 3, 2)
    assert float(found[1, 2, 1]) > 0.95
    found[1, 2, 1] = 0.25
    assert 0.15 < float(found.min()) <= float(found.max()) < 0.36


def test_a_trained_network_is_probed_better_than_an_untrained_one_and_than_chance(run: Run) -> None:
    found = probe(run, 2, 200, 1)
    last = [float(found.at_queries(each, "result digit")[-1]) for each in (found.accuracy, found.initial, found.shuffled)]
    assert last[0] > last[1] + 0.1
    assert last[0] > last[2] + 0.2
    shape = (run.spec.layers + 1, len(found.batch.slots), len(found.batch.places))
    assert {each.shape for each in found.accuracy.values()} == {torch.Size(shape)}
    label_N = targets(found.batch)["digit sum"][:, 0]
    half = len(label_N) // 2
    most_common = label_N[:half].bincount().argmax()  # all that the first token can tell
    assert found.accuracy["digit sum"][:, 0, 0].tolist() == pytest.approx([float((label_N[half:] == most_common).double().mean())] * 2)


def test_longer_inputs_lie_on_the_cut_ones_where_the_network_cuts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a network that does not see the third digits has distance 0; one that sees nothing else is no nearer than chance."""
    batch = draw_batch(run.spec, 3, 100, 0)
    third = [index for index, slot in enumerate(batch.slots) if slot.kind in "ab" and slot.place == 2]

    def blind(model: GPT, keep: bool) -> GPT:
        forward = model.forward
        others = [index for index, slot in enumerate(batch.slots) if slot.kind in "ab" and slot.place < 2]

        def seen(token_BT: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
            token_BT = token_BT.clone()
            hidden = [index for index in (third if keep else others) if index < token_BT.shape[1]]
            token_BT[:, hidden] = 0
            return forward(token_BT, *rest, **more)

        monkeypatch.setattr(model, "forward", seen)
        return model

    monkeypatch.setattr(probing, "load_model", lambda run: blind(load_model(run), True))
    found = nearness(run, 3, 100, 0).ratio[1]
    assert float(found[:3].max()) < 1e-6
    monkeypatch.setattr(probing, "load_model", lambda run: blind(load_model(run), False))
    assert float(nearness(run, 3, 100, 0).ratio[1].min()) >= 1
    with pytest.raises(InputError, match="longer operands"):
        nearness(run, 2, 100, 0)
    with pytest.raises(InputError, match="unpadded"):
        nearness(replace(run, spec=SPECS["plain none"]), 3, 100, 0)


def test_cut_inputs_are_the_same_lines_without_the_high_digits() -> None:
    batch = make_batch(TINY, pairs([(26, 10)], 3, 3))
    cut = truncated(batch)
    assert (cut.pairs.a_ND.tolist(), cut.pairs.b_ND.tolist()) == ([[2, 2, 0]], [[1, 0, 0]])
    assert batch.pairs.a_ND.tolist() == [[2, 2, 2]]
    assert cut.slots == batch.slots


@pytest.mark.parametrize("name", SPECS)
def test_attention_adds_up_and_states_are_those_of_the_network(name: str) -> None:
    spec = SPECS[name]
    batch, model = draw_batch(spec, 2, 60, 0), build_model(spec)
    state, weight = look(model, batch)
    assert state.shape == (spec.layers + 1, len(batch.pairs.length_N), len(batch.slots), spec.dim)
    assert torch.allclose(weight.sum(3), torch.ones(()).double())
    assert float(weight.triu(1).max()) == 0
    total = sum(attention_by_role(batch, weight).values())
    assert torch.allclose(torch.as_tensor(total), torch.ones(()).double())
    with torch.inference_mode():
        logits = model(batch.lines.token_NT, torch.arange(len(batch.slots)), at_BT=batch.lines.at_NT)
        again = torch.nn.functional.linear(model.norm(state[-1].float()), model.tokens.weight)
    assert torch.allclose(logits, again, atol=1e-4)


def test_the_plane_is_that_of_the_largest_components(run: Run) -> None:
    found = plane(run, 0, 1, 3, 120, 0)
    assert found.points.shape[1] == 2
    assert 1 >= found.explained[0] >= found.explained[1] > 0
    assert torch.allclose(found.points.mean(0), torch.zeros(2).double(), atol=1e-5)
    assert float((found.points[:, 0] * found.points[:, 1]).mean().abs()) < 1e-3 * float(found.points.var())
    assert found.longer is not None
    assert found.labels["result digit"].shape == (len(found.points),)
    for place, layer in ((9, 1), (0, 2)):
        with pytest.raises(InputError, match="places run from 0"):
            plane(run, place, layer, 3, 120, 0)


KINDS = {
    "curves": "learner* family-*", "lengths": "learner family-2", "heatmap": "family-*", "attention": "learner", "pca": "learner",
    "influence": "learner", "reading": "learner family-2", "drawn": "learner family-2",
    "steps": "learner family-2",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_pictures(kind: str, store: Path, tmp_path: Path) -> None:
    groups = [word for group in KINDS[kind].split() for word in ("--group", group)]
    line = ["plot", "--kind", kind, *groups, "--results", str(store), "--examples", "60", "-o"]
    for name in ("picture.png", "picture.svg") if kind == "lengths" else ("picture.png",):
        done = called("empirical", *line, name, cwd=tmp_path)
        assert done.code == 0, done.err
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"\x89PNG") if name.endswith("png") else b"<svg" in data[:1000]
        assert len(data) > 5000
    if kind == "lengths":
        called("empirical", *line, "again.svg", cwd=tmp_path)
        assert (tmp_path / "again.svg").read_bytes() == data  # equal pictures are equal files


BAD = [
    ("measure ffff", "ffff"), ("measure {run} --lengths 4", "width 3"), ("measure {run} --lengths x", "'x'"),
    ("measure {run} --examples 0", "examples"), ("measure {run} --results no", "no such folder"), ("measure", "Missing"),
    ("probe ffff", "ffff"), ("probe {run} --length 9", "width 3"), ("probe {run} --length 1", "different pairs"),
    ("probe {run} --longer 2", "longer operands"), ("plot {run}", "-o FILE.png"), ("plot -o x.png", "no runs"),
    ("plot {run} -o x.pdf", "x.pdf"), ("plot {run} -o no/x.png", "no/x.png"), ("plot {run} --kind pie -o x.png", "pie"),
    ("plot --group no-* -o x.png", "no-*"), ("plot --group family-* --kind pca -o x.png", "one network"),
    ("plot {run} --kind pca --place 9 -o x.png", "place 9"), ("plot {run} --kind pca --layer 7 -o x.png", "layer 7"),
    ("plot {run} --group family-* --kind heatmap -o x.png", "differ"), ("plot {run} --kind heatmap --measure x -o x.png", "'x'"),
    ("plot {run} --kind attention --length 9 -o x.png", "width 3"), ("plot {run} --kind influence --length 9 -o x.png", "width 3"),
    ("plot --group family-* --kind influence -o x.png", "one network"),
    ("plot --group family-* --group learner --kind reading -o x.png", "at most 3"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "part"), BAD)
def test_bad_input(line: str, part: str, store: Path, tmp_path: Path) -> None:
    where = [] if "--results" in line else ["--results", str(store)]
    refused(called("empirical", *line.format(run=LEARNER.digest).split(), *where, cwd=tmp_path), part)
    assert list(tmp_path.iterdir()) == []


def test_commands(store: Path, run: Run) -> None:
    where = ["--results", str(store)]
    shown = called("empirical", "measure", LEARNER.digest[:6], "--examples", "60", *where).out
    assert "as truncated" in shown
    found = json.loads(called("empirical", "measure", LEARNER.digest, "--examples", "60", "--json", *where).out)
    assert [row["length"] for row in found["lengths"]] == [1, 2, 3]
    assert sum(kind["first"] for kind in found["lengths"][2]["answers"].values()) == found["lengths"][2]["examples"]
    assert "before training" in called("empirical", "probe", LEARNER.digest, "--examples", "60", *where).out
    found = json.loads(called("empirical", "probe", LEARNER.digest, "--examples", "60", "--json", *where).out)
    assert set(found["probes"]) == {"result digit", "digit sum", "carry"}
    assert set(found["shadowed"]) == {"inputs", "undone by 0", "undone by another"}
    assert set(found["of zeros in layer 1"]) == {"keys", "values"}
    assert set(found["of zeros in layer 1"]["keys"]) == {"inputs", "undone", "repaired", "damaged"}
    assert found["distance"]["length"] == 3
    assert len(found["pca"]["points"]) == len(found["pca"]["labels"]["carry"])
    said = json.loads(called("empirical", "answer", LEARNER.digest, "5+7", "--json", *where).out)
    assert said["theory"] == {"outcome": "exact", "answer": 12, "outcome_now": "exact"}
    assert (said["line"][:9], len(said["tokens"])) == ("^012+021=", 13)
    text = called("empirical", "answer", LEARNER.digest, "26+1", *where).out
    assert "theory: truncation, that is 9" in text
    assert "tokens: ^222+001=" in text


def test_matplotlib_is_imported_for_pictures_alone(store: Path) -> None:
    done = command("empirical", "measure", LEARNER.digest, "--examples", "20", "--results", str(store))
    assert done.code == 0
    assert not {"matplotlib", "ruamel.yaml", "ray", "z3"} & done.modules

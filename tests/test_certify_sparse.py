"""Sparse networks: what they are said to read against what changes their answers, and certificates against every input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from empirical.data.lines import Pairs, renderer_of
from empirical.network.model import GPT, sparsemax
from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, self_digest, to_json, trim
from empirical.study.evaluate import greedy
from empirical.training.loop import build_model, train
from tests.certified import stored
from tests.command import command
from theory.errors import InputError
from verify.certificates.files import compare, read, save
from verify.certificates.outcomes import beyond_roles, outcome
from verify.certificates.proof import certify
from verify.certificates.sparse import predicted_function, reading_of
from verify.certificates.text import certificate_text

torch.set_num_threads(1)
#: a mod 3 in base 3, in fields of three digits: 729 inputs in all, of which the lowest digit decides
LOW = RunSpec(
    task="expr", expr="a % 3", base=3, train_lengths=(1, 2), test_lengths=(1, 3), encoding="sparse", price=0.02, layout="padded",
    width=3, layers=1, heads=2, dim=16, steps=2000, batch=32, lr=4e-3, dropout=0.0, warmup=20, examples=50,
)  # fmt: skip
#: a copy, cut to two digits
CUT = replace(LOW, expr="a")
KEYED = {"encoding": "sparse-absolute", "charge": "log", "price": 0.1}  # keys hold digits


NETWORKS = {"low": LOW, "cut": CUT, "keyed": replace(LOW, **KEYED)}


@pytest.fixture(scope="module", params=list(NETWORKS))
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(NETWORKS[request.param], tmp_path_factory.mktemp("store"), group="g")


def all_lines(run: Run) -> dict[tuple[int, int], int]:
    """The answer to every pair of operands that fits, written greedily, by the stored network."""
    from empirical.runs.store import load_model

    spec = run.spec
    rows = torch.tensor(list(product(range(spec.base), repeat=2 * spec.width)))
    pairs = Pairs(rows[:, : spec.width], rows[:, spec.width :], torch.full((len(rows),), spec.width))
    lines = renderer_of(spec, torch.device("cpu")).lines(pairs)
    out_NT = greedy(load_model(run), lines)[:, lines.asked_Q]
    place_D = spec.base ** torch.arange(spec.width)
    places_P = spec.base ** torch.arange(out_NT.shape[1])  # least significant first
    digits = (out_NT * places_P).sum(1).where((out_NT < spec.base).all(1), -1)
    keys = zip((pairs.a_ND * place_D).sum(1).tolist(), (pairs.b_ND * place_D).sum(1).tolist(), strict=True)
    return dict(zip(keys, digits.tolist(), strict=True))


def test_what_is_certified_is_right_on_every_input(network: Run) -> None:
    found = certify(network)
    function = found.function
    assert found.verdict == "certified"
    assert found.digits == 3
    assert function.text == {"a % 3": "a % 3", "a": "a % 9"}[str(network.spec.expr)]
    assert all(value == function(a, b) for (a, b), value in all_lines(network).items())
    assert found.findings.contexts < 729  # fewer lines than inputs: what is not read need not be tried
    assert "a_2" not in "".join(found.reads)
    assert found.reads[0].startswith("c_0 reads ")
    assert found.blind == ("b_2" not in "".join(found.reads))
    assert (f"{'no' if found.blind else 'some'} operand digit above the trained places is read: every input is answered as cut to 2 digits"
            in certificate_text(found))


def spoilt(folder: Path, run: Run, change: Callable[[GPT], None]) -> Run:
    from empirical.runs.store import load_model
    from tests.certified import with_weights

    model = load_model(run)
    with torch.no_grad():
        change(model)
    return with_weights(folder / run.spec.digest, run.spec, {name: value.half() for name, value in model.state_dict().items()})


def places(model: GPT) -> list[torch.nn.Parameter]:
    """The tables of positions by which attention finds its keys."""
    return [table for name, table in model.named_parameters() if name.endswith("attention.encoding.positions")] or [
        model.get_parameter("encoding.positions")
    ]


@pytest.mark.parametrize("planted_leak", ["noise", "exchange"])
def test_a_planted_leak_is_found(network: Run, planted_leak: str, tmp_path: Path) -> None:
    """Where attention looks is disturbed, or a_2 is read for a_0: the verdict is that of every input, and so is the least wrong one."""

    def leak(model: GPT) -> None:
        generator = torch.Generator().manual_seed(5)
        for table in places(model):
            if planted_leak == "noise":
                table.add_(table.std() * torch.randn(table.shape, generator=generator))
            else:
                table[[1, 3]] = table[[3, 1]]  # <bos> a_2 a_1 a_0

    planted = spoilt(tmp_path, network, leak)
    found = certify(planted)
    wrong = {pair: value for pair, value in all_lines(planted).items() if value != found.function(*pair)}
    assert (found.verdict == "certified") == (not wrong)
    if wrong:
        assert found.wrong is not None
        size = {pair: max(len(written(x)) for x in pair) for pair in wrong}
        assert found.wrong.digits == min(size.values())
        assert (found.wrong.a, found.wrong.b) in wrong
        assert found.wrong.answer != found.wrong.truth == found.function(found.wrong.a, found.wrong.b)
        assert found.digits == found.wrong.digits - 1
    answers, cut = all_lines(planted), 3**network.spec.training.longest
    truncating = all(value == answers[a % cut, b % cut] for (a, b), value in answers.items())
    assert found.truncates in ({True, None} if truncating else {False, None})
    assert found.truncates is not None or not truncating or any(slot in "".join(found.reads) for slot in ("a_2", "b_2"))
    if found.uncut is not None:
        a, b = found.uncut
        assert answers[a, b] != answers[a % cut, b % cut]
    assert wrong or planted_leak == "noise"


def test_the_share_that_is_told_is_that_of_all_longer_operands(network: Run, tmp_path: Path) -> None:
    """With the two lowest places of a exchanged, wrong answers are many, and no unseen digit is read."""

    def exchange(model: GPT) -> None:
        for table in places(model):
            table[[2, 3]] = table[[3, 2]]  # <bos> a_2 a_1 a_0

    planted = spoilt(tmp_path, network, exchange)
    found = certify(planted)
    answers = all_lines(planted)
    for domain in (max, min):  # one operand of three digits at least, both
        longer = [pair for pair in answers if domain(pair) >= 9]
        assert found.share == Fraction(sum(answers[pair] == found.function(*pair) for pair in longer), len(longer))
    assert 0 < found.share < 1
    told = f"so of operands of 3 digits, or more that fit, it computes {found.function.text} on "
    assert f"{told}{float(100 * found.share):.4g} %, exactly {found.share}\n" in certificate_text(found)
    assert certify(network).share == 1


def test_no_share_is_told_where_rounding_decides(tmp_path: Path) -> None:
    """A second token with the vector of the digit 0 ties with it: which of the two is written hangs on the last bit."""
    network = train(CUT, tmp_path / "store")

    def tie(model: GPT) -> None:
        tokens = model.get_parameter("tokens.weight")
        tokens[-1] = tokens[0]

    found = certify(spoilt(tmp_path / "tied", network, tie))
    assert found.verdict != "certified"
    assert found.findings.unsure > 0
    assert found.share is None
    assert "exactly" not in certificate_text(found)


def written(value: int) -> str:
    return "0" if value == 0 else "" if value < 0 else (written(value // 3) if value >= 3 else "") + str(value % 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.sampled_from([20.0, 60.0, 200.0]))
def test_digits_that_are_not_read_change_no_bit(seed: int, layers: int, sharpness: float) -> None:
    """In any network: other digits at places that no query of the result reaches leave every logit as it is, in float32 and float64.

    No layers stands for one whose keys hold digits.
    """
    spec = replace(LOW, expr="a + b", layers=max(1, layers), seed=seed, steps=1, **({} if layers else KEYED))
    model, wide = (sharpened(spec, sharpness) for _ in range(2))
    reading = reading_of(_run(spec), wide)
    read = set(reading.digits) - {(kind, place) for kind in "ab" for place in range(2)}  # those needed are among them
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randint(0, 3, (6, 6), generator=generator) for _ in range(2))
    reached = {(slot.kind, slot.place) for slots in reading.reads.values() for slot in slots}
    for column, (kind, place) in enumerate(product("ab", range(3))):
        if (kind, place) in reached:
            second[:, column] = first[:, column]
    renderer = renderer_of(spec, torch.device("cpu"))
    one, other = (renderer.lines(Pairs(x[:, :3], x[:, 3:], torch.full((6,), 3))) for x in (first, second))
    token_NT = torch.where(one.answer_NT, one.token_NT, other.token_NT)  # the same results, whatever they are
    with torch.no_grad():
        for net in (model, wide):
            assert torch.equal(net(one.token_NT[:, :-1], one.asked_Q - 1), net(token_NT[:, :-1], one.asked_Q - 1))
    assert read <= reached


def sharpened(spec: RunSpec, factor: float) -> GPT:
    """An untrained network whose attention is as selective as a trained one's."""
    model = build_model(spec)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_((weight * (factor if "attention.q" in name or "attention.kv" in name else 1)).half())
    return model


def _run(spec: RunSpec) -> Run:
    return Run(spec, {"digest": spec.digest, "spec": spec.to_dict(), "group": "g", "evaluation": []}, Path("/nonexistent"))


def exactly(model: GPT, spec: RunSpec, tokens: list[int], query: int) -> list[Any]:
    """The logits at one token, in 50 digits."""
    mpmath.mp.dps = 50
    weights = {name: mpmath.matrix(value.double().reshape(len(value), -1).tolist()) for name, value in model.state_dict().items()}
    size = spec.dim // spec.heads

    def normal(x: Any, gain: Any = None) -> Any:
        mean = sum(x) / len(x)
        scale = 1 / mpmath.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + mpmath.mpf(1e-5))
        return mpmath.matrix([(v - mean) * scale * (1 if gain is None else gain[i]) for i, v in enumerate(x)])

    def simplex(scores: list[Any]) -> list[Any]:
        falling = sorted(scores, reverse=True)
        kept = max(k for k in range(1, len(falling) + 1) if k * falling[k - 1] > sum(falling[:k]) - 1)
        threshold = (sum(falling[:kept]) - 1) / kept
        return [max(score - threshold, mpmath.mpf(0)) for score in scores]

    xs = [weights["tokens.weight"][token, :].T + weights["encoding.positions"][t, :].T for t, token in enumerate(tokens)]
    for i in range(spec.layers):
        name = f"blocks.{i}."
        keyed = spec.make_encoding().keyed
        table, gain = weights.get(name + "attention.encoding.positions"), weights[name + "norm_attention.weight"]
        place = [normal(x, gain) if keyed else normal(table[t, :].T) for t, x in enumerate(xs)]
        q = [weights[name + "attention.q.weight"] * x for x in place]
        k = [weights[name + "attention.kv.weight"][: spec.dim, :] * x for x in place]
        v = [weights[name + "attention.kv.weight"][spec.dim :, :] * normal(x, gain) for x in xs]
        after = []
        for p, x in enumerate(xs):
            y = mpmath.matrix(spec.dim, 1)
            for h in range(spec.heads):
                here = range(h * size, (h + 1) * size)
                scores = [sum(q[p][e] * k[t][e] for e in here) / mpmath.sqrt(size) for t in range(p + 1)]
                for t, weight in enumerate(simplex(scores)):
                    for e in here:
                        y[e] += weight * v[t][e]
            x = x + weights[name + "attention.out.weight"] * y
            inner = weights[name + "up.weight"] * normal(x, weights[name + "norm_mlp.weight"])
            after.append(x + weights[name + "down.weight"] * inner.apply(lambda u: u / 2 * (1 + mpmath.erf(u / mpmath.sqrt(2)))))
        xs = after
    return list(weights["tokens.weight"] * normal(xs[query], weights["norm.weight"]))


@pytest.mark.parametrize(("layers", "more"), [(1, {}), (2, {}), (1, KEYED)])
def test_error_bounds_hold_against_exact_arithmetic(layers: int, more: dict[str, Any]) -> None:
    spec = replace(LOW, layers=layers, dim=8, steps=1, **more)
    model, wide = (sharpened(spec, 6.0) for _ in range(2))
    with torch.no_grad():
        for net in (model, wide):
            for name, weight in net.named_parameters():
                weight.copy_((weight * (1 if weight.dim() == 1 or "attention" in name else 10)).half())
    rows = torch.tensor([[1, 2, 0, 2, 2, 1], [0, 0, 0, 0, 0, 0]])
    lines = renderer_of(spec, torch.device("cpu")).lines(Pairs(rows[:, :3], rows[:, 3:], torch.full((2,), 3)))
    token_NT, query_Q = lines.token_NT[:, :-1], lines.asked_Q - 1
    scores = reading_of(_run(spec), wide).reader.scores(token_NT, query_Q)
    wide_NV, narrow_NV = scores.error()
    with torch.no_grad():
        stored_NV = model(token_NT, query_Q).flatten(0, 1)
    row = 0
    for tokens in token_NT.tolist():
        for query in query_Q.tolist():
            for v, exact in enumerate(exactly(model, spec, tokens, query)):
                assert abs(float(exact - scores.logits[row, v].item())) <= float(wide_NV[row, v]) < 1e-8
                assert abs(float(exact - stored_NV[row, v].item())) <= float(narrow_NV[row, v])
            row += 1


def test_of_too_many_inputs_some_are_tried(network: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That finds wrong answers, and proves nothing."""
    monkeypatch.setattr("verify.certificates.sparse.SAMPLE", 2)
    found = certify(network, limit=1)
    assert (found.verdict, found.digits, found.findings.contexts) == ("undecided", 0, 2)
    assert f"that {found.findings.total} inputs differ" in certificate_text(found).splitlines()[0]
    random = stored(tmp_path, network.spec)
    assert certify(random, limit=1).verdict == "refuted"


def reads_everything(model: GPT) -> None:
    """The first head reads all tokens alike, and what it finds is made harmless."""
    here = model.blocks[0].get_submodule("attention")
    size = here.get_parameter("q.weight").shape[0] // 2
    here.get_parameter("q.weight")[:size] = 0
    here.get_parameter("out.weight")[:, :size] = 0


def test_inputs_of_any_number_of_digits_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that reads all of a wide field has more inputs than a 64-bit number counts."""
    monkeypatch.setattr("verify.certificates.sparse.SAMPLE", 2)
    (tmp_path / "random").mkdir()
    found = certify(spoilt(tmp_path, stored(tmp_path / "random", replace(LOW, width=40)), reads_everything), limit=1)
    assert found.findings.total is not None
    assert found.findings.total > 2**64
    assert found.share is None
    assert found.verdict == "refuted"


def test_a_harmless_leak_is_proved_harmless(network: Run, tmp_path: Path) -> None:
    """All digits are read, so all inputs are tried; there may be no wrong one among them."""
    leaky = spoilt(tmp_path, network, reads_everything)
    found, answers = certify(leaky), all_lines(leaky)
    wrong = [pair for pair, value in answers.items() if value != found.function(*pair)]
    assert found.findings.contexts == 729
    assert not found.local
    assert not found.blind
    assert "some operand digit above the trained places is read" in certificate_text(found)
    assert (found.verdict == "certified") == (not wrong)
    assert found.truncates in ((True,) if not wrong else (True, False, None))
    assert (found.share is None) == bool(wrong)  # what is right on longer operands depends on their unseen digits


def test_numbers_beyond_all_bounds_prove_nothing(network: Run, tmp_path: Path) -> None:
    """A table whose entries differ by little beside their size: rounding is not bounded there, and no key counts as not read."""

    def far(model: GPT) -> None:
        reads_everything(model)
        (table,) = places(model)
        table.copy_(200 + table * 0.01)

    found = certify(spoilt(tmp_path, network, far))
    assert found.findings.contexts == 729  # nothing is left out
    assert found.verdict != "certified"

    def broken(model: GPT) -> None:
        model.get_parameter("norm.weight")[0] = torch.nan

    with pytest.raises(InputError, match="no finite numbers"):
        certify(spoilt(tmp_path / "broken", network, broken))


def test_scores_far_below_zero_show_no_hidden_key() -> None:
    score = torch.tensor([-30_000.0, -30_000.5, -torch.inf])
    assert sparsemax(score).tolist() == pytest.approx([0.75, 0.25, 0])


def test_the_certificate_is_a_file_that_is_proved_again(network: Run, tmp_path: Path) -> None:
    found = certify(network)
    path = save(found)
    content = read(path)
    compare(path, content, certify(network))
    assert content["reads"] == list(found.reads)
    assert content["function"] == found.function.text
    others = [f"; {line}" for line in beyond_roles(found.reads)[:1]]
    for one in (outcome(network, live=0), outcome(network)):  # read, and proved anew
        assert found.local or one.told["local"][1].endswith("c_i-1 alone" + "".join(others))
        assert (one.verdict, one.as_told("truncating").verdict) == ("certified", "truncating")
        assert one.as_told("local").verdict == ("local" if found.local else "refuted")
    done = command("verify", "certify", network.spec.digest, "--results", str(network.folder.parent), "--json")
    assert (done.code, json.loads(done.out)["share"]) == (0, "1")
    for key, value in (("reads", ["c_0 reads nothing"]), ("function", "b"), ("truncates", False), ("local", None)):
        with pytest.raises(InputError, match=key):
            compare(path, {**content, key: value}, found)
    for edit in ({"reads": ["c_0 reads nothing"]}, {"local": not found.local}, {"truncates": False}, {"contexts": 7}):
        forged = {key: value for key, value in {**content, **edit}.items() if key != "sha256"}
        path.write_bytes(to_json({**forged, "sha256": self_digest(forged)}))
        assert next(iter(edit)) in outcome(network, live=0).shown
    path.unlink()


def test_a_refuted_network_keeps_its_verdict_without_weights(network: Run, tmp_path: Path) -> None:
    random = stored(tmp_path, network.spec)
    found = certify(random)
    assert found.verdict == "refuted"
    save(found)
    trim(random)
    one = outcome(random)
    assert (one.verdict, one.as_told("local").verdict) == ("refuted", "local" if found.local else "refuted")
    assert "left out" in one.shown


def test_where_nothing_is_predicted_nothing_is_certified(network: Run, tmp_path: Path) -> None:
    narrow = replace(network.spec, width=2, train_lengths=(1, 2), test_lengths=(1,))
    with pytest.raises(InputError, match="theory predicts no function"):
        certify(stored(tmp_path, narrow))
    with pytest.raises(InputError, match="differ in length"):
        certify(stored(tmp_path, replace(network.spec, layout="plain", test_lengths=(1, 2))))
    softmax = replace(network.spec, encoding="positional")
    with pytest.raises(InputError, match="no hard window or band"):
        certify(stored(tmp_path, softmax))


def test_the_function_is_that_of_the_prediction() -> None:
    task, digits = predicted_function(LOW)
    assert (task.text, digits) == ("a % 3", {("a", 0)})
    task, digits = predicted_function(replace(LOW, expr="a + b", train_lengths=(1,)))
    assert (task.text, digits) == ("a % 3 + b % 3", {("a", 0), ("b", 0)})
    task, digits = predicted_function(replace(LOW, expr="3 * a", train_lengths=(1, 2)))
    assert (task.text, digits) == ("3 * (a % 9)", {("a", 0), ("a", 1)})

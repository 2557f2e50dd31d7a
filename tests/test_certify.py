"""Certificates: a small network proved right, planted faults found, locality to the last bit, error bounds against exact arithmetic."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mpmath
import pytest
import torch
from safetensors.torch import load_file, save

from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, load_run, self_digest, sha256, to_json
from empirical.study.evaluate import answer
from empirical.training.loop import build_model, train
from tests.command import command, refused
from theory.errors import InputError
from theory.local.inputs import all_inputs
from theory.local.windows import Contexts
from verify.certificates import files as certificates
from verify.certificates.files import Outcome, certificate_json, read
from verify.certificates.files import save as write_certificate
from verify.certificates.proof import Certificate, Failure, WrongInput, _wrong_input, certify, contexts_of, machine_of
from verify.certificates.rounding import Analysis
from verify.claims.schema import Claim
from verify.verdicts.engine import Verdict, run_claims
from verify.verdicts.statistics import ERROR, INCONCLUSIVE, REFUTED, SUPPORTED, UNTESTED

torch.set_num_threads(1)

#: c_t = a_{t-1}: the simplest task that needs the digit at the far end of the window
DOUBLING = RunSpec(
    task="expr", expr="2*a", base=2, train_lengths=(1, 2, 3, 4), test_lengths=(1, 6), encoding="window", window=4, layout="interleaved",
    width=6, layers=1, heads=2, dim=16, steps=250, batch=32, lr=1e-2, dropout=0.0, weight_decay=0.0, warmup=10, examples=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(DOUBLING, tmp_path_factory.mktemp("store"), group="doubling")


def stored(folder: Path, spec: RunSpec, change: Callable[[GPT], None] = lambda model: None) -> Run:
    """A run of an untrained network, with digests that fit."""
    model = build_model(spec)
    with torch.no_grad():
        for weight in model.parameters():  # larger than a fresh network's, so that logits differ
            weight.copy_((weight * (1 if weight.dim() == 1 else 8)).half())
        change(model)
    return with_weights(folder / spec.digest, spec, {name: value.half() for name, value in model.state_dict().items()})


def with_weights(folder: Path, spec: RunSpec, weights: dict[str, Any]) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_bytes(to_json(spec.to_dict()))
    (folder / "metrics.jsonl").write_bytes(b"")
    (folder / "weights.safetensors").write_bytes(save({name: value.contiguous() for name, value in weights.items()}))
    result = {"digest": spec.digest, "spec": spec.to_dict(), "group": "g", "evaluation": []}
    digests = {f"{name}_sha256": sha256(folder / file) for name, file in (("weights", "weights.safetensors"), ("metrics", "metrics.jsonl"))}
    content = {**result, **digests}
    (folder / "result.json").write_bytes(to_json({**content, "sha256": self_digest(content)}))
    return load_run(folder)


# ---------------------------------------------------------------------------------------------------------------- verdicts


def test_a_network_is_certified_and_is_right_on_long_numbers(network: Run) -> None:
    found = certify(network)
    assert (found.verdict, found.receptive_field, found.smallest_window) == ("certified", 5, 4)
    findings = found.findings
    assert findings.proved == ("exact", "float64", "float32")
    assert (findings.contexts, findings.failing, findings.failures, found.wrong) == (36, 0, (), None)
    assert findings.margin is not None
    assert findings.deviation is not None
    narrow, wide = findings.rounding["float32"], findings.rounding["float64"]
    assert narrow is not None
    assert wide is not None
    assert 0 < wide < narrow < findings.margin
    assert findings.deviation < narrow
    for length in (1, 2, 7, 150):
        a, b = random.Random(length).getrandbits(length), random.Random(-length).getrandbits(length)
        assert answer(network, a, b) == 2 * a


def test_a_planted_wrong_weight_is_found(network: Run, tmp_path: Path) -> None:
    """The head that looks four tokens back goes blind: the network is right on short numbers still, and the input shown is really wrong."""
    weights = load_file(network.folder / "weights.safetensors")
    weights["blocks.0.attention.encoding.distance"][4] = -60.0
    planted = certify(with_weights(tmp_path / DOUBLING.digest, DOUBLING, weights))
    assert planted.verdict == "refuted"
    assert planted.findings.failing > 0
    assert planted.findings.proved == ()
    wrong = planted.wrong
    assert wrong is not None
    assert wrong.truth == 2 * wrong.a
    assert answer(planted.run, wrong.a, wrong.b) == wrong.answer != wrong.truth
    for a in range(2 ** (wrong.digits - 1)):
        for b in range(2 ** (wrong.digits - 1)):
            assert answer(planted.run, a, b) == 2 * a, "a shorter wrong input"


@pytest.mark.parametrize(
    "spec",
    [
        replace(DOUBLING, window=3),  # too small: some contexts have two answers
        replace(DOUBLING, expr="a // 3", base=3, direction="msd"),
        replace(DOUBLING, task="add", expr=None, base=3, layers=2, window=2),
    ],
    ids=["small", "msd", "two layers"],
)
def test_untrained_networks_are_refuted_by_an_input(spec: RunSpec, tmp_path: Path) -> None:
    found = certify(stored(tmp_path, spec))
    wrong = found.wrong
    assert (found.verdict, found.findings.faithful) == ("refuted", True)
    assert wrong is not None
    assert wrong.truth == spec.make_task()(wrong.a, wrong.b) != answer(found.run, wrong.a, wrong.b)
    text = certificates.certificate_text(found)
    assert text.startswith("not certified: a shortest wrong input has")
    assert f"answers {'no number' if wrong.answer is None else wrong.answer}" in text


def test_a_wrong_overflow_digit_of_shorter_numbers_is_not_lost_among_many_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many contexts of two digits fail, and behind them in the list that of 9 + 9 after its last digit, which has one."""
    run = stored(tmp_path, replace(DOUBLING, task="add", expr=None, base=10))
    monkeypatch.setattr("empirical.study.evaluate.answer", lambda run, a, b: a + b + 1)
    many = [Failure((x, y, x + y, 1, z), 0, z + 1, 1) for x in range(5) for y in range(5) for z in range(9)]
    found = _wrong_input(run, machine_of(run), contexts_of(run), [*many, Failure((9, 9, 8, 0, 0), 0, 1, 1)])
    assert (len(many), found) == (225, WrongInput(1, 9, 9, 18, 19))


def test_numbers_that_are_not_finite_prove_nothing(tmp_path: Path) -> None:
    def spoil(model: GPT) -> None:
        model.norm.weight[0] = float("nan")

    found = certify(stored(tmp_path, DOUBLING, spoil))
    assert found.verdict != "certified"
    assert found.findings.proved == ()
    assert json.loads(json.dumps(certificate_json(found), allow_nan=False))["margin"] is None


def test_a_tie_is_undecided(network: Run, tmp_path: Path) -> None:
    """Two tokens with one embedding: the argmax takes the first, which is right, but no rounding error is small enough."""
    weights = load_file(network.folder / "weights.safetensors")
    weights["tokens.weight"][2] = weights["tokens.weight"][1]
    found = certify(with_weights(tmp_path / DOUBLING.digest, DOUBLING, weights))
    assert (found.verdict, found.findings.failing, found.findings.margin) == ("undecided", 0, 0.0)
    assert "some lead is within rounding" in certificates.certificate_text(found)


def test_arithmetic_beyond_its_bounds_proves_nothing(network: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: float32 is claimed to be as fine as float64; the stored network itself shows that it is not."""
    monkeypatch.setattr("verify.certificates.rounding.ARITHMETICS", {"float64": 2.0**-53, "float32": 2.0**-53})
    found = certify(network)
    assert (found.verdict, found.findings.proved, found.findings.faithful) == ("undecided", (), False)
    assert "more than rounding explains" in certificates.certificate_text(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": "bias", "window": None}, "no hard window"),
        ({"layout": "aligned"}, "keeps no fixed number of digit groups"),
        ({"task": "mul", "expr": None}, "no finite machine"),
        ({"direction": "msd"}, "no finite machine that begins at the msd"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        certify(stored(tmp_path, replace(DOUBLING, **changes)))


def test_weights_of_another_specification_are_refused(network: Run, tmp_path: Path) -> None:
    weights = load_file(network.folder / "weights.safetensors")
    weights["blocks.0.up.weight"] = weights["blocks.0.up.weight"][:32]
    with pytest.raises(InputError, match="not the weights of this specification"):
        certify(with_weights(tmp_path / DOUBLING.digest, DOUBLING, weights))


def test_too_many_contexts_are_refused_with_the_limit(network: Run) -> None:
    with pytest.raises(InputError, match=r"36 contexts of up to 5 tokens, more than the limit of 35: allow more with --limit"):
        certify(network, limit=35)


# ---------------------------------------------------------------------------------------------------------------- locality


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tokens_outside_the_receptive_field_change_no_bit(layers: int, dtype: torch.dtype) -> None:
    spec = replace(DOUBLING, base=10, layers=layers, window=3, dim=32)
    field = spec.make_encoding().receptive_field
    assert field == 3 * layers + 1
    model = build_model(spec).to(dtype).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator, dtype=dtype) * 0.3)
        token_NT = torch.randint(0, 10, (8, 40), generator=generator)
        query, other_NT = 29, torch.randint(0, 14, (8, 40), generator=generator)
        perturbed_NT = other_NT.clone()
        perturbed_NT[:, query - field + 1 : query + 1] = token_NT[:, query - field + 1 : query + 1]
        at = torch.tensor([query])
        assert torch.equal(model(token_NT, at), model(perturbed_NT, at))
        nearer_NT = token_NT.clone()
        nearer_NT[:, query - field + 1] = (nearer_NT[:, query - field + 1] + 1) % 10  # the last token inside
        assert not torch.equal(model(token_NT, at), model(nearer_NT, at))


@pytest.mark.parametrize("layers", [1, 2])
def test_a_context_alone_gives_the_logits_it_has_in_a_long_line(layers: int) -> None:
    spec = replace(DOUBLING, base=10, layers=layers, window=4, dim=32)
    model, field = build_model(spec).eval(), 4 * layers + 1
    token_NT = torch.randint(0, 14, (16, 90), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((weight * (1 if weight.dim() == 1 else 2)).half())
        long_NV = model(token_NT, torch.tensor([69]))[:, 0].double()
        alone_NV = model(token_NT[:, 70 - field : 70], torch.tensor([field - 1]))[:, 0].double()
    wide = build_model(spec)
    wide.load_state_dict(model.state_dict())
    scores = Analysis(wide).scores(token_NT[:, 70 - field : 70])
    with torch.no_grad():
        assert torch.allclose(wide(token_NT, torch.tensor([69]))[:, 0], scores.logits, rtol=0, atol=1e-11)
    bound_NV = scores.error().sum(0)
    assert float(bound_NV.max()) < 1
    for narrow_NV in (long_NV, alone_NV):
        assert ((narrow_NV - scores.logits).abs() <= bound_NV).all()


# ---------------------------------------------------------------------------------------------------------------- rounding


def exactly(model: GPT, spec: RunSpec, tokens: Sequence[int]) -> list[Any]:
    """The logits at the last token, in 60 digits."""
    mpmath.mp.dps = 60
    weights = {name: mpmath.matrix(value.double().reshape(len(value), -1).tolist()) for name, value in model.state_dict().items()}
    size, window = spec.dim // spec.heads, spec.window or 0

    def normal(x: Any, gain: str) -> Any:
        mean = sum(x) / len(x)
        scale = 1 / mpmath.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + mpmath.mpf(1e-5))
        return mpmath.matrix([(v - mean) * scale * g for v, g in zip(x, weights[gain], strict=True)])

    def gelu(v: Any) -> Any:
        return v / 2 * (1 + mpmath.erf(v / mpmath.sqrt(2)))

    xs = [weights["tokens.weight"][token, :].T for token in tokens]
    for i in range(spec.layers):
        name = f"blocks.{i}."
        normed = [normal(x, name + "norm_attention.weight") for x in xs]
        q = [weights[name + "attention.q.weight"] * x for x in normed]
        kv = [weights[name + "attention.kv.weight"] * x for x in normed]
        after = []
        for p, x in enumerate(xs):
            y = mpmath.matrix(spec.dim, 1)
            keys = range(max(0, p - window), p + 1)
            for h in range(spec.heads):
                here = range(h * size, (h + 1) * size)
                bias = weights[name + "attention.encoding.distance"]
                scores = [sum(q[p][e] * kv[k][e] for e in here) / mpmath.sqrt(size) + bias[p - k, h] for k in keys]
                total = sum(mpmath.exp(score) for score in scores)
                for score, k in zip(scores, keys, strict=True):
                    for e in here:
                        y[e] += mpmath.exp(score) / total * kv[k][spec.dim + e]
            x = x + weights[name + "attention.out.weight"] * y
            inner = weights[name + "up.weight"] * normal(x, name + "norm_mlp.weight")
            after.append(x + weights[name + "down.weight"] * inner.apply(gelu))
        xs = after
    return list(weights["tokens.weight"] * normal(xs[-1], "norm.weight"))


@pytest.mark.parametrize("layers", [1, 2])
def test_error_bounds_hold_against_exact_arithmetic(layers: int) -> None:
    spec = replace(DOUBLING, layers=layers, window=2, dim=8)
    model = build_model(spec)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((weight * (1.3 if weight.dim() == 1 else 15)).half())
        model.blocks[0].attention.distance[1, 0] = 1.5
    contexts = torch.tensor([[4, 1, 0, 0, 1], [0, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    wide = build_model(spec)
    wide.load_state_dict(model.state_dict())
    scores = Analysis(wide).scores(contexts)
    wide_NV, narrow_NV = scores.error()
    with torch.no_grad():
        stored_NV = model.eval()(contexts, torch.tensor([4]))[:, 0]
    for n, tokens in enumerate(contexts.tolist()):
        for v, exact in enumerate(exactly(model, spec, tokens)):
            assert abs(float(exact - scores.logits[n, v].item())) <= float(wide_NV[n, v]) < 1e-8
            assert abs(float(exact - stored_NV[n, v].item())) <= float(narrow_NV[n, v])


# ------------------------------------------------------------------------------------------------------------------- files


def test_the_file_says_what_was_found_and_can_be_proved_again(network: Run) -> None:
    found = certify(network)
    path = write_certificate(found)
    content = read(path)
    assert path == network.folder / "certificate.json"
    assert content["weights_sha256"] == sha256(network.folder / "weights.safetensors")
    assert {key: content[key] for key in certificate_json(found)} == json.loads(json.dumps(certificate_json(found)))
    assert "torch" in content["versions"]
    certificates.compare(path, content, found)
    machine = machine_of(network)
    assert sum(len(block.answer) for block in Contexts(all_inputs(machine), 5).blocks(7)) == content["contexts"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("margin", 99.0), ("contexts", 35), ("contexts_sha256", "0" * 64), ("verdict", "refuted"), ("rounding", {"float64": 0.0}),
        ("deviation", 1.0), ("deviation", None), ("commit", "another"), ("commit", 7), ("code_sha256", "0"), ("dirty", "no"),
        ("versions", {"torch": "2"}), ("versions", None), ("approved", True),
    ],
)
def test_a_tampered_certificate_is_refused(network: Run, key: str, value: object, tmp_path: Path) -> None:
    found = certify(network)
    content = json.loads(write_certificate(found).read_bytes()) | {key: value}
    path = tmp_path / "certificate.json"
    path.write_bytes(to_json(content))
    with pytest.raises(InputError, match="digest mismatch"):
        read(path)
    path.write_bytes(to_json(content | {"sha256": self_digest(content)}))  # a forger mends the digest
    with pytest.raises(InputError, match=f"{key} is"):
        certificates.compare(path, read(path), found)


def test_the_command(network: Run, tmp_path: Path) -> None:
    """Certified 0, not certified 1, bad input 2; one child process each, so few of them."""
    store = tmp_path / "store"
    shutil.copytree(network.folder, store / network.folder.name)
    done = command("verify", "certify", network.spec.digest[:6], "--results", str(store))
    path = store / network.folder.name / "certificate.json"
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("certified for all lengths: 2 * a in base 2")
    assert done.out.rstrip().endswith(f"{path}: written")
    path.write_text(path.read_text().replace('"failing": 0', '"failing": 1'))
    refused(command("verify", "certify", "--check", str(path)), "digest mismatch")


def test_the_command_without_a_process_of_its_own(network: Run, tmp_path: Path) -> None:
    path = write_certificate(certify(network))

    def run(digest: str | None, check: Path | None, results: Path | None = network.folder.parent) -> tuple[Certificate, Path]:
        return certificates.command(digest, results, check, 1000, lambda done, total: None)

    assert run(None, path, None)[0].verdict == "certified"  # in the store that it lies in
    assert run(network.spec.digest[:4], path)[1] == path
    for digest, check, words in (
        (None, None, "which run"),
        ("zz", None, "no finished runs"),
        ("zz", path, "it is of run"),
        (None, tmp_path / "none.json", "No such file"),
    ):
        with pytest.raises(InputError, match=words):
            run(digest, check)
    refuted = stored(tmp_path, DOUBLING)
    moved = tmp_path / "elsewhere.json"
    shutil.copy(path, moved)
    with pytest.raises(InputError, match="weights_sha256 is"):
        run(None, moved, refuted.folder.parent)


# ------------------------------------------------------------------------------------------------------------------ claims


def claim(outcome: str = "certified", **changes: Any) -> Claim:
    values: dict[str, Any] = {
        "id": "c",
        "family": "certificates",
        "source": {"paper": "ours", "version": "1", "location": "here"},
        "quoted": False,
        "statement": "every network is right at every length",
        "kind": "theorem",
        "scale": "reduced",
        "quantity": "all pairs of operands",
        "population": "networks of group g",
        "prediction": "all",
        "decision": {"rule": "proof", "min_seeds": 2},
        "evidence": {"certificates": {"group": "g"}, "outcome": outcome},
    }
    return Claim.model_validate(values | changes)


def decide(verdicts: Sequence[str], outcome: str = "certified") -> Verdict:
    runs = [Run(replace(DOUBLING, seed=seed), {"group": "g"}, Path("x")) for seed in range(len(verdicts))]

    def fabricated(found: Sequence[Run]) -> list[Outcome]:
        named = [(run.spec.digest, run.spec.seed, verdicts[run.spec.seed]) for run in found]
        return [Outcome(digest, seed, verdict, f"it is {verdict}", 36, 1.5) for digest, seed, verdict in named]

    (verdict,) = run_claims([claim(outcome)], ["c"], runs, 20, 0, certify=fabricated)
    return verdict


@pytest.mark.parametrize(
    ("verdicts", "outcome", "verdict", "words"),
    [
        (["certified"] * 3, "certified", SUPPORTED, "3 of 3 networks certified"),
        (["refuted"] * 3, "refuted", SUPPORTED, "3 of 3 networks refuted"),
        (["certified", "refuted"], "certified", REFUTED, "1 of 2 networks certified"),
        (["certified", "refuted"], "refuted", REFUTED, "it is certified"),
        (["certified", "undecided"], "certified", INCONCLUSIVE, "it is undecided"),
        (["undecided", "refuted"], "certified", REFUTED, "it is refuted"),
        (["certified", "error", "refuted"], "certified", ERROR, "it is error"),
        (["certified"], "certified", INCONCLUSIVE, "1 networks certified, 2 needed"),
        ([], "certified", UNTESTED, "no run of group g yet"),
    ],
)
def test_claims_on_groups(verdicts: list[str], outcome: str, verdict: str, words: str) -> None:
    found = decide(verdicts, outcome)
    assert found.verdict == verdict
    assert words in found.detail


def test_a_claim_needs_its_number_of_networks() -> None:
    with pytest.raises(ValueError, match="min_seeds"):
        claim(decision={"rule": "proof"})
    with pytest.raises(ValueError, match="at_least goes with"):
        claim(decision={"rule": "at_least", "alpha": 0.05, "threshold": 0.9, "min_examples": 1, "min_seeds": 1})


def test_networks_of_a_claim_are_certified_live(network: Run, tmp_path: Path) -> None:
    """In a process of their own; a broken one is a value."""
    (found,) = certificates.outcomes([network])
    assert (found.verdict, found.contexts) == ("certified", 36)
    assert found.shown.startswith("certified for all lengths")
    assert certificates.outcome(replace(network, folder=tmp_path)).verdict == "error"
    assert list(certificates.outcomes([])) == []


def test_many_contexts_are_read_from_the_certificate(network: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beyond LIVE contexts a claim reads the certificate, of these very weights or not at all."""
    shutil.copytree(network.folder, tmp_path / network.folder.name, ignore=shutil.ignore_patterns("certificate.json"))
    run = load_run(tmp_path / network.folder.name)
    monkeypatch.setattr(certificates, "LIVE", 0)
    assert certificates.outcome(run).verdict == "error"
    path = write_certificate(certify(run))
    assert (certificates.outcome(run).verdict, certificates.outcome(run).contexts) == ("certified", 36)
    content = read(path) | {"weights_sha256": "0" * 64}
    path.write_text(json.dumps({**content, "sha256": self_digest(content)}))
    assert "other weights" in certificates.outcome(run).shown
    path.write_text(path.read_text().replace('"certified"', '"refuted"'))
    assert "edited" in certificates.outcome(run).shown

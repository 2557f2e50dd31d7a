"""Certificates beyond one interleaved layer: bands up to their width, several layers, and why unmasked coupled positions have none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from empirical.data.lines import Renderer
from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, load_model
from empirical.study.evaluate import answer, greedy
from empirical.training.loop import build_model, train
from tests.certified import claim, stored, with_weights
from tests.networks import pairs
from theory.errors import InputError
from verify.certificates import files as certificates
from verify.certificates.files import certificate_json
from verify.certificates.outcomes import Outcome
from verify.certificates.proof import certify, contexts_of
from verify.certificates.rounding import Analysis
from verify.certificates.text import certificate_text
from verify.verdicts.engine import run_claims
from verify.verdicts.statistics import INCONCLUSIVE, REFUTED, SUPPORTED

torch.set_num_threads(1)

BANDED = RunSpec(
    task="add", base=2, train_lengths=(1, 2, 3), test_lengths=(1, 6), encoding="banded", layout="aligned", width=6, layers=1, heads=4,
    dim=32, steps=400, batch=32, lr=1e-2, dropout=0.0, weight_decay=0.0, warmup=10, examples=20,
)  # fmt: skip

#: two layers that see two tokens back each, and together the four that addition needs
TWO_LAYERS = replace(
    BANDED, train_lengths=(1, 2, 3, 4), encoding="window", window=2, layout="interleaved", layers=2, steps=500, lr=3e-3
)


@pytest.fixture(scope="module")
def banded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(BANDED, tmp_path_factory.mktemp("banded"), group="banded")


def wrong_pairs(run: Run, digits: int) -> set[tuple[int, int]]:
    """By asking the stored network for every pair of operands of up to so many digits, as `arith-train answer` does, but all at once."""
    spec, numbers = run.spec, list(product(range(run.spec.base**digits), repeat=2))
    lines = Renderer(spec.make_task(), spec.make_layout(), torch.device("cpu")).lines(pairs(numbers, spec.base))
    right_N = (greedy(load_model(run), lines) == lines.token_NT).all(1)
    return {pair for pair, right in zip(numbers, right_N.tolist(), strict=True) if not right}


# ----------------------------------------------------------------------------------------------------------------------------- bands


def test_a_banded_network_is_certified_up_to_the_digits_that_it_masters(banded: Run) -> None:
    """Trained on 3 digits at width 6: right up to 4 at least, where training shows every context, and found out where it ends."""
    found = certify(banded)
    assert found.digits is not None
    assert 4 <= found.digits <= 6
    assert (found.receptive_field, found.findings.contexts, found.smallest_window) == (5, 44, None)
    assert wrong_pairs(banded, 4) == set()
    if found.digits == 6:
        assert (found.verdict, found.wrong) == ("certified", None)
        return
    assert found.verdict == "refuted"
    assert found.wrong is not None
    assert found.wrong.digits == found.digits + 1
    assert answer(banded, found.wrong.a, found.wrong.b) == found.wrong.answer != found.wrong.truth == found.wrong.a + found.wrong.b
    headline = certificate_text(found).splitlines()[0]
    assert headline.startswith(f"certified for all operands of up to {found.digits} digits, not beyond: a shortest wrong input has")


@pytest.mark.parametrize("offset", range(5))
def test_a_planted_wrong_weight_is_found_in_a_banded_network(banded: Run, offset: int, tmp_path: Path) -> None:
    """One of the five offsets goes blind. What is still certified is right, by asking for all of it, and the next digit is not."""
    weights = load_file(banded.folder / "weights.safetensors")
    weights["blocks.0.attention.encoding.distance"][offset] = -60.0
    planted = certify(with_weights(tmp_path / BANDED.digest, BANDED, weights))
    assert planted.verdict == "refuted"
    assert planted.digits is not None
    assert planted.digits < 4
    assert planted.wrong is not None
    wrong = wrong_pairs(planted.run, planted.wrong.digits)
    assert (planted.wrong.a, planted.wrong.b) in wrong
    assert min(max(a, b, 1).bit_length() for a, b in wrong) == planted.wrong.digits > planted.digits


@pytest.mark.parametrize("layers", [1, 2])
def test_contexts_alone_give_the_logits_of_whole_lines(layers: int) -> None:
    """Whatever stands where the band does not look: in float32 to the last bit, in float64 as the analysis has it."""
    spec = replace(BANDED, base=3, width=4, test_lengths=(1, 4), layers=layers)
    model, wide = build_model(spec), build_model(spec)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.2)
    wide.load_state_dict(model.state_dict())
    analysis = Analysis(wide)
    run = Run(spec, {}, Path("none"))
    for kind in contexts_of(run).kinds:
        last, length = kind.offsets[0], kind.offsets[0] + 1
        lines_NS = torch.randint(0, 7, (2, 12, length), generator=generator)
        columns = [last - offset for offset in kind.offsets]
        lines_NS[1][:, columns] = lines_NS[0][:, columns]
        at = torch.tensor([last])
        with torch.no_grad():
            first, second = (model(line_NS, at) for line_NS in lines_NS)
            exact_NV = wide(lines_NS[0], at)[:, 0]
        assert torch.equal(first, second)
        scores = analysis.scores(lines_NS[0][:, columns], kind.offsets)
        torch.testing.assert_close(scores.logits, exact_NV, rtol=0, atol=1e-11)
        assert ((first[:, 0].double() - scores.logits).abs() <= scores.error().sum(0)).all()


def test_digits_are_in_the_file_and_checked(banded: Run) -> None:
    found = certify(banded)
    path = certificates.save(found)
    content = certificates.read(path)
    assert (content["digits"], content["offsets"], content["window"]) == (found.digits, [0, 6, 7, 13, 14], None)
    certificates.compare(path, content, found)
    with pytest.raises(InputError, match="digits is 99"):
        certificates.compare(path, content | {"digits": 99}, found)
    assert json.loads(json.dumps(certificate_json(found), allow_nan=False))["digits"] == found.digits


def test_arithmetic_beyond_its_bounds_proves_no_digit(banded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.certificates.rounding.ARITHMETICS", {"float64": 2.0**-53, "float32": 2.0**-53})
    found = certify(banded)
    assert (found.digits, found.findings.proved) == (0, ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layout": "padded"}, "the padded layout has no band"),
        ({"layout": "interleaved"}, "has no band, as its lines have no fixed width: use --pe window"),
        ({"window": 4}, "--window goes with the window encoding"),
    ],
)
def test_specifications_without_a_band_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(BANDED, **changes)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(BANDED, encoding="relative"), "no hard window or band"),
        (replace(BANDED, encoding="window", window=14), "keeps no fixed number of digit groups"),
        (replace(BANDED, task="mul", width=3, test_lengths=(1, 3)), "no finite machine"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(spec: RunSpec, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        certify(stored(tmp_path, spec))


def test_machines_with_too_many_situations_are_refused(banded: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory.local.bands.MAX_SITUATIONS", 10)
    monkeypatch.setattr("theory.local.windows.MAX_WORK", 10)
    for run in (banded, stored(tmp_path, TWO_LAYERS)):
        with pytest.raises(InputError, match=r"more than 10 situations.* to follow: train with a smaller window, base or coefficients"):
            certify(run)


def test_weights_of_another_width_of_band_are_refused(banded: Run, tmp_path: Path) -> None:
    weights = load_file(banded.folder / "weights.safetensors")
    weights["blocks.0.attention.encoding.distance"] = weights["blocks.0.attention.encoding.distance"][:4]
    with pytest.raises(InputError, match="not the weights of this specification"):
        certify(with_weights(tmp_path / BANDED.digest, BANDED, weights))


@pytest.mark.parametrize(
    ("digits", "wrong", "claimed", "verdict"),
    [(6, 8, 6, SUPPORTED), (6, 7, 7, REFUTED), (5, 8, 6, INCONCLUSIVE), (6, 8, None, REFUTED)],
)
def test_claims_up_to_some_digits(digits: int, wrong: int, claimed: int | None, verdict: str) -> None:
    one = Outcome("x", 0, "refuted", "it ends somewhere", 44, 1.0, digits, wrong)
    evidence = {"certificates": {"group": "g"}, "outcome": "certified", "digits": claimed}
    made = claim(evidence=evidence, decision={"rule": "proof", "min_seeds": 1})
    (found,) = run_claims([made], ["c"], [Run(BANDED, {"group": "g"}, Path("x"))], 20, 0, certify=lambda runs: [one for _ in runs])
    assert found.verdict == verdict


# --------------------------------------------------------------------------------------------------------------------- several layers


def test_two_layers_are_certified_together(tmp_path: Path) -> None:
    """Neither layer sees a_{t-1}; together they do. One of four heads of one layer gone blind, and the proof fails."""
    run = train(TWO_LAYERS, tmp_path, group="layers")
    found = certify(run)
    assert (found.verdict, found.receptive_field, found.smallest_window, found.findings.contexts) == ("certified", 5, 4, 36)
    assert answer(run, 2**200 - 1, 1) == 2**200
    weights = load_file(run.folder / "weights.safetensors")
    weights["blocks.0.attention.encoding.distance"][2] = -60.0
    planted = certify(with_weights(tmp_path / "planted" / TWO_LAYERS.digest, TWO_LAYERS, weights))
    assert planted.verdict == "refuted"
    assert planted.wrong is not None
    assert answer(planted.run, planted.wrong.a, planted.wrong.b) == planted.wrong.answer != planted.wrong.truth


def test_contexts_of_several_layers_are_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, no more than a batch is in memory."""
    sizes: list[int] = []
    scores = Analysis.scores

    def counted(self: Analysis, token_NT: Tensor, offsets: tuple[int, ...]) -> object:
        sizes.append(token_NT.numel())
        return scores(self, token_NT, offsets)

    monkeypatch.setattr(Analysis, "scores", counted)
    found = certify(stored(tmp_path, replace(TWO_LAYERS, base=3, window=3, dim=8)))  # 7 tokens, nearly two groups
    assert found.findings.contexts == contexts_of(found.run).count() > 1000
    assert max(sizes) <= 4096
    assert len(sizes) > 3


def test_where_enumeration_ends_the_count_says_so(tmp_path: Path) -> None:
    run = stored(tmp_path, replace(TWO_LAYERS, base=10, window=15, dim=8))
    with pytest.raises(InputError, match=r"11101010101010101010100 contexts of up to 31 tokens, more than the limit of 20000000"):
        certify(run)


# ------------------------------------------------------------------------------------------------------------------ coupled positions


def coupled(model: GPT, token_T: Tensor, id_T: Tensor, seen: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """One layer whose codes are differences of ids, -2 to 1 and all others alike; logits, scores and weights (H, T) at the last token."""
    block, T = model.blocks[0], len(token_T)
    here = block.attention
    x_TC = model.tokens(token_T)
    normal_TC = block.norm_attention(x_TC)
    k_HTE, v_HTE = here.kv(normal_TC).view(T, 2, here.heads, -1).permute(1, 2, 0, 3)
    q_HE = here.q(normal_TC[-1]).view(here.heads, -1)
    back_T = id_T[-1] - id_T
    code_T = torch.where((back_T >= -2) & (back_T <= 1), back_T + 2, 4)
    score_HT = torch.einsum("he,hte->ht", q_HE, k_HTE) / math.sqrt(q_HE.shape[1]) + here.distance[code_T].T
    weight_HT = score_HT.masked_fill(~seen(back_T), -math.inf).softmax(1)
    x_C = x_TC[-1] + here.out(torch.einsum("ht,hte->he", weight_HT, v_HTE).flatten())
    x_C = x_C + block.down(F.gelu(block.up(block.norm_mlp(x_C))))
    return F.linear(model.norm(x_C), model.tokens.weight), score_HT, weight_HT


def question(a: list[int], b: list[int], i: int, order: int) -> tuple[Tensor, Tensor]:
    """Tokens and ids of a line up to the query of c_i, operands least (1) or most (-1) significant digit first; marks have far ids."""
    carry, c = 0, []
    for x, y in zip(a, b, strict=True):
        carry, digit = divmod(x + y + carry, 10)
        c.append(digit)
    ids, far = list(range(len(a)))[::order], -1000
    tokens = [12, *(a[j] for j in ids), 10, *(b[j] for j in ids), 11, *c[:i]]
    return torch.tensor(tokens), torch.tensor([far, *ids, far, *ids, far, *range(i)])


@pytest.fixture(scope="module")
def shifting() -> GPT:
    """A network whose distance biases and weights are large enough to matter, in float64."""
    model = build_model(replace(BANDED, base=10)).double().requires_grad_(False)
    generator = torch.Generator().manual_seed(5)
    for weight in model.parameters():
        weight.add_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) * 0.3)
    return model


def everything(back_T: Tensor) -> Tensor:
    return torch.ones_like(back_T, dtype=torch.bool)


def own_and_last(back_T: Tensor) -> Tensor:
    return (back_T == 0) | (back_T == -1)  # the query of c_i is c_{i-1}: ids i-1 and i


def operands(length: int, seed: int) -> list[list[int]]:
    return torch.randint(0, 10, (2, length), generator=torch.Generator().manual_seed(seed)).tolist()


@pytest.mark.parametrize("order", [1, -1])
def test_unmasked_coupled_positions_are_not_local_and_their_leads_vanish(shifting: GPT, order: int) -> None:
    """The crux: the deciding digit a_i has at most the weight e^(2S) / n, and two lines that differ in it lead by ever less."""
    shares = []
    for length in (400, 4000, 40_000):
        i = length // 2
        a, b = operands(length, 7)
        a[i - 2 : i + 1], b[i - 2 : i + 1] = [0, 4, 0], [0, 3, 0]
        other = [*a[:i], 1, *a[i + 1 :]]  # c_i is one more, and c_0 .. c_{i-1} are the same
        logits, changed = [], []
        for digits in (a, other):
            token_T, id_T = question(digits, b, i, order)
            z, score_HT, weight_HT = coupled(shifting, token_T, id_T, everything)
            bound = float(score_HT.amax() - score_HT.amin())
            at = 1 + (i if order == 1 else length - 1 - i)
            assert int(token_T[at]) == digits[i]
            assert float(weight_HT[:, at].max()) <= math.exp(bound) / len(token_T)
            logits.append(z)
            changed.append(token_T)
        assert int((changed[0] != changed[1]).sum()) == 1
        moved = float((logits[0] - logits[1]).abs().max())
        for t, u in product(range(10), repeat=2):  # leads of t over u in one line, and of u over t in the other
            assert float(logits[0][t] - logits[0][u] + logits[1][u] - logits[1][t]) <= 2 * moved + 1e-12
        shares.append(moved * length)
        far_a = [(a[0] + 1) % 10, *a[1:]]  # the digit furthest from i
        token_T, id_T = question(far_a, b, i, order)
        token_T[-i:] = changed[0][-i:]  # behind the same written digits
        assert not torch.equal(coupled(shifting, token_T, id_T, everything)[0], logits[0])
    assert 0 < max(shares) < 1.5 * min(shares)  # moved is of order 1 / length


def test_masked_coupled_positions_are_local_in_every_order_and_width(shifting: GPT) -> None:
    """The same digits at the ids i and i - 1 give the same logits, at any i, width and order; so do a_i and b_i exchanged."""
    found = []
    for length, i, order, exchange in ((4, 2, 1, False), (4, 2, -1, True), (40, 30, -1, False), (300, 7, 1, True)):
        a, b = operands(length, length)
        a[i - 2], b[i - 2] = 0, 0  # no carry from below
        a[i - 1], b[i - 1], a[i], b[i] = 7, 5, 3, 8
        if exchange:
            a, b = b, a
        found.append(coupled(shifting, *question(a, b, i, order), own_and_last)[0])
    for logits in found[1:]:
        torch.testing.assert_close(logits, found[0], rtol=0, atol=1e-12)
    a[i] += 1
    assert float((coupled(shifting, *question(a, b, i, 1), own_and_last)[0] - found[0]).abs().max()) > 1e-3

"""What certificates rest on: locality to the last bit, and error bounds against exact arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mpmath
import pytest
import torch

from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.training.loop import build_model
from tests.certified import DOUBLING
from verify.certificates.rounding import Analysis

torch.set_num_threads(1)

# ---------------------------------------------------------------------------------------------------------------- locality


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tokens_outside_the_receptive_field_change_no_bit(layers: int, dtype: torch.dtype) -> None:
    spec = replace(DOUBLING, base=10, layers=layers, window=3, dim=32)
    field = spec.make_encoding().receptive_field
    assert field == 3 * layers + 1
    model = build_model(spec).to(dtype)
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
    model, field = build_model(spec), 4 * layers + 1
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
        stored_NV = model(contexts, torch.tensor([4]))[:, 0]
    for n, tokens in enumerate(contexts.tolist()):
        for v, exact in enumerate(exactly(model, spec, tokens)):
            assert abs(float(exact - scores.logits[n, v].item())) <= float(wide_NV[n, v]) < 1e-8
            assert abs(float(exact - stored_NV[n, v].item())) <= float(narrow_NV[n, v])

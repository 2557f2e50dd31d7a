"""Networks with given weights and claims on certificates, which tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from empirical.network.model import GPT
from empirical.runs.spec import RunSpec
from empirical.runs.store import Run, load_run, self_digest, sha256, to_json
from empirical.training.loop import build_model
from tests.test_verify_engine import claim as counted
from verify.claims.schema import Claim

#: c_t = a_{t-1}: the simplest task that needs the digit at the far end of the window
DOUBLING = RunSpec(
    task="expr", expr="2*a", base=2, train_lengths=(1, 2, 3, 4), test_lengths=(1, 6), encoding="window", window=4, layout="interleaved",
    width=6, layers=1, heads=2, dim=16, steps=250, batch=32, lr=1e-2, dropout=0.0, weight_decay=0.0, warmup=10, examples=20,
)  # fmt: skip


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


def claim(outcome: str = "certified", **changes: Any) -> Claim:
    """A claim that every network of a group has this outcome."""
    evidence, decision = {"certificates": {"group": "g"}, "outcome": outcome}, {"rule": "proof", "min_seeds": 2}
    return counted(**{"family": "certificates", "kind": "theorem", "evidence": evidence, "decision": decision} | changes)

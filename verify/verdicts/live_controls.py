"""Networks asked wrongly on purpose: with their answers shuffled, and with weights that are not theirs; see verify.verdicts.controls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from verify.certificates.outcomes import LIVE, Outcome, outcome
from verify.claims.schema import CertificateEvidence, Claim, RunsEvidence, resolve_lengths
from verify.verdicts import evidence as ev
from verify.verdicts.workers import Workers

if TYPE_CHECKING:
    from torch import Tensor

    from empirical.runs.store import Run

EXAMPLES = 200  # answers per network and length


@dataclass(frozen=True)
class Job:
    """A network, the folder of a network of the same shape (none: untrained weights), and what to ask."""

    folder: Path
    other: Path | None
    lengths: tuple[int, ...]
    certify: bool
    seed: int


@dataclass(frozen=True)
class Live:
    """Entries by length, as in an evaluation, and the outcome of a certificate where one was asked for."""

    group: str
    shuffled: list[dict[str, Any]]
    swapped: list[dict[str, Any]]
    outcome: Outcome | None


def ask(claims: Sequence[Claim], runs: Sequence[Run], seed: int, progress: Callable[[str, int, int], None]) -> dict[str, Live]:
    """One network of each group that the claims rest on, in two processes."""
    runs = [run for run in runs if not run.trimmed]
    wanted: dict[str, set[int]] = {}
    certify: set[str] = set()
    for claim in claims:
        if isinstance(claim.evidence, RunsEvidence) and (found := ev.of_group(runs, claim.evidence.runs.group)):
            longest = found[0].spec.training.longest
            wanted.setdefault(claim.evidence.runs.group, {longest}).update(resolve_lengths(claim.evidence.lengths, longest))
        if isinstance(claim.evidence, CertificateEvidence) and ev.of_group(runs, claim.evidence.certificates.group):
            wanted.setdefault(claim.evidence.certificates.group, set())
            certify.add(claim.evidence.certificates.group)
    jobs = []
    for group, lengths in wanted.items():
        run = ev.of_group(runs, group)[0]
        jobs.append(Job(run.folder, other_network(run, runs), tuple(sorted(lengths)), group in certify, seed))
    answers: dict[str, Live] = {}
    with Workers() as pool:
        for _, one in pool.run(answer, jobs, _failed):
            answers[one.group] = one
            progress("networks asked wrongly", len(answers), len(jobs))
    return answers


def _failed(job: Job, error: Exception) -> Live:
    raise RuntimeError(f"asking {job.folder} ended its process: {error}") from error


def other_network(run: Run, runs: Sequence[Run]) -> Path | None:
    """A network of the same shape that learned another task, or the same in another layout."""

    def shape(one: Run) -> tuple[object, ...]:
        spec = one.spec
        return spec.layers, spec.heads, spec.dim, spec.base, spec.mechanism, spec.window, spec.max_distance, tokens(one)

    def tokens(one: Run) -> int:
        layout, task = one.spec.make_layout(), one.spec.make_task()
        lengths = (*one.spec.train_lengths, *one.spec.test_lengths)
        return max(len(layout.slots(layout.widths(task, n))) for n in lengths) if one.spec.has_position_table else 0

    def learned(one: Run) -> object:
        return one.spec.make_task().text, one.spec.layout, one.spec.direction

    return next((one.folder for one in runs if shape(one) == shape(run) and learned(one) != learned(run)), None)


def answer(job: Job) -> Live:
    """Ask one network; runs in a process of its own."""
    from empirical.process import settle
    from empirical.runs.store import load_model, load_run
    from empirical.study.evaluate import evaluate

    settle()
    run = load_run(job.folder)
    with TemporaryDirectory() as place:
        swapped = with_weights(run, weights_of(run, job.other), Path(place))
        shuffled = shuffled_counts(run, job.lengths, job.seed)
        entries = evaluate(load_model(swapped), run.spec, job.lengths, EXAMPLES, job.seed, places=False) if job.lengths else []
        proved = outcome(swapped) if job.certify and _few_contexts(swapped) else None  # which a sparse network's weights decide
    return Live(str(run.result["group"]), shuffled, entries, proved)


def _few_contexts(run: Run) -> bool:
    from verify.certificates.proof import effort

    return (effort(run) or LIVE + 1) <= LIVE


def weights_of(run: Run, other: Path | None) -> Mapping[str, Tensor]:
    """The weights of another network, or untrained ones from a seed of their own."""
    from dataclasses import replace

    from safetensors.torch import load_file

    from empirical.training.loop import build_model

    if other is not None:
        weights: Mapping[str, Tensor] = load_file(other / "weights.safetensors")
        return weights
    return build_model(replace(run.spec, seed=run.spec.seed + 1)).state_dict()


def with_weights(run: Run, weights: Mapping[str, Tensor], store: Path) -> Run:
    """A copy of a run with other weights and digests that fit, as whoever swaps weights would make them."""
    from safetensors.torch import save_file

    from empirical.runs.store import load_run, self_digest, sha256, to_json

    folder = store / run.spec.digest
    folder.mkdir(parents=True)
    for name in ("spec.json", "metrics.jsonl"):
        shutil.copy(run.folder / name, folder / name)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "weights.safetensors")
    result = json.loads((run.folder / "result.json").read_bytes())
    result["weights_sha256"] = sha256(folder / "weights.safetensors")
    (folder / "result.json").write_bytes(to_json({**result, "sha256": self_digest(result)}))
    return load_run(folder)


def shuffled_counts(run: Run, lengths: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """Counts as in empirical.study.evaluate, of answers that were each given to the question before."""
    import torch

    from empirical.data.lines import Renderer
    from empirical.runs.store import load_model
    from empirical.study.evaluate import draw_test, greedy

    model, spec = load_model(run), run.spec
    task, layout = spec.make_task(), spec.make_layout()
    renderer, out = Renderer(task, layout, torch.device("cpu")), []
    cut = None if layout.unpadded or task.needs_order else task.truncated(spec.training.longest)
    for length in lengths:
        torch.manual_seed(seed * 1_000_003 + length)
        pairs, _ = draw_test(spec, length, EXAMPLES, torch.device("cpu"))
        lines = renderer.lines(pairs)
        given_NT = greedy(model, lines).roll(1, 0)
        counts = {"truth": int(((given_NT == lines.token_NT) | ~lines.answer_NT).all(1).sum()), "learned": None}
        if cut is not None:
            counts["learned"] = int(((given_NT == renderer.lines(pairs, cut).token_NT) | ~lines.answer_NT).all(1).sum())
        out.append({"length": length, "examples": len(pairs.length_N), **counts})
    return out

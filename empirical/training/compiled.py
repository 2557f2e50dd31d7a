"""Training in compiled kernels: what a step does to one tensor after another becomes a few loops of its own, by torch.compile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from theory.errors import InputError


def compiler() -> tuple[str, bool]:
    """The name of the C++ compiler that makes kernels, and whether it is there."""
    from torch._inductor import config

    name: str = config.cpp.cxx[1]
    return name, shutil.which(name) is not None


def check_compiler(device: str) -> None:
    """See that kernels can be compiled here.

    Raises:
        InputError: there is no C++ compiler, or the run is not for the CPU.
    """
    if device != "cpu":
        raise InputError("--compile is for the CPU: leave it out, or give --device cpu")
    name, there = compiler()
    if not there:
        raise InputError(f"--compile: no C++ compiler {name}: install one, name it in CXX, or leave --compile out")


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function up to float error, in kernels that are made when it is first called, and kept on disk for the next process."""
    import torch
    from torch._dynamo import config as tracing
    from torch._inductor import config as making

    # each shape of network is a compilation of its own, and a process may train many
    tracing.cache_size_limit = tracing.accumulated_cache_size_limit = 1000
    making.compile_threads = 1  # a pool of compiling processes would take the other cores' time, and outlive a run that is killed
    return torch.compile(function, dynamic=False, fullgraph=True)


def compiler_failed(error: RuntimeError) -> str | None:
    """Why kernels could not be made, in one line; None where the error is of another kind."""
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    if not isinstance(error, TorchDynamoException | FailOnRecompileLimitHit):
        return None
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = (line for line in lines if "error:" in line or "No space left" in line)
    return next(telling, lines[0] if lines else type(error).__name__)

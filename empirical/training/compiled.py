"""Training in compiled kernels: what a step does to one tensor after another becomes a few loops of its own, by torch.compile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from theory.errors import InputError


def check_compiler(device: str) -> None:
    """See that kernels can be compiled here.

    Raises:
        InputError: there is no C++ compiler, or the run is not for the CPU.
    """
    from torch._inductor import config

    if device != "cpu":
        raise InputError(f"--compile is for the CPU: leave it out with --device {device}")
    compiler = config.cpp.cxx[1]
    if shutil.which(compiler) is None:
        raise InputError(f"--compile: no C++ compiler {compiler}: install one, name it in CXX, or leave --compile out")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function up to float error, compiled when it is first called; kernels are kept on disk for the next process.

    Raises:
        InputError: by the function it returns, where the compiler fails.
    """
    import torch
    from torch._dynamo import config as tracing
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor import config as making

    tracing.recompile_limit = 1000  # each shape of network is a compilation of its own, and a process may train many
    making.compile_threads = 1  # a pool of compiling processes would take the other cores' time, and outlive a run that is killed
    fast = torch.compile(function, dynamic=False, fullgraph=True)

    def call(*given: Any) -> Any:
        try:
            return fast(*given)
        except TorchDynamoException as error:
            cause = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise InputError(f"--compile: the compiler failed, leave --compile out: {cause}") from None

    return call

"""The table of live checks: how one is declared, validated and run."""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import ConfigDict, Field, ValidationError, create_model

from verify.verdicts.statistics import INCONCLUSIVE, REFUTED, SUPPORTED

#: parameter types; the bounds keep a stranger's claims file from asking for hours of work
Base = Annotated[int, Field(ge=2, le=64)]
Digits = Annotated[int, Field(ge=1, le=100)]
Modulus = Annotated[int, Field(ge=2, le=5000)]
Bases = Annotated[list[Base], Field(min_length=1, max_length=20)]
Moduli = Annotated[list[Modulus], Field(min_length=1, max_length=1000)]
Domains = Annotated[list[Literal["either", "both", "sampler"]], Field(min_length=1, max_length=3)]


SECONDS = 120.0  # that a check may take


@dataclass(frozen=True)
class CheckResult:
    """What a check found; `examined` counts the cases it looked at."""

    verdict: str
    detail: str
    examined: int


Check = Callable[..., CheckResult]
Wrong = Callable[[Mapping[str, Any]], dict[str, Any]]
REGISTRY: dict[str, Check] = {}
#: check -> from the parameters of a claim to some under which the statement is false; see verify.verdicts.controls
WRONG: dict[str, Wrong] = {}


def check(wrong: Wrong) -> Callable[[Check], Check]:
    """Register a check under its function name; its annotations are the schema of the claim's `params`.

    Every check comes with its negative control: `wrong` changes parameters so that the statement becomes false.
    """

    def register(function: Check) -> Check:
        REGISTRY[function.__name__], WRONG[function.__name__] = function, wrong
        return function

    return register


def flipped(params: Mapping[str, Any]) -> dict[str, Any]:
    """The negative control of a check that is told what to expect."""
    return {**params, "expected": not params["expected"]}


def proven(holds: bool, detail: str, examined: int) -> CheckResult:
    """The result of a check that settles the statement either way."""
    return CheckResult(SUPPORTED if holds else REFUTED, detail, examined)


def searched(counterexample: str, limit: str, examined: int) -> CheckResult:
    """The result of a finite search in an infinite set: it may refute, it never supports."""
    if counterexample:
        return CheckResult(REFUTED, counterexample, examined)
    return CheckResult(INCONCLUSIVE, f"no counterexample up to {limit}", examined)


def parameter_problem(name: str, params: Mapping[str, Any]) -> str:
    """What is wrong with the parameters of a check, or nothing."""
    function = REGISTRY[name]
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default) for name, parameter in parameters.items()
    }
    model = create_model(name, __config__=ConfigDict(extra="forbid", strict=True), **fields)
    try:
        model.model_validate(dict(params))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return ""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop what runs within by TimeoutError; outside a main thread, where no signal can, there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_check(name: str, params: Mapping[str, Any], seconds: float = SECONDS) -> CheckResult:
    """Run a check; one that is not done in time is inconclusive.

    Raises:
        RuntimeError: it looked at nothing, so its verdict means nothing.
    """
    try:
        with time_limit(seconds):
            result = REGISTRY[name](**params)
    except TimeoutError:
        return CheckResult(INCONCLUSIVE, f"not decided within {seconds:g} s", 0)
    if result.examined < 1:
        raise RuntimeError(f"check {name} examined 0 cases")
    return result

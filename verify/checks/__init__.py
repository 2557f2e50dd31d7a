"""All live checks. To add one, write a function with the `check` decorator in proofs.py or exact.py."""

from __future__ import annotations

from verify.checks import exact, proofs
from verify.checks.registry import REGISTRY, WRONG, CheckResult, parameter_problem, run_check

__all__ = ["REGISTRY", "WRONG", "CheckResult", "exact", "parameter_problem", "proofs", "run_check"]

"""The conformance kit: whether a component keeps the rules of its kind, and whether its δ is right."""

from nnfw.conformance.outcomes import CheckFailed, Conformance, Outcome
from nnfw.conformance.parametrization import parametrize_checks
from nnfw.conformance.reference_layers import assert_same_layer, numerical_layer
from nnfw.conformance.running import Check, checks_of, run_checks
from nnfw.conformance.subjects import Subject, subjects_of

__all__ = [
    "Check",
    "CheckFailed",
    "Conformance",
    "Outcome",
    "Subject",
    "assert_same_layer",
    "checks_of",
    "numerical_layer",
    "parametrize_checks",
    "run_checks",
    "subjects_of",
]

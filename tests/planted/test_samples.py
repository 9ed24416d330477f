"""Components that say what they are to be tried with: the kit then finds errors that its own inputs do not show."""

from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import nnfw
from nnfw.data import Examples
from nnfw.testing import run_checks

IGNORED = -1
BY_SAMPLES_ALONE = "it is tried with its own samples alone"


def own_failures(component):
    """Return what fails of the checks of a kind."""
    return [item for item in run_checks(component).failures if not item.check.startswith("component.is_documented")]


# --- costs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tokens(nnfw.CanonicalCost):
    """C = −1/N Σ_i 1/T Σ_t log a_t,y over the tokens t whose label is not −1."""

    canonical = "softmax"

    def samples(self, rng):
        y = rng.integers(0, 3, (5, 4))
        y[0, 1:], y[1, 2], y[3, 0] = IGNORED, IGNORED, IGNORED
        yield rng.standard_normal((5, 4, 3)), y

    def targets(self, y, output_shape):
        if y.dtype.kind not in "iu" or y.shape[1:] != output_shape[:-1]:
            raise nnfw.DataError(f"expected class indices of shape (N, {output_shape[:-1]}), got {y.dtype} {y.shape}.")
        return y

    def weights(self, y):
        """Return the weight of every token in C."""
        return (y != IGNORED) / y.size

    def _weights(self, y, weight):
        found = self.weights(y) if len(y) else np.zeros(y.shape)
        return found if weight is None else found * weight[:, np.newaxis]

    def _of_label(self, values, y):
        return np.take_along_axis(values, np.maximum(y, 0)[..., np.newaxis], axis=-1)[..., 0]

    def value(self, a, y, weight=None):
        return float(-np.sum(np.log(self._of_label(a, y)) * self._weights(y, weight)))

    def gradient(self, a, y, workspace, weight=None):
        gradient = np.zeros_like(a)
        share = (-self._weights(y, weight) / self._of_label(a, y))[..., np.newaxis].astype(a.dtype)
        np.put_along_axis(gradient, np.maximum(y, 0)[..., np.newaxis], share, axis=-1)
        return gradient

    def value_from_z(self, z, y, weight=None):
        shifted = z - z.max(axis=-1, keepdims=True)
        log_a = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return float(-np.sum(self._of_label(log_a, y) * self._weights(y, weight)))

    def canonical_delta(self, a, y, workspace, weight=None):
        one_hot = np.maximum(y, 0)[..., np.newaxis] == np.arange(a.shape[-1])
        return ((a - one_hot) * self._weights(y, weight)[..., np.newaxis]).astype(a.dtype)


@dataclass(frozen=True)
class GradientAtIgnored(Tokens):
    def canonical_delta(self, a, y, workspace, weight=None):
        delta = super().canonical_delta(a, y, workspace, weight)
        return delta + (y == IGNORED)[..., np.newaxis].astype(a.dtype)


@dataclass(frozen=True)
class MeanOverAllTokens(Tokens):
    """C = −Σ log a_t,y over all tokens of the batch, divided by their number."""

    def weights(self, y):
        valid = y != IGNORED
        return valid / max(valid.sum(), 1)


def test_cost_with_ignored_labels_passes():
    assert own_failures(Tokens()) == []


@pytest.mark.parametrize(
    ("cost", "check", "message"),
    [
        (
            GradientAtIgnored(),
            "cost.canonical_delta_is_equation_1",
            "canonical_delta differs from Equation 1 by up to 1.",
        ),
        (MeanOverAllTokens(), "cost.is_a_mean_over_examples", "C of 2 examples is "),
    ],
    ids=["gradient-at-ignored-labels", "mean-over-all-tokens"],
)
def test_cost_wrong_at_ignored_labels_is_found(cost, check, message):
    (failure,) = run_checks(cost, only=[check]).failures
    assert failure.message.startswith(message)


@pytest.mark.parametrize("cls", [GradientAtIgnored, MeanOverAllTokens])
def test_cost_wrong_at_ignored_labels_is_not_found_without_them(cls):
    @dataclass(frozen=True)
    class Unaware(cls):
        def samples(self, rng):
            yield rng.standard_normal((5, 4, 3)), rng.integers(0, 3, (5, 4))

    assert [item for item in own_failures(Unaware()) if item.check.startswith("cost.")] == []


# --- other kinds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Logarithm(nnfw.Layer):
    """z = log a_prev, for positive a_prev."""

    def samples(self, rng):
        yield np.exp(rng.standard_normal((6, 4)))
        yield np.exp(rng.standard_normal((2, 2, 3)))

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, params, a_prev, workspace):
        workspace["a_prev"] = a_prev
        return np.log(a_prev)

    def backward(self, params, delta, grads, workspace):
        return delta / workspace["a_prev"]


@dataclass(frozen=True)
class WrongForLongerExamples(Logarithm):
    def backward(self, params, delta, grads, workspace):
        gradient = super().backward(params, delta, grads, workspace)
        return gradient * (1 + 1e-3 * (delta.ndim > 2))


@dataclass(frozen=True)
class Days(nnfw.Transform):
    """x' = the days since the first date."""

    columns: tuple[str, ...] | None = None

    accepts = "categorical"

    def samples(self, rng):
        yield np.array([date.fromordinal(int(day)).isoformat() for day in rng.integers(700_000, 740_000, 9)])

    def fit(self, column):
        return {"first": min(self._days(column))}

    def _days(self, column):
        return [date.fromisoformat(text).toordinal() for text in column.tolist()]

    def apply(self, column, fitted):
        return np.array(self._days(column), np.float64) - fitted["first"]

    def invert(self, column, fitted):
        return np.array([date.fromordinal(int(day) + fitted["first"]).isoformat() for day in column])


@dataclass(frozen=True)
class OffByADay(Days):
    def invert(self, column, fitted):
        return super().invert(column + 1, fitted)


@dataclass(frozen=True)
class Files(nnfw.Dataset):
    """The numbers in the files of a folder, one example each."""

    pattern: str

    def samples(self, rng):
        with TemporaryDirectory() as name:
            for k, number in enumerate(rng.standard_normal(3)):
                Path(name, f"{k}.txt").write_text(str(number))
            yield Path(name)

    def load(self, directory):
        numbers = [float(path.read_text()) for path in self.order(directory.glob(self.pattern))]
        if not numbers:
            raise nnfw.DataError(f"no file {self.pattern} in {directory}.")
        return Examples({"x": np.array(numbers)[:, np.newaxis]}, None, "y")

    def order(self, paths):
        return sorted(paths)


TURNS = count()


@dataclass(frozen=True)
class BackAndForth(Files):
    def order(self, paths):
        return sorted(paths, reverse=bool(next(TURNS) % 2))


@dataclass(frozen=True)
class Mistakes(nnfw.Metric):
    """The number of wrong tokens, without those that are ignored."""

    higher_is_better = False

    def samples(self, rng):
        y = rng.integers(0, 3, (6, 4))
        y[:, 2] = IGNORED
        yield rng.random((6, 4, 3)), y

    def statistics(self, a, y, weight=None):
        wrong = (self.predicted(a) != y) & (y != IGNORED)
        return np.array([np.sum(wrong.sum(axis=1) * (1 if weight is None else weight))], np.float64)

    def predicted(self, a):
        return a.argmax(axis=-1)

    def result(self, statistics):
        return float(statistics[0])


@dataclass(frozen=True)
class LooksAtTheFirstExample(Mistakes):
    def predicted(self, a):
        return np.tile(super().predicted(a[:1]), (len(a), 1))


@pytest.mark.parametrize("component", [Logarithm(), Days(), Files("*.txt"), Mistakes()], ids=lambda c: type(c).__name__)
def test_component_tried_with_its_samples_passes(component):
    assert own_failures(component) == []


@pytest.mark.parametrize(
    ("component", "check"),
    [
        (WrongForLongerExamples(), "layer.gradient_of_input"),
        (OffByADay(), "transform.is_undone_by_invert"),
        (LooksAtTheFirstExample(), "metric.adds_up_over_batches"),
        (BackAndForth("*.txt"), "dataset.loads_the_same_twice"),
    ],
    ids=["layer", "transform", "metric", "dataset"],
)
def test_error_is_found_with_samples(component, check):
    assert [item.check for item in run_checks(component, only=[check]).failures] == [check]


def test_folder_of_samples_is_gone_after_the_check():
    folders = []

    @dataclass(frozen=True)
    class Watched(Files):
        def load(self, directory):
            folders.append(directory)
            return super().load(directory)

    assert run_checks(Watched("*.txt"), only=["dataset.loads_examples"]).ok
    assert folders
    assert not any(folder.exists() for folder in folders)


def yielding(cls, sample, *options):
    """Return a component of a class that yields another sample."""
    body = {"samples": lambda self, rng: iter([sample])}
    return dataclass(frozen=True)(type("Changed", (cls,), {**body, "__annotations__": {}}))(*options)


A, Y = np.zeros((3, 4, 3)), np.zeros((2, 4), int)


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (yielding(Tokens, A), "cost.value_is_a_number", "samples yielded ndarray, expected a pair of arrays: outputs "),
        (
            yielding(Tokens, (A, Y)),
            "cost.value_is_a_number",
            "samples yielded 3 outputs and 2 labels, expected as many",
        ),
        (yielding(Mistakes, (A, Y)), "metric.adds_up_over_batches", "samples yielded 3 outputs and 2 labels"),
        (yielding(Logarithm, [1.0]), "layer.same_seed_gives_same_bits", "samples returned list, expected an array."),
        (
            yielding(Logarithm, A[:0]),
            "layer.same_seed_gives_same_bits",
            "samples yielded an empty batch, expected one ",
        ),
        (yielding(Days, "2026"), "transform.keeps_the_examples", "samples returned str, expected an array."),
        (yielding(Files, "here", "*"), "dataset.loads_examples", "samples yielded str, expected the Path of a folder."),
    ],
    ids=["no-pair", "lengths", "metric", "no-array", "empty", "no-column", "no-path"],
)
def test_sample_of_another_form_is_named(component, check, message):
    (failure,) = run_checks(component, only=[check]).failures
    assert failure.message.startswith(message)


@pytest.mark.parametrize(
    ("component", "check"),
    [(Logarithm(), "layer.finite_at_extremes"), (Days(), "transform.new_values_are_handled")],
    ids=["layer", "transform"],
)
def test_check_with_inputs_of_its_own_is_skipped(component, check):
    (outcome,) = run_checks(component, only=[check]).outcomes
    assert (outcome.status, outcome.message) == ("skipped", BY_SAMPLES_ALONE)

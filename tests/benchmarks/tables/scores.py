"""What a prediction is worth."""

import numpy as np

from .data import Array, Kind, Prediction

SMALLEST = float(np.finfo(np.float32).eps)
"""A probability is at least this, for all contenders: some compute in float32, where it may round to 0."""


def log_loss(y: Array, prediction: Prediction) -> float:
    """Return -1/N Σ ln p(y), p(y) being the probability of the true class; 0 for a class that it does not know."""
    places = {label: place for place, label in enumerate(prediction.classes)}
    p = [row[places[label]] if label in places else 0.0 for label, row in zip(y, prediction.values, strict=True)]
    return float(-np.mean(np.log(np.clip(np.asarray(p, np.float64), SMALLEST, 1.0))))


def rmse(y: Array, prediction: Prediction) -> float:
    """Return √(1/N Σ (y - prediction)²)."""
    return float(np.sqrt(np.mean((np.asarray(prediction.values, np.float64) - y) ** 2)))


def score(y: Array, prediction: Prediction, kind: Kind, deviation: float) -> dict[str, float]:
    """Return the figures of one split; the RMSE also in standard deviations of the target."""
    shape = (len(y), len(prediction.classes)) if kind == "classification" else y.shape
    if prediction.values.shape != shape or bool(prediction.classes) != (kind == "classification"):
        what = "probabilities of classes" if kind == "classification" else "numbers"
        raise ValueError(f"expected {what} of {len(y)} rows, got shape {prediction.values.shape}")
    if not np.isfinite(prediction.values).all():
        raise ValueError("expected finite predictions, got NaN or infinity")
    if kind == "classification":
        return {"log_loss": log_loss(y, prediction)}
    error = rmse(y, prediction)
    return {"rmse": error, "scaled": error / deviation}

"""Epochs of a training as tasks that callbacks of scikit-learn see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, cast

from sklearn.callback import CallbackContext

from nnfw.protocols import Callback, Fit
from nnfw.training import History


class EpochTasks(Callback):
    """Tells the callbacks of an estimator when an epoch begins and ends, and stops the training where one asks for it.

    Parameters
    ----------
    context
        The task whose parts the epochs are.
    estimator, seen
        The estimator, and what else its callbacks see by name: X, y and metadata.
    fitted
        Returns the attributes of an estimator that stopped here.
    """

    def __init__(
        self,
        context: CallbackContext,
        estimator: object,
        seen: Mapping[str, object],
        fitted: Callable[[], Mapping[str, object]],
    ) -> None:
        self._context, self._estimator, self._seen, self._fitted = context, estimator, seen, fitted

    def state(self, fit: Fit) -> dict[str, Any]:
        """Begin the first epoch."""
        return {"task": self._begun()}

    def epoch_ended(self, fit: Fit, record: Mapping[str, Any], state: MutableMapping[str, Any]) -> None:
        """End the task of this epoch, and begin that of the next one if there is one."""
        end = state["task"].call_on_fit_task_end
        if end(estimator=self._estimator, **self._seen, reconstruction_attributes=self._fitted):
            fit.stop("a callback of scikit-learn asked for it")
        if fit.epoch < fit.epochs and not cast(History, fit.history).stopped:
            state["task"] = self._begun()

    def _begun(self) -> CallbackContext:
        task = self._context.subcontext(task_name="epoch")
        return task.call_on_fit_task_begin(estimator=self._estimator, **self._seen)

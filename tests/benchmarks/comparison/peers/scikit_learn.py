"""scikit-learn's multi-layer perceptrons."""

import warnings

from sklearn.neural_network import MLPClassifier, MLPRegressor

from ..workloads import Array, NotMeasuredError, Peer, Workload

ACTIVATIONS = {"sigmoid": "logistic", "relu": "relu", "tanh": "tanh"}
LARGEST_RATE = 0.01  # for mse its outputs are always linear, and the rate that suits a sigmoid diverges


class ScikitLearn(Peer):
    """An estimator. Where the cost is mse its outputs are linear, which is a little less to compute."""

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        if not work.is_dense:
            raise NotMeasuredError("has dense layers alone")
        if work.optimizer not in ("sgd", "adam") or work.hidden not in ACTIVATIONS:
            raise NotMeasuredError(f"has not all of {work.hidden}, {work.cost}, {work.optimizer} and {work.dtype}")
        rate = min(work.rate, LARGEST_RATE)
        self.x, self.y, self.classifies = x, y, work.cost != "mse"
        self.model = (MLPClassifier if self.classifies else MLPRegressor)(
            hidden_layer_sizes=work.sizes[1:-1],
            activation=ACTIVATIONS[work.hidden],
            solver=work.optimizer,
            alpha=0.0,
            batch_size=work.batch,
            learning_rate_init=rate,
            momentum=0.0,
            random_state=0,
        )
        self.model.set_params(learning_rate_init=1e-12)
        self.train(1)  # only what was fitted can predict; with this rate it is as good as untrained
        self.model.set_params(learning_rate_init=rate)

    def train(self, epochs: int) -> None:
        self.model.set_params(max_iter=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged
            self.model.fit(self.x, self.y)

    def predict(self, x: Array) -> Array:
        return self.model.predict_proba(x) if self.classifies else self.model.predict(x)


PEER = ScikitLearn

"""thinc, with NumPy's products: those of its own BLIS took 1.5 times as long a step."""

import numpy as np
from thinc import api

from ..workloads import Array, NotMeasuredError, Peer, Workload

LAYERS = {"sigmoid": api.Sigmoid, "relu": api.Relu, "softmax": api.Softmax, "identity": api.Linear}
OPTIMIZERS = {"sgd": api.SGD, "adam": api.Adam}
INIT = api.glorot_uniform_init  # some layers begin with zeros, with which hidden neurons would stay alike
OFFERED = LAYERS.keys() | OPTIMIZERS.keys() | {"mse", "cross_entropy", "float32"}


class Thinc(Peer):
    """A chain of layers, which gives a^L and the function for the way back."""

    def __init__(self, work: Workload, x: Array, y: Array, variant: str) -> None:
        if not work.is_dense:
            raise NotMeasuredError("has dense layers alone")
        if not {work.hidden, work.cost, work.optimizer, work.dtype} <= OFFERED:
            raise NotMeasuredError(f"has not all of {work.hidden}, {work.cost}, {work.optimizer} and {work.dtype}")
        api.fix_random_seed(0)
        api.set_current_ops(api.NumpyOps(use_blis=False))
        self.model = api.chain(*(LAYERS[activation](n_out, init_W=INIT) for _, n_out, activation in work.layers))
        self.y = np.eye(work.sizes[-1], dtype=np.float32)[y] if work.cost == "cross_entropy" else y
        self.model.initialize(X=x[:2], Y=self.y[:2])
        self.optimizer = OPTIMIZERS[work.optimizer](work.rate, L2=0, grad_clip=0, use_averages=False)
        self.work, self.x = work, x

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.model.ops.multibatch(self.work.batch, self.x, self.y, shuffle=True):
                a, backward = self.model.begin_update(x)
                backward((a - y) / len(y))
                self.model.finish_update(self.optimizer)

    def predict(self, x: Array) -> Array:
        return self.model.predict(x)


PEER = Thinc

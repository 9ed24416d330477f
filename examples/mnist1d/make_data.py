"""Make the data of MNIST-1D: python make_data.py

It needs the package ``mnist1d`` (Apache-2.0), which makes the sequences from ten templates at once:
S. Greydanus, D. Kobak (2024), *Scaling down deep learning with MNIST-1D*. The first 4,000 examples are for training,
the last 1,000 are the test set.
"""

from pathlib import Path

import numpy as np
from mnist1d.data import get_dataset_args, make_dataset

if __name__ == "__main__":
    data = make_dataset(get_dataset_args())
    x = np.concatenate([data["x"], data["x_test"]]).astype(np.float32)
    y = np.concatenate([data["y"], data["y_test"]]).astype(np.int64)
    shuffled = x[:, np.random.default_rng(0).permutation(x.shape[1])]
    folder = Path(__file__).parent
    for name, array in (("x", x), ("x_shuffled", shuffled), ("y", y)):
        np.save(folder / f"{name}.npy", array)

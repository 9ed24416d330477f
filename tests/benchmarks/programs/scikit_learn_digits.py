"""examples/digits.toml with scikit-learn: the same data, network, optimizer and number of epochs."""

import sys
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

EPOCHS = int(sys.argv[1])

x, y = load_digits(return_X_y=True)
x_train, x_rest, y_train, y_rest = train_test_split(x.astype(np.float32), y, test_size=0.3, stratify=y, random_state=7)
x_test, y_test = x_rest[::2], y_rest[::2]  # nnfw takes the other half for validation
scaler = StandardScaler().fit(x_train)
model = MLPClassifier(
    hidden_layer_sizes=(64,),
    batch_size=32,
    learning_rate_init=3e-3,
    max_iter=EPOCHS,
    n_iter_no_change=EPOCHS,  # it does not stop before
    alpha=0.0,
    random_state=7,
)
warnings.simplefilter("ignore")  # it has not converged
model.fit(scaler.transform(x_train), y_train)
assert model.n_iter_ == EPOCHS
sys.stdout.write(f"{model.score(scaler.transform(x_test), y_test):.4f}\n")

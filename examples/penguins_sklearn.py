"""Networks in scikit-learn: a table of words and numbers, a pipeline, a search over layers and learning rates.

Needs pip install "nnfw[sklearn]" and pandas. Run it with: python examples/penguins_sklearn.py
"""

from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nnfw.sklearn import NNClassifier

table = pd.read_csv(Path(__file__).with_name("penguins.csv"))
X, y = table.drop(columns="species"), table["species"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)

columns = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    (StandardScaler(), make_column_selector(dtype_include="number")),
)
network = NNClassifier((16, {"type": "dropout", "rate": 0.1}), epochs=60, batch_size=16, random_state=0)
grid = {
    "nnclassifier__layers__0__units": [4, 16],
    "nnclassifier__optimizer__learning_rate": [1e-3, 1e-2],
}
search = GridSearchCV(make_pipeline(columns, network), grid, cv=3).fit(X_train, y_train)
print("best:", search.best_params_)
print(f"accuracy: {search.best_score_:.3f} in cross-validation, {search.score(X_test, y_test):.3f} on the test part")

importance = permutation_importance(search, X_test, y_test, n_repeats=5, random_state=0).importances_mean
for name, loss in sorted(zip(X, importance, strict=True), key=lambda pair: -pair[1]):
    print(f"  {name:<18} {loss:6.3f}")

best = search.best_estimator_[-1]
print(f"last of {best.n_iter_} epochs:", best.history_[-1])

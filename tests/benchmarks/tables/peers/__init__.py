"""Ways to learn from a table, a module for each: `fit(task)` returns what predicts from other rows of the table."""

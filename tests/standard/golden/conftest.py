"""The values are written with PyTorch, which tests do not need."""

collect_ignore_glob = ["make*.py"]

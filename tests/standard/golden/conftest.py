"""The values are written with PyTorch, which tests do not need."""

collect_ignore = ["make.py", "make_attention.py", "make_functions.py"]

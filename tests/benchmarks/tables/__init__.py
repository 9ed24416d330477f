"""How well nnfw learns from real tables; `python -m tables` in this folder's parent runs it."""

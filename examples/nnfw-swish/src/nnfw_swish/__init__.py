"""Swish activations, gated units and quantile regression for networks of nnfw.

Nothing is imported here: nnfw imports plugin.py at every start, and the components on first use.
"""

"""Swish activations, gated units and quantile regression for networks of nnfw.

Nothing is imported here: nnfw reads plugin.py whenever it starts, and the components only when they are used.
"""

"""Kernels of nnfw compiled by numba. Importing this package imports nothing: numba is imported when they are used."""

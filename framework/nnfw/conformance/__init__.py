"""The conformance kit. Its face is :mod:`nnfw.testing`."""

"""The command line: ``nnfw``, one file per command, each thin."""

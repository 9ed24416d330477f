"""What pytest leaves out here."""

collect_ignore = ["writing-a-plugin.md"]
"""It holds whole files, whose examples are run where the files are; its own are run in tests/docs/test_docs.py."""

"""The standard layers."""

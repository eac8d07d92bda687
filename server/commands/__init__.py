"""The commands of `python -m server`, one module for each group."""

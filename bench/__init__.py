"""Measurements: `python -m bench [NAME...] [--quick]` writes docs/reference/results.md."""

__all__: list[str] = []

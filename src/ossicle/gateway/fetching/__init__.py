"""Calling addresses on somebody's behalf: where that is allowed, and reading recordings there."""

__all__: list[str] = []

"""Calling addresses on somebody's behalf: where that is allowed, and reading recordings there."""

"""The docstring of a class, and those that stand below its fields, read from the source.

docs_of(messages)["TranscriptMessage"]["stable"]    →  "Leading characters that will not …"
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from types import ModuleType

__all__ = ["docs_of"]


@cache
def docs_of(module: ModuleType) -> dict[str, dict[str, str]]:
    """For each class, the docstring below each field; "" is the class's own."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        texts = {"": ast.get_docstring(node) or ""}
        for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                texts[statement.target.id] = " ".join(str(after.value.value).split())
        found[node.name] = texts
    return found

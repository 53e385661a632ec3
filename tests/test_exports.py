"""Every module says what it offers, under a name that is an idea, with a sentence for each."""

import ast
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"
NO_IDEA = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}


def modules() -> list[Path]:
    """Every module with something in it; an empty ``__init__.py`` only marks a folder."""
    found = sorted((SOURCE / "ossicle").rglob("*.py"))
    return [path for path in found if path.read_text(encoding="utf-8").strip()]


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def problems(tree: ast.Module) -> list[str]:
    """What a module's text lacks."""
    found: list[str] = []
    exported: list[str] | None = None
    if not ast.get_docstring(tree):
        found.append("no module docstring")
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = any(isinstance(each, ast.Name) and each.id == "__all__" for each in targets)
            if named and node.value is not None:
                exported = ast.literal_eval(node.value)
    if exported is None:
        return [*found, "no __all__"]
    for node in tree.body:
        # Aliases and constants explain themselves where they stand; what runs has a sentence.
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            overload = any("overload" in ast.unparse(each) for each in node.decorator_list)
            if node.name in exported and not overload and not ast.get_docstring(node):
                found.append(f"{node.name} has no docstring")
    return found


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_module_says_what_it_offers(path: Path) -> None:
    assert problems(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_all_names_exist(path: Path) -> None:
    if path.name == "__main__.py":
        pytest.skip("__main__ runs when imported")
    try:
        module = importlib.import_module(dotted(path))
    except ModuleNotFoundError as error:
        # One of our own missing modules is a mistake; a missing extra is somebody's choice.
        if (error.name or "").startswith("ossicle"):
            raise
        pytest.skip(f"{error.name} is not installed")
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(module.__all__) == len(set(module.__all__))


def test_no_module_is_named_without_an_idea() -> None:
    named = {path for path in (SOURCE / "ossicle").rglob("*") if path.stem in NO_IDEA}
    assert named == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""Doc."""\n__all__ = ["f"]\ndef f():\n    """Doc."""', []),
        ("__all__ = []", ["no module docstring"]),
        ('"""Doc."""\ndef f(): ...', ["no __all__"]),
        ('"""Doc."""\n__all__ = ["f", "C"]\ndef f(): ...\nclass C: ...',
         ["f has no docstring", "C has no docstring"]),
        ('"""Doc."""\n__all__ = []\ndef f(): ...', []),
    ],
)  # fmt: skip
def test_what_a_module_lacks_is_found(text: str, expected: list[str]) -> None:
    assert problems(ast.parse(text)) == expected

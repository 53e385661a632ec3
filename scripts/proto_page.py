"""The reference page of the gRPC service, from its .proto: names, numbers and comments. Used by
`reference.py`."""

from __future__ import annotations

import re

from protos import FOLDER

__all__ = ["proto_page"]

SOURCE = FOLDER / "ossicle" / "v1" / "speech.proto"
ABOUT = """\
`ossicle/proto/ossicle/v1/speech.proto`, as it is in the package. The same messages in JSON are
[ossicle.v1](ossicle-v1.md), where meanings are explained at length; [Use gRPC](../howto/grpc.md)
shows it at work. In messages named `…Options`, fields that are absent are left as they are.
"""
_FIELD = re.compile(r"(?:(repeated|optional) )?([\w.]+) (\w+) = (\d+);")
_METHOD = re.compile(r"rpc (\w+)\((stream )?(\w+)\) returns \((stream )?(\w+)\);")


def proto_page() -> str:
    """The page."""
    out = ["# ossicle.v1 over gRPC\n", ABOUT]
    comment: list[str] = []
    kind, union = "", ""
    for line in map(str.strip, SOURCE.read_text().splitlines()):
        if line.startswith("//"):
            comment.append(line.removeprefix("//").strip())
            continue
        said, comment = " ".join(comment), []
        if line.startswith(("message ", "enum ", "service ")):
            kind, name = line.split()[:2]
            out += [f"## {name}\n", *([said + "\n"] if said else []), *_head(kind)]
            if line.endswith("{}"):
                out = [*out[:-2], ""]
        elif line.startswith("oneof "):
            union = line.split()[1]
        elif line == "}":
            if not union:
                out.append("")
            union = ""
        elif found := _METHOD.fullmatch(line):
            name, up, asked, down, told = found.groups()
            out.append(
                f"| `{name}` | {'stream of ' if up else ''}[{asked}](#{asked.lower()}) | "
                f"{'stream of ' if down else ''}[{told}](#{told.lower()}) | {said} |"
            )
        elif found := _FIELD.fullmatch(line):
            label, of, name, number = found.groups()
            how = f"one of `{union}`" if union else label or ""
            out.append(f"| `{name}` | {number} | {_type(of)} | {how} | {said} |")
        elif kind == "enum" and (found := re.fullmatch(r"(\w+) = (\d+);", line)):
            out.append(f"| `{found[1]}` | {found[2]} |")
    return "\n".join(out).rstrip() + "\n"


def _head(kind: str) -> list[str]:
    match kind:
        case "service":
            return ["| method | takes | answers | |", "|---|---|---|---|"]
        case "enum":
            return ["| value | number |", "|---|---|"]
        case _:
            return ["| field | number | type | | |", "|---|---|---|---|---|"]


def _type(name: str) -> str:
    return f"[{name}](#{name.lower()})" if name[0].isupper() else f"`{name}`"

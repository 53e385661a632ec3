"""Compiles `src/ossicle/proto/**/*.proto` to one descriptor set for each top folder.

    python scripts/protos.py            # write src/ossicle/proto/*.binpb
    python scripts/protos.py --check    # fail when one is not what the .proto files say

Descriptors only, no generated code: `ossicle.dialects.protobuf` makes message classes of them in a
pool of its own. The well-known types are left out; they come with the protobuf package.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

__all__ = ["FOLDER", "compiled", "main"]

FOLDER = Path(__file__).resolve().parent.parent / "src" / "ossicle" / "proto"


def compiled() -> dict[str, bytes]:
    """The descriptor set of each top folder, by the name of its file.

    Raises:
        SystemExit: a .proto file does not compile; the compiler has said why.
    """
    import grpc_tools  # noqa: PLC0415  of the dev group; `--help` works without it
    from grpc_tools import protoc  # noqa: PLC0415

    known = Path(grpc_tools.__file__).parent / "_proto"
    sets: dict[str, bytes] = {}
    for top in sorted(path for path in FOLDER.iterdir() if path.is_dir()):
        files = sorted(str(path.relative_to(FOLDER)) for path in top.rglob("*.proto"))
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "set"
            command = ["protoc", f"-I{FOLDER}", f"-I{known}", f"--descriptor_set_out={out}", *files]
            if protoc.main(command):
                raise SystemExit(f"{top.name} does not compile")
            sets[f"{top.name}.binpb"] = out.read_bytes()
    return sets


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = bool(parser.parse_args().check)
    stale = 0
    for name, data in compiled().items():
        path = FOLDER / name
        if path.exists() and path.read_bytes() == data:
            continue
        stale += 1
        if check:
            print(f"{path} is not what the .proto files say", file=sys.stderr)
        else:
            path.write_bytes(data)
            print(f"{path}: {len(data)} bytes")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())

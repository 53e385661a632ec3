"""Browser support, from the npm package `@mdn/browser-compat-data` that tests/interop/js pins.

    python scripts/facts.py            # write src/ossicle/advisor/browsers.json
    python scripts/facts.py --check    # fail when it is not what the package says

The data is CC0 1.0 (public domain); its version and date go into the extract. To refresh it, raise
the version in tests/interop/js/package.json, run `python scripts/clients.py`, then this, then
`make reference`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["EXTRACT", "PACKAGE", "extract", "main"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tests/interop/js/node_modules/@mdn/browser-compat-data"
EXTRACT = ROOT / "src/ossicle/advisor/browsers.json"

BROWSERS = (
    "chrome", "edge", "firefox", "safari", "chrome_android", "firefox_android", "safari_ios",
)  # fmt: skip
FEATURES = {
    "websocket": ("WebSocket with binary messages", "api.WebSocket.binaryType"),
    "webrtc": ("WebRTC", "api.RTCPeerConnection"),
    "webtransport": ("WebTransport", "api.WebTransport"),
    "webtransport_hashes": (
        "WebTransport to a certificate known by its hash",
        "api.WebTransport.WebTransport.options_serverCertificateHashes_parameter",
    ),
    "microphone": ("the microphone", "api.MediaDevices.getUserMedia"),
    "request_stream": (
        "a request whose body is a stream",
        "api.Request.Request.options_parameter.body.accepts_readablestream",
    ),
    "answer_stream": ("an answer that is read while it comes", "api.Response.body"),
}


def extract(package: Path) -> dict[str, Any]:
    """What the advice needs of the package in this folder."""
    data = json.loads((package / "data.json").read_text("utf-8"))
    known = data["browsers"]
    return {
        "package": "@mdn/browser-compat-data",
        "version": data["__meta"]["version"],
        "date": data["__meta"]["timestamp"][:10],
        "licence": "CC0-1.0",
        "browsers": {name: _now(known[name]) for name in BROWSERS},
        "features": {
            name: {
                "what": what,
                "path": path,
                "support": {
                    browser: _since(_at(data, path)["support"][browser], known[browser])
                    for browser in BROWSERS
                },
            }
            for name, (what, path) in FEATURES.items()
        },
    }


def _at(data: dict[str, Any], path: str) -> dict[str, Any]:
    for name in path.split("."):
        data = data[name]
    return data["__compat"]


def _now(browser: dict[str, Any]) -> dict[str, str]:
    (current,) = [v for v, r in browser["releases"].items() if r["status"] == "current"]
    release = browser["releases"][current]
    return {
        "title": browser["name"],
        "engine": release["engine"],
        "current": current,
        "released": release["release_date"],
    }


def _since(support: Any, browser: dict[str, Any]) -> dict[str, str]:
    """Of the plain, unprefixed, whole form that is still there; what needs a flag is not there."""
    for each in support if isinstance(support, list) else [support]:
        added = each["version_added"]
        odd = {"version_removed", "prefix", "alternative_name", "flags", "partial_implementation"}
        if isinstance(added, str) and added != "preview" and not odd & set(each):
            version = added.removeprefix("≤")
            release = browser["releases"].get(version, {})
            out = release.get("status") in {"current", "retired", "esr"}
            return {"version": version, "date": release.get("release_date", "") if out else ""}
    return {"version": ""}


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description="Take browser support from the pinned package.")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    check = parser.parse_args().check
    if not PACKAGE.is_dir():
        print("@mdn/browser-compat-data is not there: run python scripts/clients.py")
        return 2
    made = json.dumps(extract(PACKAGE), indent=1, ensure_ascii=False) + "\n"
    if check:
        stale = not EXTRACT.exists() or EXTRACT.read_text("utf-8") != made
        print("browsers.json is not what the package says: run make facts" if stale else "good")
        return 1 if stale else 0
    EXTRACT.write_text(made, "utf-8")
    print(EXTRACT.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Take a session's words by webhook, and check that they are the gateway's. Standard library only.

OSSICLE_WEBHOOK_SECRET=... python examples/webhook_receiver.py [PORT]       ends with the session
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["OSSICLE_WEBHOOK_SECRET"].encode()


def genuine(header: str, body: bytes) -> bool:
    """One of the signatures fits, and the post is not an old one played again."""
    parts = [part.partition("=") for part in header.split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    if not at.isdecimal() or abs(time.time() - int(at)) > 300:
        return False
    due = hmac.new(SECRET, at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(name == "v1" and hmac.compare_digest(due, value) for name, _, value in parts)


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the gateway keeps its connection
    over = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        fits = genuine(self.headers.get("ossicle-signature", ""), body)
        self.send_response(204 if fits else 403)
        self.send_header("content-length", "0")
        self.end_headers()
        event = json.loads(body) if fits else {"type": "forged"}
        if event["type"] == "transcript" and event["is_final"]:
            print(event["text"], flush=True)
        if event["type"] in {"ended", "forged"}:
            Hook.over = True
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """No line for every request."""


with HTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 9000), Hook) as server:
    print(f"listening on {server.server_port}", flush=True)
    while not Hook.over:
        server.handle_request()

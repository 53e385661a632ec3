"""Which event loops the socket tests run on."""

import asyncio
import importlib.util

BOTH = {
    "test_http_stream.py",
    "test_rfc6455.py",
    "test_transports.py",
    "test_upgrade.py",
    "test_websocket_client.py",
}
"""The gateway runs on uvloop, a client on whatever its program runs on: the two differ in how a
transport pauses, buffers and hands its protocol over."""


def pytest_asyncio_loop_factories(config, item):
    loops = {"asyncio": asyncio.new_event_loop}
    if item.path.name in BOTH and importlib.util.find_spec("uvloop"):
        import uvloop

        loops["uvloop"] = uvloop.new_event_loop
    return loops

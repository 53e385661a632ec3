"""Ports, and what answers on them: sockets, certificates, HTTP, WebSocket, gRPC, WebRTC."""

__all__: list[str] = []

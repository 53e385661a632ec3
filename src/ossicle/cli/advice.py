"""What to do about an error: one line for a person at a terminal."""

import ssl
from collections.abc import Iterator

from ossicle.core.errors import OssicleError

__all__ = ["advice"]

_BY_CODE = {
    "unauthorized": "give your key: --key KEY, or the variable OSSICLE_KEY",
    "forbidden": "the gateway does not let this host or key in: see `ossicle serve --allow-host`",
    "at_capacity": "the gateway is full: try again, or start another",
    "draining": "the gateway is stopping: try again in a moment",
    "unsupported_audio": "say what the audio is: --encoding, --sample-rate, --channels",
    "bad_audio": "say what the audio is: --encoding, --sample-rate, --channels",
}


def advice(error: OssicleError, url: str) -> str:
    """The way out of an error; empty when its own text says enough."""
    causes = tuple(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return (
            "trust the gateway's own CA: --ca FILE; `ossicle certs` prints the file, on the "
            "gateway's machine"
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return f"is {url} a TLS port? http:// and ws:// are plain, https:// and wss:// are not"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return f"nothing listens at {url}: start a gateway with `ossicle serve`, or give --url"
    return _BY_CODE.get(error.code, "")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

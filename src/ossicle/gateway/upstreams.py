"""Providers as engines: `upstream:NAME` of the configuration becomes an `Upstream`.

    upstream:deepgram                          the provider itself, its key from DEEPGRAM_API_KEY
    upstream:deepgram@wss://speech.example     the same protocol somewhere else
    upstream:native@https://other:8443         another gateway

Introduces the client's parts (dialects, wires) to the engines, which know neither.
"""

import os
from collections.abc import Mapping
from functools import partial

from ossicle.client.dial import dialer
from ossicle.client.dialects import provider
from ossicle.core.errors import Refused
from ossicle.core.ports import Engine
from ossicle.engines.upstream import Upstream, UpstreamSettings

__all__ = ["open_upstream"]


def open_upstream(argument: str, environment: Mapping[str, str] = os.environ) -> Engine:
    """The engine behind `upstream:ARGUMENT`.

    Args:
        argument: `DIALECT[@URL]`.
        environment: where its key is looked for, each time a stream is opened.

    Raises:
        Refused: a dialect that is not spoken, or no address where one is needed.
    """
    name, _, url = argument.partition("@")
    found = provider(name)
    url = url or found.url
    if not url:
        raise Refused(
            f"upstream:{name} needs an address: upstream:{name}@https://HOST:PORT",
            code="bad_option",
        )
    return Upstream(
        name,
        found.make,
        dialer(url, found.wire),
        capabilities=found.capabilities,
        credential=partial(_key, environment, found.key),
        settings=UpstreamSettings(silent_s=found.silent_s),
    )


def _key(environment: Mapping[str, str], variable: str) -> str | None:
    return environment.get(variable) or None

"""Deepgram's protocols: what its SDKs say and expect, on whichever engine stands behind.

Turn-based live transcription (`flux_*`, `/v2/listen`), speech (`speak_*`, `/v1/speak`) and
temporary tokens (`endpoints`, `/v1/auth/grant`).
"""

from .flux_client import FluxClient
from .flux_server import FluxServer
from .speak_client import SpeakClient
from .speak_request import SpeakRequest
from .speak_server import SpeakServer

__all__ = ["FluxClient", "FluxServer", "SpeakClient", "SpeakRequest", "SpeakServer"]

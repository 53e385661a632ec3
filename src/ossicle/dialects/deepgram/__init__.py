"""Deepgram's protocols, both halves: live and pre-recorded `/v1/listen` here, the others beside.

>>> from ossicle.dialects.deepgram import ListenServer
>>> ListenServer.name
'deepgram.v1'
"""

from .listen_client import DeepgramClient
from .listen_server import ListenServer
from .prerecorded_server import PrerecordedServer

__all__ = ["DeepgramClient", "ListenServer", "PrerecordedServer"]

"""OpenAI's protocols: `/v1/realtime`, both halves, and the HTTP requests beside it.

>>> from ossicle.dialects.openai import RealtimeServer
>>> RealtimeServer.name
'openai.realtime'
"""

from .book import Books
from .client import RealtimeClient
from .server import RealtimeServer

__all__ = ["Books", "RealtimeClient", "RealtimeServer"]

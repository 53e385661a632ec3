"""Amazon Transcribe streaming: signed event-stream frames over HTTP/2 or WebSocket.

AmazonServer(guard=signed(keys))       server half
AmazonClient(credentials, host=...)    client half
"""

from .client import AmazonClient, Credentials
from .guard import Keys, secret_name, signed
from .parameters import Lists
from .server import AmazonServer
from .sessions import SessionIds

__all__ = [
    "AmazonClient",
    "AmazonServer",
    "Credentials",
    "Keys",
    "Lists",
    "SessionIds",
    "secret_name",
    "signed",
]

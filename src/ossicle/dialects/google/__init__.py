"""Google Cloud Speech-to-Text over gRPC: v1, v1p1beta1 and v2, `StreamingRecognize` and
`Recognize`. Bytes in, bytes out: no gRPC is imported here. Wire notes: google.md."""

from .client import GoogleClient
from .rules import GoogleRules
from .stream_server import StreamServer
from .unary_server import UnaryServer
from .unbuilt import Unbuilt
from .v1 import V1, V1P1BETA1
from .v2 import V2, VersionTwo
from .version import Version

__all__ = [
    "V1",
    "V1P1BETA1",
    "V2",
    "GoogleClient",
    "GoogleRules",
    "StreamServer",
    "UnaryServer",
    "Unbuilt",
    "Version",
    "VersionTwo",
]

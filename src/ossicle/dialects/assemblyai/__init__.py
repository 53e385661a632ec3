"""AssemblyAI's streaming dialects: universal streaming (`/v3/ws`) and the legacy real-time API.

>>> from ossicle.dialects.assemblyai import AssemblyClient, AssemblyServer
"""

from .client import AssemblyClient
from .legacy_client import LegacyClient
from .legacy_server import LegacyServer
from .server import AssemblyServer

__all__ = ["AssemblyClient", "AssemblyServer", "LegacyClient", "LegacyServer"]

"""AssemblyAI's streaming dialects: universal streaming (`/v3/ws`) and the legacy real-time API.

>>> from ossicle.dialects.assemblyai import AssemblyClient, AssemblyServer
"""

from .client import AssemblyClient
from .server import AssemblyServer

__all__ = ["AssemblyClient", "AssemblyServer"]

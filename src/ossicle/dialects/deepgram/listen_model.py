"""How an engine and a moment are named in Deepgram's answers.

>>> created_at(0.0)
'1970-01-01T00:00:00.000Z'
"""

import uuid
from datetime import UTC, datetime

from .listen_messages import ModelInfo

__all__ = ["created_at", "model_of_engine"]

_SPACE = uuid.UUID("6f737369-636c-4500-8000-000000000001")


def created_at(at: float) -> str:
    """A moment of the epoch, as ISO 8601 with milliseconds."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def model_of_engine(engine: str, model: str) -> tuple[str, ModelInfo]:
    """An id that is always the same for the same engine and model asked for, and who really
    listens."""
    identity = str(uuid.uuid5(_SPACE, f"{engine}/{model}"))
    return identity, ModelInfo(name=engine or "engine", version="ossicle", arch=engine or "engine")

"""What somebody who opens `/v1/realtime` wants, whichever way it is said: as a session.

    GET  /v1/realtime?model=M                    a conversation
    GET  /v1/realtime?intent=transcription       words only
    POST /v1/realtime/calls, part `session`      whatever stands there
    Authorization: Bearer ek_TOKEN.SESSION       what the key was made for

They add up in this order: the URL, then the key, then the body; what comes later changes what came
before, but for the type of the session (wire note, sections 1 and 6). Pure.
"""

from typing import Any, TypeAlias

import msgspec

from ossicle.core.errors import BadMessage
from ossicle.core.wire import Opening

from .credentials import credential_in, session_in
from .errors import Rejected
from .settings import Settings, updated

__all__ = ["wanted"]

Json: TypeAlias = dict[str, Any]


def wanted(opening: Opening) -> Settings:
    """The session that an opening asks for.

    Raises:
        Rejected: something in it that is not taken; the code is the service's word.
        BadMessage: its session is no JSON object.
    """
    carried, asked = session_in(credential_in(opening.headers)), _asked(opening)
    transcribes = opening.param("intent") == "transcription"
    kind = carried.get("type") or asked.get("type")
    kind = kind or ("transcription" if transcribes else "realtime")
    if kind not in {"realtime", "transcription"}:
        raise Rejected(
            "session.type is 'realtime' or 'transcription'.", "invalid_value", "session.type"
        )
    model = opening.param("model")
    if transcribes and model:
        raise Rejected(
            "A transcription session takes no model in its URL; set "
            "session.audio.input.transcription.model.",
            "invalid_model",
        )
    if kind == "transcription":
        settings = Settings(type="transcription")
    else:
        model = model or str(asked.get("model") or carried.get("model") or "")
        settings = Settings(model=model[:200])
    return updated(updated(settings, {**carried, "type": kind}), asked)


def _asked(opening: Opening) -> Json:
    """The session in the body."""
    part = next((each for each in opening.parts if each.name == "session"), None)
    if part is None:
        return {}
    try:
        return msgspec.json.decode(part.data, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage("the part 'session' of the body is not a JSON object") from error

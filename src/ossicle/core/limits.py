"""When a session has to end because of time, looked at about once a second."""

from .errors import OssicleError, TimedOut
from .events import EndReason
from .host import SessionSettings

__all__ = ["expired"]


def expired(
    settings: SessionSettings, *, age_s: float, quiet_s: float, alone: bool
) -> tuple[EndReason, OssicleError | None] | None:
    """Why it ends now; None = it goes on.

    Args:
        settings: its limits; 0 = no limit.
        age_s: since it was opened.
        quiet_s: since audio or a command came, while it waits for nothing but those.
        alone: its owner did not come back in time.
    """
    if alone:
        return "lost", None
    if settings.session_s and age_s >= settings.session_s:
        return "limit", TimedOut(
            f"the session reached its limit of {settings.session_s:g} s", code="session_limit"
        )
    if settings.idle_s and quiet_s >= settings.idle_s:
        return "idle", TimedOut(
            f"neither audio nor a command came for {settings.idle_s:g} s", code="idle"
        )
    return None

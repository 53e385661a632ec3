"""The folder of recordings, where settings name one."""

from pathlib import Path

from ossicle.engines.wrap.record import Recorder

from ..configuration.settings import GatewaySettings

__all__ = ["recorder_of"]


def recorder_of(settings: GatewaySettings) -> Recorder | None:
    """What keeps recordings; None = nothing is recorded."""
    asked = settings.record
    if not asked.folder:
        return None
    return Recorder(
        Path(asked.folder),
        form=asked.form,
        most_bytes=asked.most_mb * 1_000_000,
        keep_s=asked.keep_s,
    )

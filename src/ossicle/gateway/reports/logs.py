"""Logs: one line per thing that happened, for people on a terminal and for machines elsewhere.

Never words, keys, tokens or audio: what is logged is counted, named or timed. Records of
uvicorn and our own loggers go the same way.
"""

import logging
import sys

import structlog

__all__ = ["set_up"]


def set_up(*, level: str = "info", json: bool | None = None) -> None:
    """Send every log to standard error.

    Args:
        level: `debug info warning error`.
        json: one JSON object a line; None = unless standard error is a terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("ossicle").setLevel(level.upper())

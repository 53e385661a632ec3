"""A receiver raised: say where, without the words.

An exception's text may quote what somebody said, and so may the values in a traceback; the log
gets the type and the place.
"""

import logging

__all__ = ["report_fault"]


def report_fault(log: logging.Logger, call: str, fault: BaseException) -> None:
    """One line in the log: which call, which exception, which line of code."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "nowhere"
    log.error("%s raised %s at %s", call, type(fault).__name__, place)

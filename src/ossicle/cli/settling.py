"""What a process that serves does once it has started: it lets the garbage collector forget what
stays for ever.

    settle()

CPython's full collection looks at every container there is, and holds the event loop, and so every
session, meanwhile. What a gateway is made of (modules, classes, settings: over a hundred thousand
objects) never becomes garbage, so looking at it again finds nothing. Only for a process of its own:
garbage in cycles that exists at this moment is collected first, what becomes garbage of it later
never is. Knows no gateway.
"""

import gc

__all__ = ["settle"]


def settle() -> None:
    """Collect once, while nobody is served yet, and leave out what is left from now on."""
    gc.collect()
    gc.freeze()

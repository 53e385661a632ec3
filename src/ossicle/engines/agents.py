"""Agents by name: `agent:RECOGNISER > RESPONDER > VOICE`, of which the last two may be left out.

    agent:pocketsphinx                                         repeats what it hears
    agent:pocketsphinx > chat:http://localhost:11434/v1?model=llama3.2
    agent:upstream:deepgram > python:my_bot:answer > espeak

Responders: `parrot`, `chat:URL?model=…&key_env=…`, `python:MODULE:NAME`.
"""

from collections.abc import Callable

from ..core.errors import Refused
from ..core.ports import Engine
from .agent import Agent
from .compose import Combined
from .request import Way, directly
from .responders import Responder
from .responders.chat import chat
from .responders.function import function
from .responders.parrot import Parrot

__all__ = ["open_agent", "open_responder"]


def open_agent(
    argument: str, make: Callable[[str], Engine], voice: str, way: Way = directly
) -> Agent:
    """The agent that a text names, not started.

    Args:
        argument: what follows `agent:`.
        make: opens an engine by `NAME[:ARG]`.
        voice: what speaks where the text does not say.
        way: to the server of a responder.

    Raises:
        Refused: a place is empty, or a responder is not known; or as `make` does.
    """
    parts = [part.strip() for part in argument.split(" > ")]
    if not all(parts) or len(parts) > 3:
        raise Refused(
            f"agent:{argument[:80]} must be agent:RECOGNISER > RESPONDER > VOICE", code="bad_option"
        )
    ears = make(parts[0])
    responder = open_responder(parts[1], way) if len(parts) > 1 else Parrot()
    spoken = parts[2] if len(parts) > 2 else voice
    if ears.capabilities.speaks or spoken == "off":
        return Agent(ears, responder)
    return Agent(Combined(ears, make(spoken)), responder)


def open_responder(spec: str, way: Way = directly) -> Responder:
    """The responder that `NAME[:ARG]` names.

    Raises:
        Refused: there is none of that name, or its argument is wrong.
    """
    name, _, argument = spec.partition(":")
    match name:
        case "parrot" if not argument:
            return Parrot()
        case "chat":
            return chat(argument, way)
        case "python":
            return function(argument)
        case _:
            raise Refused(
                f"responder {spec[:60]!r} is not known; there are parrot, chat:URL?model=NAME and "
                "python:MODULE:NAME",
                code="bad_option",
            )

"""Which sessions are answered, and by whom: an engine that answers gets a seat for each session,
and one that does not is given a parrot where a client expects answers.

    answering = Answering()
    answering.seated(engine, options, around)      the engine for one session

It runs the answers of the agents it makes itself, and ends them with the house.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from ossicle.core.options import Options
from ossicle.core.ports import Engine
from ossicle.engines.agent import Agent
from ossicle.engines.responders.parrot import Parrot

__all__ = ["Answering"]


class Answering:
    """Of one house."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Engine, Agent] = WeakKeyDictionary()

    def seated(
        self, engine: Engine, options: Options, around: Callable[[Engine], Engine]
    ) -> Engine:
        """The engine for a session.

        Args:
            engine: what configuration and model name say.
            options: of the session.
            around: puts around the engine that hears what the session asks for.
        """
        if isinstance(engine, Agent):
            return engine.seat(around(engine.engine))
        able = engine.capabilities
        if not options.answers.wanted or able.answers or not able.hears:
            return around(engine)
        agent = self._made.get(engine)
        if agent is None:
            agent = self._made[engine] = Agent(engine, Parrot(), owns=False)
        return agent.seat(around(engine))

    async def aclose(self) -> None:
        """End what they answer."""
        for agent in tuple(self._made.values()):
            await agent.aclose()

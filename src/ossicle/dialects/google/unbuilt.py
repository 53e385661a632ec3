"""Methods of the service that are not built: told by name, instead of grpc's "Method not found!".

Unbuilt("LongRunningRecognize is not built here; use Recognize or StreamingRecognize")
"""

from math import inf

from ossicle.core.events import Event
from ossicle.core.ports import Steps
from ossicle.core.wire import Close, Message, Opening

from .errors import Status

__all__ = ["METHODS", "Unbuilt"]

METHODS: dict[str, str] = {
    "v1": "LongRunningRecognize",
    "v1p1beta1": "LongRunningRecognize",
    "v2": (
        "BatchRecognize CreateRecognizer ListRecognizers GetRecognizer UpdateRecognizer "
        "DeleteRecognizer UndeleteRecognizer GetConfig UpdateConfig CreateCustomClass "
        "ListCustomClasses GetCustomClass UpdateCustomClass DeleteCustomClass "
        "UndeleteCustomClass CreatePhraseSet ListPhraseSets GetPhraseSet UpdatePhraseSet "
        "DeletePhraseSet UndeletePhraseSet"
    ),
}
"""By version, what is answered so."""


class Unbuilt:
    """Implements `core.ports.Dialect`."""

    name = "google.unbuilt"

    def __init__(self, method: str) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._text = (
            f"{method} is not built into this gateway; use Recognize or StreamingRecognize"
            if "Recognize" in method and "Recognizer" not in method
            else f"{method} is not built into this gateway: recognizers come from its settings "
            "(google.recognizers), phrases and classes with each request"
        )

    def open(self, opening: Opening, now: float) -> Steps:
        """Nothing of the request is looked at."""
        return (Close(int(Status.UNIMPLEMENTED), self._text),)

    def receive(self, message: Message, now: float) -> Steps:
        """Too late."""
        return ()

    def send(self, event: Event, now: float) -> Steps:
        """There is no session."""
        return ()

    def expire(self, now: float) -> Steps:
        """Never asked for."""
        return ()

"""Which models and voices there are: `GetRivaSpeechRecognitionConfig`, `GetRivaSynthesisConfig`.

A call without sound. It opens a session that takes none, so that a key is judged as everywhere;
no engine is opened for it.
"""

from collections.abc import Iterable
from math import inf

import msgspec

from ossicle.core.commands import Configure
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import Began, Ended, Event
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .asr_messages import CONFIG_REQUEST, CONFIG_RESPONSE, ModelConfig, ModelResponse
from .credentials import credential_of
from .errors import Unmet, closing, refusal
from .tts_messages import CONFIG_REQUEST as VOICE_REQUEST
from .tts_messages import CONFIG_RESPONSE as VOICE_RESPONSE
from .tts_messages import VoiceResponse

__all__ = ["Model", "ModelLister", "Voice", "VoiceLister"]


class Model(msgspec.Struct, frozen=True):
    """A recogniser as it is listed."""

    name: str
    languages: tuple[str, ...] = ()
    """Empty = not known, or any."""
    sample_rate: int = 16_000


class Voice(msgspec.Struct, frozen=True):
    """A voice as it is listed."""

    name: str
    languages: tuple[str, ...] = ()
    sample_rate: int = 22_050


class _Lister:
    """One question, one answer."""

    name = "riva.models"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._opening = Opening()
        self._answer: bytes | None = None
        self._over = False

    def open(self, opening: Opening, now: float) -> Steps:
        """A call."""
        self._opening = opening
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        """The question."""
        if self._over or self._answer is not None:
            return ()
        match message:
            case Binary(data=data):
                try:
                    self._answer = self._answered(data)
                except OssicleError as error:
                    return self._close(refusal(error))
                return (Configure(credential=credential_of(self._opening)),)
            case Fin():
                return self._close(refusal(Unmet("Error: the request is empty")))
            case _:
                return ()

    def send(self, event: Event, now: float) -> Steps:
        """Admitted, or not."""
        if self._over:
            return ()
        match event:
            case Began() if self._answer is not None:
                return (Accept(), Binary(self._answer), *self._close(Close()))
            case Ended():
                fault = event.error or Fault("draining", f"it ended here: {event.reason}")
                return self._close(closing(fault))
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """Never asked for."""
        return ()

    def _answered(self, data: bytes) -> bytes:
        raise NotImplementedError

    def _close(self, close: Close) -> Steps:
        self._over = True
        return (close,)


class ModelLister(_Lister):
    """`GetRivaSpeechRecognitionConfig`: each model twice, for streams and for recordings."""

    def __init__(self, models: Iterable[Model]) -> None:
        super().__init__()
        self._models = tuple(models)

    def _answered(self, data: bytes) -> bytes:
        wanted = CONFIG_REQUEST.parse(data).model_name
        configs = tuple(
            ModelConfig(
                model.name,
                {
                    "language_code": ",".join(model.languages) or "en-US",
                    "sample_rate": str(model.sample_rate),
                    "streaming": str(kind == "online"),
                    "type": kind,
                },
            )
            for model in self._models
            for kind in ("online", "offline")
            if wanted in {"", model.name}
        )
        return CONFIG_RESPONSE.write(ModelResponse(configs))


class VoiceLister(_Lister):
    """`GetRivaSynthesisConfig`."""

    name = "riva.voices"

    def __init__(self, voices: Iterable[Voice]) -> None:
        super().__init__()
        self._voices = tuple(voices)

    def _answered(self, data: bytes) -> bytes:
        wanted = VOICE_REQUEST.parse(data).model_name
        configs = tuple(
            ModelConfig(
                voice.name,
                {
                    "language_code": ",".join(voice.languages) or "en-US",
                    "sample_rate": str(voice.sample_rate),
                    "subvoices": "default:0",
                    "voice_name": voice.name,
                },
            )
            for voice in self._voices
            if wanted in {"", voice.name}
        )
        return VOICE_RESPONSE.write(VoiceResponse(configs))

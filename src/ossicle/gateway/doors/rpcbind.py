"""Bindings of the gRPC door for Google's and NVIDIA's services: paths, and what makes a call's
dialect. `bind` takes them into its registry.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Literal, TypeAlias

from ossicle.audio.speechfile import speech_file
from ossicle.core.ports import Dialect, Engine
from ossicle.dialects.google import (
    V1,
    V1P1BETA1,
    GoogleRules,
    StreamServer,
    UnaryServer,
    Unbuilt,
    Version,
    VersionTwo,
)
from ossicle.dialects.google.unbuilt import METHODS
from ossicle.dialects.riva import (
    Model,
    ModelLister,
    RivaRecognizer,
    RivaServer,
    RivaSpeaker,
    RivaStreamingSpeaker,
    Voice,
    VoiceLister,
)

from ..house import House
from ..models.routing import Routed

__all__ = ["CALLS", "Call", "Kind"]

Kind: TypeAlias = Literal["unary", "answers", "stream"]
"""Who asks once is answered once, or with a stream; or the client streams."""
Call: TypeAlias = tuple[str, Callable[[House], Dialect], Kind]
"""Path, what makes its dialect, and how it is called."""

_GOOGLE = "/google.cloud.speech"
_ASR, _TTS = "/nvidia.riva.asr.RivaSpeechRecognition", "/nvidia.riva.tts.RivaSpeechSynthesis"


def _google(
    make: Callable[[Version, GoogleRules], Dialect], version: Version | None = None
) -> Callable[[House], Dialect]:
    """Without a version it is v2, whose recognizers are the house's."""

    def call(house: House) -> Dialect:
        rules = house.settings.google
        return make(version or _version_two(rules.recognizers), rules)

    return call


@cache
def _version_two(recognizers: tuple[tuple[str, str], ...]) -> Version:
    return VersionTwo(recognizers)


def _of_google() -> Iterable[Call]:
    versions: dict[str, Version | None] = {"v1": V1, "v1p1beta1": V1P1BETA1, "v2": None}
    for name, version in versions.items():
        service = f"{_GOOGLE}.{name}.Speech"
        yield f"{service}/StreamingRecognize", _google(StreamServer, version), "stream"
        yield f"{service}/Recognize", _google(UnaryServer, version), "unary"
        for method in METHODS[name].split():
            yield f"{service}/{method}", _unbuilt(method), "unary"


def _unbuilt(method: str) -> Callable[[House], Dialect]:
    return lambda _house: Unbuilt(method)


def _of_riva() -> Iterable[Call]:
    yield f"{_ASR}/StreamingRecognize", lambda _house: RivaServer(), "stream"
    yield f"{_ASR}/Recognize", lambda _house: RivaRecognizer(), "unary"
    yield (
        f"{_ASR}/GetRivaSpeechRecognitionConfig",
        lambda house: ModelLister(_models(house)),
        "unary",
    )
    speaker, streaming = (
        partial(RivaSpeaker, speech_file),
        partial(RivaStreamingSpeaker, speech_file),
    )
    yield f"{_TTS}/Synthesize", lambda _house: speaker(), "unary"
    yield f"{_TTS}/SynthesizeOnline", lambda _house: streaming(), "answers"
    yield f"{_TTS}/GetRivaSynthesisConfig", lambda house: VoiceLister(_voices(house)), "unary"


def _models(house: House) -> Iterable[Model]:
    """What can be asked for: the engines by their names, then the names that routes give."""
    engine = house.engine
    named = [(each.capabilities.name, each) for each in _engines(engine)]
    if isinstance(engine, Routed):
        named += [(name, each) for name, each in engine.routes if "*" not in name]
    for name, each in dict(named).items():
        able = each.capabilities
        if able.hears:
            yield Model(name, able.languages, able.hears[0].sample_rate)


def _voices(house: House) -> Iterable[Voice]:
    for engine in _engines(house.engine):
        able = engine.capabilities
        if able.speaks:
            yield Voice(able.name, able.languages, able.speaks[0].sample_rate)


def _engines(engine: Engine) -> tuple[Engine, ...]:
    return engine.engines if isinstance(engine, Routed) else (engine,)


CALLS: tuple[Call, ...] = (*_of_google(), *_of_riva())

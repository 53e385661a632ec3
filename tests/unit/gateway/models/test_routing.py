"""Which engine hears for which model."""

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Configure
from ossicle.core.errors import EngineFailed, Refused
from ossicle.core.events import Configured, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.options import Options, RecognitionOptions
from ossicle.engines.lifecycle import is_warm, running
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.models.routing import VENDOR_MODELS, Routed, chosen, cold, route
from ossicle.testing.house import HeldEngine


class Named(HeldEngine):
    """Counts how often it is started and closed."""

    def __init__(self, name, *, warm=True, fails=False, **able):
        super().__init__()
        self.capabilities = Capabilities(name, **able)
        self.started = self.closed = 0
        self._warm, self._fails = warm, fails

    @property
    def warm(self):
        return self._warm

    async def start(self):
        self.started += 1
        if self._fails:
            raise EngineFailed(f"{self.capabilities.name} cannot start")

    async def aclose(self):
        self.closed += 1


def named(engine):
    return engine.capabilities.name


@pytest.fixture
def engines():
    a, b, c = Named("a"), Named("b"), Named("c")
    return Routed(a, [("nova-*", b), ("nova-2", c), ("Digits", b)], unknown="refuse")


@pytest.mark.parametrize(
    ("model", "name"),
    [("", "a"), ("nova-3", "b"), ("NOVA-3", "b"), ("nova-2", "c"), ("digits", "b"),
     (" nova-3 ", "b")],
)  # fmt: skip
def test_names_first_then_patterns(engines, model, name):
    assert named(engines.choose(model)) == name


@pytest.mark.parametrize("model", ["flux-general-en", "universal-streaming-english", "whisper-rt",
                                   "enhanced", "u3-rt-pro", "general", "best"])  # fmt: skip
def test_names_that_sdks_send_by_themselves_are_the_default(engines, model):
    assert named(engines.choose(model)) == "a"


def test_every_vendor_pattern_matches_something():
    plain = Routed(Named("a"), [("x", Named("b"))], unknown="refuse")
    for pattern in VENDOR_MODELS:
        assert named(plain.choose(pattern.replace("*", "1"))) == "a"


def test_an_unknown_name_is_refused_with_the_known_ones(engines):
    with pytest.raises(Refused) as caught:
        engines.choose("digit")
    text = str(caught.value)
    assert "model 'digit' is not known here; did you mean 'digits'?" in text
    assert "nova-*, nova-2, digits" in text
    with pytest.raises(Refused, match="leave it out"):
        Routed(Named("a"), [], unknown="refuse").choose("x")


def test_or_it_is_the_default():
    assert named(Routed(Named("a"), [("x", Named("b"))]).choose("anything")) == "a"


def test_one_engine_needs_no_routes():
    made = []

    def make(spec):
        made.append(spec)
        return Named(spec)

    assert named(route(GatewaySettings(engine="e"), make)) == "e"
    models = (("x", "e"), ("y", "f"), ("z", "f"))
    routed = route(GatewaySettings(engine="e", models=models), make)
    assert made == ["e", "e", "f"], "one for each that differs"
    assert [named(each) for each in routed.engines] == ["e", "f"]
    strict = route(GatewaySettings(engine="e", unknown_model="refuse"), make)
    with pytest.raises(Refused):
        strict.choose("x")


async def test_they_are_started_and_closed_together(engines):
    async with running(engines) as it:
        assert [each.started for each in it.engines] == [1, 1, 1]
        assert is_warm(it)
    assert [each.closed for each in engines.engines] == [1, 1, 1]


async def test_one_that_cannot_start_stops_the_others():
    good, bad = Named("a"), Named("b", fails=True)
    engines = Routed(good, [("x", bad)])
    with pytest.raises(EngineFailed, match="b cannot start"):
        async with running(engines):
            pass
    assert good.closed >= 1


def test_each_cold_one_is_named():
    engines = Routed(Named("a", warm=False), [("x", Named("b")), ("y", Named("c", warm=False))])
    assert cold(engines) == ["a", "c"]
    assert cold(Named("d", warm=False)) == ["d"]
    assert not engines.warm


async def test_to_who_knows_nothing_of_routes_it_is_one_engine(engines):
    assert engines.capabilities.name == "a"
    options = Options(recognition=RecognitionOptions(model="nova-3"))
    assert named(chosen(engines, options)) == "b"
    stream = await engines.open(options, object())
    assert engines.choose("nova-3").streams == [stream]


# ── in a house ──


def patch(model):
    return {"recognition": {"model": model}}


async def opened(g, **names):
    peer = g.peer(**names)
    await g.until(lambda: peer.told)
    return peer


async def test_a_session_gets_the_engine_of_its_model(gateway, engines):
    async with gateway(engines) as g:
        peer = await opened(g, patch=patch("nova-3"))
        assert peer.session.engine_name == "b"
        row = g.house.listing("")[0]
        assert (row["engine"], row["model"]) == ("b", "nova-3")
        strange = g.peer(patch=patch("strange"))
        await g.until(lambda: strange.ended)
        assert "model 'strange' is not known here" in strange.ended[0].error.text
        assert len(g.house.sessions) == 1


async def test_readiness_names_each_cold_engine(gateway):
    cold_ones = Routed(Named("a", warm=False), [("x", Named("b", warm=False))])
    async with gateway(cold_ones) as g:
        assert [text for text in g.house.missing() if "engine" in text] == [
            "engine a is not warm", "engine b is not warm",
        ]  # fmt: skip


async def test_another_model_takes_over_at_once_while_nobody_speaks(gateway, engines):
    async with gateway(engines) as g:
        peer = await opened(g)
        peer.audio(bytes(640))
        await g.until(lambda: engines.default.streams)
        peer.ask(Configure(patch=patch("nova-2"), ref="r"))
        other = engines.choose("nova-2")
        await g.until(lambda: other.streams)
        assert peer.session.engine_name == "c"
        assert [e.ref for e in peer.events if isinstance(e, Configured)][-1] == "r"
        (notice,) = [e for e in peer.events if isinstance(e, Notice)]
        assert (notice.code, notice.text) == ("engine_changed", "engine c hears from here on")
        await g.until(lambda: bytes(other.stream.heard) == bytes(640))


async def test_in_a_turn_it_waits_for_its_end(gateway, engines):
    async with gateway(engines) as g:
        peer = await opened(g)
        peer.audio(bytes(640))
        await g.until(lambda: engines.default.streams)
        sink = engines.default.stream.sink
        sink.tell(SpeechStarted(side="in", at_ms=0))
        peer.ask(Configure(patch=patch("nova-2")))
        assert peer.session.engine_name == "a"
        assert not engines.choose("nova-2").streams
        sink.tell(SpeechEnded(side="in", at_ms=20, reason="silence"))
        sink.tell(Transcript(text="one", final=True, ends_turn=True, start_ms=0, end_ms=20))
        await g.until(lambda: engines.choose("nova-2").streams)
        assert peer.session.engine_name == "c"
        words = [e.text for e in peer.events if isinstance(e, Transcript)]
        assert words == ["one"]


async def test_before_the_engine_is_asked_for_it_is_changed_in_place(gateway, engines):
    async with gateway(engines) as g:
        peer = g.peer()
        session = next(iter(g.house.sessions.values()))
        assert session.wants_engine
        session.configure(Configure(patch=patch("nova-2")))
        await g.until(lambda: engines.choose("nova-2").streams)
        assert not engines.default.streams
        await g.until(lambda: peer.told)


async def test_a_model_nobody_knows_leaves_all_as_it_was(gateway, engines):
    async with gateway(engines) as g:
        peer = await opened(g)
        peer.audio(bytes(640))
        await g.until(lambda: engines.default.streams)
        peer.ask(Configure(patch=patch("strange"), ref="r"))
        notice = next(e for e in peer.told if isinstance(e, Notice))
        assert (notice.level, notice.code, notice.ref) == ("error", "bad_option", "r")
        assert peer.session.options.recognition.model == ""
        assert len(engines.default.streams) == 1


async def test_one_with_another_voice_cannot_take_over(gateway):
    engines = Routed(Named("a"), [("x", Named("b", speaks=(PCM16K,)))])
    async with gateway(engines) as g:
        peer = await opened(g)
        peer.ask(Configure(patch=patch("x")))
        notice = next(e for e in peer.told if isinstance(e, Notice))
        assert "open a new session for it" in notice.text
        assert peer.session.engine_name == "a"

"""What configuration says of engines that are elsewhere, and of several in a row."""

import pytest

from ossicle.core.errors import EngineFailed, Refused
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.wrap.failover import Failover
from ossicle.engines.wrap.rollover import Rollover
from ossicle.gateway.configuration.sources import Misconfigured, configure
from ossicle.gateway.models.choices import choices, open_choice
from ossicle.gateway.models.upstreams import entry, open_upstream


def test_a_dialect_alone_is_the_provider_itself() -> None:
    made = entry("deepgram", "deepgram")
    assert made.url == "wss://api.deepgram.com"
    assert open_upstream("deepgram").capabilities.name == "deepgram"


def test_words_say_what_differs() -> None:
    made = entry("eu", "deepgram@wss://eu.example key_env=EU_KEY model=nova-3 stuck_s=3")
    assert (made.url, made.key_env, made.model, made.stuck_s) == (
        "wss://eu.example",
        "EU_KEY",
        "nova-3",
        3.0,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("deepgramm", "did you mean 'deepgram'"),
        ("native", "needs an address: native@https://HOST:PORT"),
        ("deepgram modle=x", "did you mean model="),
        ("deepgram stuck_s=soon", "stuck_s"),
        ("deepgram stuck_s=-1", "not from 0"),
        ("deepgram stuck_s=nan", "not from 0"),
        ("deepgram ahead_ms=1", "at least 100"),
        ("deepgram 'open", "No closing quotation"),
        ("", "is not spoken here"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        entry("mine", text)


def test_a_name_that_nobody_gave() -> None:
    with pytest.raises(Refused, match="did you mean 'dg-eu'"):
        open_upstream("dg-e", {"dg-eu": "deepgram"})


def test_a_limit_is_met_by_rolling_over() -> None:
    assert isinstance(open_upstream("assemblyai"), Rollover)
    assert isinstance(open_upstream("a", {"a": "deepgram limit_s=60"}), Rollover)
    assert not isinstance(open_upstream("a", {"a": "assemblyai limit_s=0"}), Rollover)


def test_the_key_comes_from_a_file(tmp_path) -> None:
    path = tmp_path / "key"
    path.write_text("secret\n")
    engine = open_upstream("a", {"a": f"deepgram key_file={path}"})
    assert engine._credential() == "secret"
    path.unlink()
    with pytest.raises(EngineFailed, match="the key of upstream a cannot be read"):
        engine._credential()


def test_the_key_comes_from_the_environment_of_the_moment() -> None:
    environment = {}
    engine = open_upstream("deepgram", environment=environment)
    assert engine._credential() is None
    environment["DEEPGRAM_API_KEY"] = "k"
    assert engine._credential() == "k"


# ── several ──


def test_one() -> None:
    assert choices("pocketsphinx") == ((0, 1.0, "pocketsphinx"),)


def test_in_order_and_shared() -> None:
    assert choices("3*upstream:a + 1*upstream:b | pocketsphinx:2") == (
        (0, 3.0, "upstream:a"),
        (0, 1.0, "upstream:b"),
        (1, 1.0, "pocketsphinx:2"),
    )


def test_a_text_may_hold_a_plus() -> None:
    assert choices("scripted:one + one") == ((0, 1.0, "scripted:one + one"),)


@pytest.mark.parametrize("text", ["a | ", "", "0*a + 1*b"])
def test_a_place_left_empty(text: str) -> None:
    with pytest.raises(Refused, match="leaves a place empty"):
        choices(text)


def test_several_are_one_engine() -> None:
    engine = open_choice("a | b", ScriptedEngine)
    assert isinstance(engine, Failover)
    assert [member.tier for member in engine.members] == [0, 1]
    assert isinstance(open_choice("a", ScriptedEngine), ScriptedEngine)


# ── in a file ──


def test_a_file_names_them(tmp_path) -> None:
    path = tmp_path / "o.toml"
    path.write_text(
        'engine = "upstream:dg | pocketsphinx"\n'
        "[models]\n"
        '"nova-*" = "2*upstream:dg + 1*upstream:aai"\n'
        "[upstreams]\n"
        'dg = "deepgram@wss://eu.example key_env=DG"\n'
        'aai = "assemblyai"\n'
    )
    settings = configure(path).settings
    assert dict(settings.upstreams)["aai"] == "assemblyai"


def test_everything_wrong_in_a_file_is_found(tmp_path) -> None:
    path = tmp_path / "o.toml"
    path.write_text(
        'engine = "upstream:dgg | pocketsphinks"\n[upstreams]\ndg = "deepgram@wss://eu x=1"\n'
    )
    with pytest.raises(Misconfigured) as caught:
        configure(path)
    said = str(caught.value)
    assert "did you mean 'dg'" in said
    assert "did you mean pocketsphinx" in said
    assert "'x=1' is not known" in said

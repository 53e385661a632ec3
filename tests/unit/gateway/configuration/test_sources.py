"""Flags over environment over file over defaults, and every mistake in words."""

import json
from pathlib import Path

import msgspec
import pytest

from ossicle.gateway.configuration import naming
from ossicle.gateway.configuration.naming import SETTINGS, TABLES, nearest, plain, schema, shown
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.configuration.sources import Misconfigured, configure


@pytest.fixture
def write(tmp_path):
    def make(text, name="ossicle.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def wrong(*arguments, **names):
    with pytest.raises(Misconfigured) as caught:
        configure(*arguments, **names)
    return [str(each) for each in caught.value.problems]


# ── names ──


def test_every_field_of_the_settings_can_be_said():
    assert naming.unsayable == [], "give it a type that a file can say, or add it to _NOT_HERE"


def test_every_setting_explains_itself():
    assert [each.name for each in SETTINGS.values() if not each.text] == []
    assert all(TABLES.values())


def test_every_default_is_taken_back():
    for each in SETTINGS.values():
        if each.default is None and not each.optional:
            continue
        value = plain(each.default)
        if each.kind == "table":
            value = dict(value)
        assert each.read(value) == each.default, each.name


def test_variables_and_flags_are_the_same_names():
    assert SETTINGS["tls_port"].variable == "OSSICLE_TLS_PORT"
    assert SETTINGS["tls_port"].flag == "--tls-port"
    assert SETTINGS["session.idle_s"].variable == "OSSICLE_SESSION__IDLE_S"
    assert SETTINGS["session.idle_s"].flag == "--set session.idle_s"
    assert "OSSICLE_KEY" not in {each.variable for each in SETTINGS.values()}, "it is a client's"


def test_no_secret_is_a_setting():
    assert "keys" not in SETTINGS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("prot", "port"), ("idle_s", "session.idle_s"), ("session.idle", "session.idle_s"),
     ("zzzzzz", "")],
)  # fmt: skip
def test_what_was_meant(typed, meant):
    assert nearest(typed, SETTINGS) == meant


def test_what_is_shown_is_bounded():
    assert len(shown("x" * 10_000)) <= 61
    assert shown(10**5_000) == "so large a number"
    assert shown(True) == "true"
    assert shown({"a": 1}) == "a table"


# ── precedence ──


def test_nothing_said_is_the_defaults():
    found = configure()
    assert found.settings == GatewaySettings()
    assert found.sources == {}
    assert found.source("port") == "default"


def test_flags_over_environment_over_file_over_defaults(write):
    path = write('port = 1\ntls_port = 2\nnode = "file"\n[session]\nidle_s = 3\nopen_s = 4\n')
    environment = {"OSSICLE_TLS_PORT": "5", "OSSICLE_NODE": "env", "OSSICLE_SESSION__IDLE_S": "6"}
    found = configure(path, environment, {"node": "flag"}, ["session.idle_s=7"])
    settings = found.settings
    assert (settings.port, settings.tls_port, settings.node) == (1, 5, "flag")
    assert (settings.session.idle_s, settings.session.open_s) == (7.0, 4.0)
    assert settings.session.replays == GatewaySettings().session.replays
    assert found.source("port") == f"{path}:1"
    assert found.source("tls_port") == "OSSICLE_TLS_PORT"
    assert found.source("node") == "flag --node"
    assert found.source("session.idle_s") == "flag --set session.idle_s"
    assert found.source("session.open_s") == f"{path}:6"


def test_everything_at_once(write):
    path = write("""
host = "::1"
port = "off"
engine = "scripted:hello"
unknown_model = "refuse"
allow_host = ["a.example", "b.example"]
tls_cert = "chain.pem"
open_to_anyone = true
log_level = "debug"
[models]
"nova-*" = "echo"
digits = "pocketsphinx:1"
[session]
replay_wait_s = [0, 0.5]
[http]
head_timeout = 3
[websocket]
max_message = 4096
""")
    settings = configure(path).settings
    assert settings.port is None
    assert settings.allow_hosts == ("a.example", "b.example")
    assert settings.models == (("nova-*", "echo"), ("digits", "pocketsphinx:1"))
    assert settings.certificate == path.parent / "chain.pem", "beside the file that names it"
    assert settings.session.replay_wait_s == (0.0, 0.5)
    assert settings.http.head_timeout == 3.0
    assert settings.websocket.max_message == 4_096


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("open_to_anyone", "yes", True),
        ("open_to_anyone", "0", False),
        ("port", "off", None),
        ("port", " 0 ", 0),
        ("allow_host", "a, b,", ("a", "b")),
        ("models", "nova-*=echo; x = scripted:a=b", (("nova-*", "echo"), ("x", "scripted:a=b"))),
        ("session.replay_wait_s", "0, 1.5", (0.0, 1.5)),
        ("session.replay_wait_s", "", ()),
        ("drain_s", "2.5", 2.5),
        ("node", "", ""),
    ],
)
def test_words_of_an_environment(name, text, value):
    found = configure(environment={SETTINGS[name].variable: text})
    assert found.value(SETTINGS[name]) == value


def test_a_dotted_key_is_found_with_its_line(write):
    path = write("session.idle_s = 5\nsession.open_s = -1\n")
    assert wrong(path)[0].startswith(f"{path}:2: session.open_s: -1 is not a number from 0.1")


# ── mistakes ──


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", ":1: there is no setting prot; did you mean port?"),
        ("\n[session]\nidel_s = 1", ":3: there is no setting session.idel_s; did you mean session"),
        ("[sesion]\nidle_s = 1", ":1: there is no setting sesion; did you mean session?"),
        ("idle_s = 1", ":1: there is no setting idle_s; did you mean session.idle_s?"),
        ("zzzzzzzz = 1", "`ossicle config show` lists them"),
        ("port = 70000", ":1: port: 70000 is not a port: 1-65535, 0 for any free one, or off"),
        ("port = true", "port: true is not a port"),
        ("drain_s = nan", "drain_s: nan is not a number from 0 to 86400"),
        ("drain_s = 1" + "0" * 400, "drain_s: so large a number is not a number"),
        ('host = 3', "host: 3 is not a text in quotes"),
        ("session = 3", ":1: session is a table: write [session]"),
        ('unknown_model = "maybe"', "unknown_model: 'maybe' is not one of default, refuse"),
        ('engine = "pocketsfinx"', "did you mean pocketsphinx?"),
        ('[models]\nx = "ecko"', "models: engine 'ecko' is not known; did you mean echo?"),
        ("[models]\nx = 3", 'models: a table is not a table of texts, as in "nova-*"'),
        ('keys = ["a:b"]', "keys are not kept in this file: set OSSICLE_KEYS"),
        ('port = "off"\ntls_port = "off"', "there would be no door"),
        ('tls_key = "k.pem"', "tls_key belongs to tls_cert"),
        ("[http]\nwrite_low = 70000", "http.write_low (70000) must be below http.write_high"),
        ("[access]\nproxy_protocol = true", ":2: access.proxy_protocol needs access.trust_proxies"),
        ("[websocket]\nsilence_s = 20", ":2: websocket.silence_s (20) must be above"),
        ('host = "ab', "is not TOML: Unterminated string"),
        ('[session]\nidle_s = ', "is not TOML: Invalid value at its end: is it complete?"),
        ("port = 1\nport = 2", "is not TOML: Cannot overwrite a value"),
        (b"port = 1\n# \xff", ":2: is not UTF-8 text"),
        ("x = " + "[" * 100_000, "is nested too deeply"),
        ("port = " + "9" * 5_000, "is not TOML"),
        (b"#" * (1 << 20) + b"\n", "is larger than 1048576 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong(write, text, said):
    path = write(text)
    (problem,) = wrong(path)
    assert problem.startswith(str(path))
    assert said in problem
    assert len(problem) < 400
    assert "\n" not in problem


def test_a_key_in_a_file_is_never_repeated(write):
    (problem,) = wrong(write('keys = ["bob:very-secret"]'))
    assert "secret" not in problem.partition("OSSICLE_KEYS=name:secret")[0]
    assert "very-secret" not in problem


def test_all_mistakes_are_told_at_once(write):
    path = write("prot = 1\nhost = 3\n")
    told = wrong(path, {"OSSICLE_DRAIN_S": "x"}, assignments=["port", "prt=1", "keys=x"])
    assert len(told) == 6
    assert "OSSICLE_DRAIN_S: drain_s: 'x' is not a number" in told[2]
    assert "must be NAME=VALUE" in told[3]


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    (problem,) = wrong(tmp_path / name)
    assert "cannot be read: " in problem


def test_a_file_that_may_not_be_read(write, monkeypatch):
    path = write("port = 1")

    def refuse(*_arguments, **_names):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert wrong(path) == [f"{path}: cannot be read: Permission denied"]


def test_a_byte_order_mark_is_no_mistake(write):
    assert configure(write(b"\xef\xbb\xbfport = 5")).settings.port == 5


def test_variables_that_mean_nothing_here(write):
    assert wrong(environment={"OSSICLE_PROT": "1"}) == [
        "OSSICLE_PROT: there is no such setting; did you mean OSSICLE_PORT?"
    ]
    others = {"OSSICLE_KEY": "k", "OSSICLE_KEYS": "a:k", "OSSICLE_CLIPS": "x", "PATH": "/bin"}
    assert configure(environment=others).notes == ()
    (note,) = configure(environment={"OSSICLE_BREAKFAST": "1"}).notes
    assert note == "OSSICLE_BREAKFAST is no setting and is not read"


def test_doors_of_later_versions_are_no_mistake(write):
    path = write('sip_tls_port = 5061\nsip_port = "off"')
    found = configure(path, {"OSSICLE_QUIC_PORT": "1"})
    assert f"{path}:1: sip_tls_port: SIP over TLS is not in this version" in found.notes
    assert len(found.notes) == 3


def test_a_line_inside_a_long_text_is_not_taken_for_a_setting(write):
    path = write('node = """\ndrain_s = 1\n"""\ndrain_s = -1\n')
    assert wrong(path)[0].startswith(f"{path}:4: drain_s")


def test_a_recognizer_of_google_that_cannot_be_read_is_told_with_the_rest(write):
    path = write('[google.recognizers]\ncalls = "langage=en"\nother = "language=en-GB"')
    (problem,) = wrong(path)
    assert "google.recognizers: calls: 'langage' is not known" in problem


# ── schema ──


def test_the_schema_names_every_setting_with_its_default():
    found = schema()
    json.dumps(found)
    for each in SETTINGS.values():
        table, _, name = each.name.rpartition(".")
        inside = found["properties"][table]["properties"] if table else found["properties"]
        assert inside[name]["description"] == each.text
        if each.default is not None:
            default = inside[name]["default"]
            assert each.read(dict(default) if each.kind == "table" else default) == each.default


def test_a_setting_of_another_kind_is_not_lost_in_silence(monkeypatch):
    class Odd(msgspec.Struct, frozen=True):
        thing: complex = 1j

    monkeypatch.setattr(naming, "unsayable", [])
    assert list(naming._settings(Odd)) == []
    assert naming.unsayable == ["thing"]

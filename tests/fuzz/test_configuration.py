"""Whatever stands in a configuration file: settings within their limits, or problems in words."""

import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.gateway.configuration.naming import SETTINGS, TABLES, plain
from ossicle.gateway.configuration.sources import Misconfigured, configure

pytestmark = pytest.mark.fuzz

quick = settings(derandomize=True, deadline=None, max_examples=200)

names = st.one_of(
    st.sampled_from([each.rpartition(".")[2] for each in SETTINGS]),
    st.sampled_from([table for table in TABLES if table]),
    st.text(max_size=12),
)
values = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.just("off"),
        st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


def key(name: str) -> str:
    return '"' + "".join(_escaped(each) for each in name) + '"'


def _escaped(each: str) -> str:
    return f"\\U{ord(each):08x}" if each in '"\\' or not each.isprintable() else each


def toml(value: object) -> str:
    """As TOML, inline."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return key(value)
        case datetime():
            return value.isoformat()
        case list():
            return "[" + ", ".join(toml(each) for each in value) + "]"
        case dict():
            return "{" + ", ".join(f"{key(k)} = {toml(v)}" for k, v in value.items()) + "}"
        case _:
            raise TypeError(value)


def read(tmp_path_factory, data: bytes, **environment: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "ossicle.toml"
    path.write_bytes(data)
    try:
        found = configure(path, environment)
    except Misconfigured as error:
        problems = [str(each) for each in error.problems]
    else:
        problems = []
    if problems:
        assert all(len(text) < 1_000 and "\n" not in text for text in problems)
        return
    for name, each in SETTINGS.items():
        value = found.value(each)
        if each.kind in {"whole", "number", "port"} and value is not None:
            assert each.least <= value <= each.most, name
        if name in found.sources and value is not None:
            again = plain(value)
            assert each.read(dict(again) if each.kind == "table" else again) == value


@quick
@given(st.dictionaries(names, values, max_size=6))
def test_any_tree(tmp_path_factory, tree):
    text = "".join(f"{key(name)} = {toml(value)}\n" for name, value in tree.items())
    tomllib.loads(text)  # the writer above is right, so what is refused is refused for its meaning
    read(tmp_path_factory, text.encode())


@quick
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, data):
    read(tmp_path_factory, data)


WHOLE = b"""port = 8080
host = "::1"
[models]
"nova-*" = "echo"
[session]
idle_s = 60.5
replay_wait_s = [0.0, 1.0]
"""


@quick
@given(st.integers(0, len(WHOLE)))
def test_any_part_of_a_file(tmp_path_factory, length):
    read(tmp_path_factory, WHOLE[:length])


@quick
@given(
    st.sampled_from(list(SETTINGS.values())), st.text(max_size=30).filter(lambda t: "\0" not in t)
)
def test_any_words_in_the_environment(tmp_path_factory, setting, text):
    read(tmp_path_factory, b"", **{setting.variable: text})

"""Bytes and milliseconds."""

import doctest
from typing import get_args

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

import ossicle.core.formats as formats
from ossicle.core.errors import BadAudio
from ossicle.core.formats import (
    CONTAINERS,
    MAX_CHANNELS,
    MAX_RATE,
    MIN_RATE,
    PACKETS,
    WIDTHS,
    AudioFormat,
    Encoding,
    parse_format,
)

ENCODINGS = get_args(Encoding)
any_format = st.builds(
    AudioFormat,
    st.sampled_from(ENCODINGS),
    st.integers(MIN_RATE, MAX_RATE),
    st.integers(1, MAX_CHANNELS),
)
some_ms = st.integers(0, 10**9)


def test_the_examples_in_the_docstring():
    assert doctest.testmod(formats).failed == 0


def test_every_encoding_is_samples_or_packets_or_a_container():
    assert set(ENCODINGS) == set(WIDTHS) | PACKETS | CONTAINERS
    assert not set(WIDTHS) & (PACKETS | CONTAINERS)


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "ms", "size"),
    [
        ("pcm_s16le", 16_000, 1, 100, 3_200),
        ("pcm_s16le", 44_100, 2, 1, 176),
        ("mulaw", 8_000, 1, 20, 160),
        ("pcm_s24le", 48_000, 2, 10, 2_880),
        ("pcm_f64le", 8_000, 8, 1, 512),
        ("opus", 48_000, 2, 20, 960),
        ("webm", 48_000, 1, 20, 960),
    ],
)
def test_how_much_a_time_is(encoding, rate, channels, ms, size):
    assert AudioFormat(encoding, rate, channels).bytes(ms) == size


@settings(derandomize=True, deadline=None)
@given(any_format, some_ms)
def test_a_time_survives_the_way_to_units_and_back(form, ms):
    units = form.units(ms)
    assert units % form.frame_bytes == 0
    assert ms - 1 <= form.ms(units) <= ms
    if form.sample_rate % 1000 == 0:
        assert form.ms(units) == ms
    # Rounded down by less than one frame.
    assert 0 <= ms * form.units_per_second - units * 1000 < 1000 * form.frame_bytes


@settings(derandomize=True, deadline=None)
@given(any_format, st.integers(0, 10**12))
def test_units_survive_the_way_to_a_time_and_back_within_a_millisecond(form, frames):
    units = frames * form.frame_bytes
    back = form.units(form.ms(units))
    assert back <= units
    assert (units - back) * 1000 < form.units_per_second + 1000 * form.frame_bytes


@settings(derandomize=True, deadline=None)
@given(any_format, some_ms, some_ms)
def test_later_is_never_less(form, one, other):
    early, late = sorted((one, other))
    assert form.units(early) <= form.units(late)
    assert form.ms(early) <= form.ms(late)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_known_by_its_own_name(encoding):
    assert parse_format(encoding.upper().replace("_", "-")) == AudioFormat(encoding)


@pytest.mark.parametrize(("name", "encoding"), sorted(formats._ALIASES.items()))
def test_every_other_name_leads_to_one(name, encoding):
    assert parse_format(name).encoding == encoding
    assert name not in ENCODINGS


def test_a_refusal_is_short_whatever_was_asked():
    with pytest.raises(BadAudio) as caught:
        parse_format("x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("field", ["sample_rate", "channels"])
def test_a_format_from_outside_is_never_nothing(field):
    with pytest.raises(msgspec.ValidationError, match=">= 1"):
        msgspec.convert({field: 0}, AudioFormat)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("mp5",), "'mp5'.*pcm_s16le"),
        (("pcm_s16le", MIN_RATE - 1), "7999 Hz.*8000-48000"),
        (("pcm_s16le", MAX_RATE + 1), "48001 Hz"),
        (("pcm_s16le", 8_000, 0), "0 channels.*1-8"),
        (("pcm_s16le", 8_000, MAX_CHANNELS + 1), "9 channels"),
    ],
)
def test_what_is_not_taken_is_named_with_the_limit(arguments, text):
    with pytest.raises(BadAudio, match=text) as caught:
        parse_format(*arguments)
    assert caught.value.fault().code == "unsupported_audio"

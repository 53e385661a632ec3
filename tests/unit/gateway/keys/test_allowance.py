"""How much one key, or one address, may use."""

import pytest

from ossicle.core.errors import Overloaded
from ossicle.gateway.keys.allowance import Addresses, Allowance, Bucket
from ossicle.gateway.keys.keyfile import KeyLimits


def test_a_bucket_gives_a_burst_and_then_a_rate():
    bucket = Bucket(2.0, 3.0, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.5), bucket.take(0.5)] == [True, False]
    assert [bucket.take(99.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(90.0), "a clock that steps back gives nothing"


def knocks(addresses, address, count, now=0.0):
    told = 0
    for _ in range(count):
        try:
            addresses.knock(address, now)
        except Overloaded as error:
            told += error.code == "rate_limited" and "handshakes_per_s" in str(error)
    return count - told


def test_addresses_are_limited_one_by_one():
    addresses = Addresses(1.0)
    assert knocks(addresses, "203.0.113.7", 10) == 4
    assert knocks(addresses, "203.0.113.8", 10) == 4
    assert knocks(addresses, "::ffff:203.0.113.7", 10) == 0, "the same address"
    assert knocks(addresses, "203.0.113.7", 10, now=2.0) == 2


def test_a_network_of_ipv6_counts_as_one():
    addresses = Addresses(1.0)
    assert knocks(addresses, "2001:db8::1", 3) == 3
    assert knocks(addresses, "2001:db8::ffff:1", 3) == 1
    assert knocks(addresses, "2001:db8:0:1::1", 3) == 3


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "", "testclient"])
def test_this_machine_is_not_limited(address):
    assert knocks(Addresses(1.0), address, 50) == 50


def test_no_rate_is_no_limit():
    assert knocks(Addresses(0.0), "203.0.113.7", 50) == 50


def test_a_flood_of_addresses_costs_bounded_memory():
    addresses = Addresses(1.0, most=10)
    for number in range(200):
        addresses.knock(f"203.0.113.{number}", 0.0)
    assert len(addresses._known) == 10


def test_sessions_at_once_of_a_key():
    allowance = Allowance(lambda _key: (0.0, 0.0))
    limits = KeyLimits(sessions=2)
    allowance.begin("k", limits, "one")
    allowance.begin("k", limits, "two")
    allowance.begin("other", limits, "three")
    with pytest.raises(Overloaded, match=r"key k has 2 sessions open, its limit is 2"):
        allowance.begin("k", limits, "four")
    allowance.over("k", "one")
    allowance.begin("k", limits, "four")
    for key, session in (("k", "two"), ("k", "four"), ("other", "three"), ("k", "never")):
        allowance.over(key, session)
    assert allowance._sessions == {}


def test_how_often_a_key_may_ask():
    allowance = Allowance(lambda _key: (0.0, 0.0))
    limits = KeyLimits(handshakes_per_s=0.5)
    allowance.knock("k", limits, 0.0)
    with pytest.raises(Overloaded, match=r"more than 0\.5 times per second"):
        allowance.knock("k", limits, 1.0)
    allowance.knock("k", limits, 2.5)
    allowance.forget(frozenset())
    assert allowance._buckets == {}


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (KeyLimits(audio_s_per_day=60), "used 60 s of audio, its limit is 60 s .audio_s_per_day"),
        (KeyLimits(audio_s_per_month=900), "used 900 s of audio.*audio_s_per_month"),
        (KeyLimits(audio_s_per_day=61, audio_s_per_month=901), ""),
        (KeyLimits(), ""),
    ],
)
def test_audio_that_is_used_up(limits, says):
    allowance = Allowance(lambda _key: (60.0, 900.0))
    if not says:
        allowance.knock("k", limits, 0.0)
        return
    with pytest.raises(Overloaded, match=says) as caught:
        allowance.knock("k", limits, 0.0)
    assert caught.value.code == "rate_limited"

"""Who a request comes from, behind proxies."""

import pytest

from ossicle.core.errors import Refused
from ossicle.core.wire import Opening
from ossicle.gateway.keys.forwarded import Forwarding, address_of, networks

TRUSTED = ["10.0.0.0/8", "::1"]


def whose(peer, header, values, trusted=TRUSTED):
    headers = tuple((header, value) for value in values)
    seen = Forwarding(trusted, header).seen(Opening(headers=headers, peer=peer))
    assert seen.headers == headers
    return address_of(seen.peer)


CASES = [
    ("203.0.113.7:99", ["198.51.100.1"], "203.0.113.7"),  # anybody can write that
    ("10.0.0.1:99", ["198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1:99", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # the left one is a claim
    ("10.0.0.1:99", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
    ("10.0.0.1:99", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1:99", ["198.51.100.1:4711"], "198.51.100.1"),
    ("10.0.0.1:99", ["[2001:db8::1]:4711"], "2001:db8::1"),
    ("[::1]:99", ["2001:db8::1"], "2001:db8::1"),
    ("10.0.0.1:99", ["unknown"], "10.0.0.1"),
    ("10.0.0.1:99", [""], "10.0.0.1"),
    ("10.0.0.1:99", [], "10.0.0.1"),
    ("", ["198.51.100.1"], ""),
]


@pytest.mark.parametrize(("peer", "values", "address"), CASES)
def test_x_forwarded_for(peer, values, address):
    assert whose(peer, "x-forwarded-for", values) == address


@pytest.mark.parametrize(
    ("peer", "values", "address"),
    [
        ("203.0.113.7:99", ["for=198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1:99", ["for=198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1:99", ['For="198.51.100.1:4711";proto=https'], "198.51.100.1"),
        ("10.0.0.1:99", ['for="[2001:db8::1]:4711"'], "2001:db8::1"),
        ("10.0.0.1:99", ["for=[2001:db8::1]"], "2001:db8::1"),  # no token, and often sent
        ("10.0.0.1:99", ["for=6.6.6.6, for=198.51.100.1;by=10.0.0.1"], "198.51.100.1"),
        ("10.0.0.1:99", ["for=6.6.6.6", "for=198.51.100.1, for=10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1:99", ['for="6.6.6.6, for=7.7.7.7", for=198.51.100.1'], "198.51.100.1"),
        ("10.0.0.1:99", ["for=198.51.100.1, proto=https"], "10.0.0.1"),  # an element without for
        ("10.0.0.1:99", ["for=198.51.100.1, for=unknown"], "10.0.0.1"),
        ("10.0.0.1:99", ['for=198.51.100.1, for="_hidden"'], "10.0.0.1"),
        ("10.0.0.1:99", ["for=6.6.6.6, not one"], "10.0.0.1"),
        ("10.0.0.1:99", ['for="6.6.6.6'], "10.0.0.1"),
        ("10.0.0.1:99", [r'for="198\.51.100.1"'], "198.51.100.1"),
        ("10.0.0.1:99", [], "10.0.0.1"),
    ],
)
def test_forwarded(peer, values, address):
    """RFC 7239 sections 4 to 7."""
    assert whose(peer, "forwarded", values) == address


@pytest.mark.parametrize(
    ("read", "other"), [("x-forwarded-for", "forwarded"), ("forwarded", "x-forwarded-for")]
)
def test_the_other_header_is_a_strangers(read, other):
    opening = Opening(headers=((other, "for=6.6.6.6"), (other, "6.6.6.6")), peer="10.0.0.1:9")
    assert Forwarding(TRUSTED, read).seen(opening) is opening


def test_without_proxies_nothing_is_believed():
    assert whose("10.0.0.1:99", "x-forwarded-for", ["198.51.100.1"], ()) == "10.0.0.1"


def test_a_very_long_chain_costs_little():
    chain = ", ".join(f"for=10.1.{n // 250}.{n % 250}" for n in range(5_000))
    assert whose("10.0.0.1:99", "forwarded", [chain]).startswith("10.1.")


def test_what_is_no_network():
    with pytest.raises(Refused, match=r"trust_proxies: 'lb\.example'"):
        networks(["lb.example"])

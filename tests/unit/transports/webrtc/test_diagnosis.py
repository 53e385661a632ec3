"""Why a browser cannot connect: each cause has its sentence, and the way out in it."""

import msgspec
import pytest

from ossicle.transports.webrtc.diagnosis import Facts, diagnose

GOOD = Facts(
    bound=("9.9.9.7",),
    own=("127.0.0.1", "9.9.9.7"),
    ports=(40_000, 40_999),
    free=1_000,
    mapped="9.9.9.7",
    stun="stun:stun.example.org",
    turn=(("turn:turn.example.org", ""),),
    secret=True,
)


def test_all_is_well() -> None:
    assert {each.level for each in diagnose(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({"bound": (), "failed": ("10.0.0.1: Cannot assign",)}, "wrong", "no address is offered"),
        ({"failed": ("10.0.0.1: Cannot assign",)}, "wrong", "no UDP socket on 10.0.0.1"),
        ({"bound": ("127.0.0.1",)}, "note", "--host 0.0.0.0"),
        ({"bound": ("10.0.0.4",)}, "note", "--announce"),
        ({"bound": ("172.17.0.2",), "container": True}, "wrong", "publish --ice-ports"),
        (
            {"announce": ("10.0.0.9",), "bound": ("10.0.0.4", "fd00::4")},
            "note",
            "10.0.0.9, fd00::4",
        ),
        ({"announce": ("203.0.113.9",), "bound": ("10.0.0.4", "2a01::4")}, "ok", "9, 2a01::4"),
        ({"bound": ("::1",)}, "note", "only ::1 is offered"),
        ({"ports": None}, "note", "--ice-ports"),
        ({"free": 0}, "wrong", "is taken"),
        ({"ports": (40_000, 40_009), "free": 10}, "note", "10 calls"),
        ({"stun_error": "timed out"}, "wrong", "does not answer"),
        ({"mapped": "203.0.113.5"}, "note", "--announce 203.0.113.5"),
        ({"mapped": "203.0.113.5", "announce": ("203.0.113.6",)}, "wrong", "203.0.113.5"),
        ({"announce": ("9.9.9.7",)}, "note", "anyway"),
        ({"turn": ()}, "note", "webrtc.turn"),
        ({"secret": False}, "wrong", "OSSICLE_TURN_SECRET"),
        ({"turn": (("turn:x", "no answer"),)}, "wrong", "turn:x: no answer"),
        ({"secure": False}, "wrong", "https|TLS"),
    ],
)
def test_each_cause(change: dict[str, object], level: str, said: str) -> None:
    import re

    found = diagnose(msgspec.structs.replace(GOOD, **change))
    assert [each for each in found if each.level == level and re.search(said, each.text)], found
    order = ["wrong", "note", "ok"]
    assert [each.level for each in found] == sorted((e.level for e in found), key=order.index)

"""Who is let in: right signatures, and each way of being wrong with its name and status."""

from typing import Any, Literal

import msgspec
import pytest
from amazon_table import AT, AUDIO

from ossicle.core.commands import Audio, Configure, End
from ossicle.core.errors import BadMessage, Fault, Refused
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Binary, Opening
from ossicle.dialects.amazon.client import AmazonClient, Credentials
from ossicle.dialects.amazon.errors import refusal
from ossicle.dialects.amazon.eventstream import Frame, blob, read_frames, stamp
from ossicle.dialects.amazon.guard import Admitted, Keys, nobody_checks, signed

SECRET = b"5ecret/of+a=test"
SECRETS = {"aws_secret_AKTEAM": SECRET, "aws_secret_AKNOBODY": b"another"}
KEYS = Keys(secrets=SECRETS.get, stands_for=lambda name: "credential" if name == "AKTEAM" else None)
GUARD = signed(KEYS)
WIRES = pytest.mark.parametrize("wire", ["http2", "websocket"])
Wire = Literal["http2", "websocket"]


def asked(
    wire: Wire,
    *,
    at: float = AT,
    key: str = "AKTEAM",
    secret: bytes = SECRET,
    token: str = "",
    host: str = "localhost:8443",
) -> Opening:
    """What a client asks, arriving at AT."""
    client = AmazonClient(Credentials(key, secret, token), at=at, host=host, wire=wire)
    opening = client.open(Configure(format=AudioFormat()))
    headers = opening.headers or (("host", host),)
    return msgspec.structs.replace(opening, at=AT, headers=headers)


def admitted(opening: Opening, keys: Keys = KEYS) -> Admitted:
    found = signed(keys)(opening)
    assert isinstance(found, Admitted), found
    return found


def refused(opening: Opening, keys: Keys = KEYS) -> tuple[int | None, str, str]:
    found = signed(keys)(opening)
    assert isinstance(found, Fault), found
    close = refusal(found, "r")
    return close.code, dict(close.headers)["x-amzn-errortype"], found.text


@WIRES
def test_the_right_secret(wire: Wire):
    found = admitted(asked(wire))
    assert (found.credential, found.who) == ("credential", "AKTEAM")
    assert found.signs_events == (wire == "http2")
    assert admitted(asked(wire, token="temporary/+="))


@WIRES
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"secret": b"another one"}, "InvalidSignatureException"),
        ({"key": "AKOTHER"}, "UnrecognizedClientException"),
        ({"key": "AKNOBODY", "secret": b"another"}, "UnrecognizedClientException"),
        ({"at": AT - 301}, "InvalidSignatureException"),
        ({"at": AT + 301}, "InvalidSignatureException"),
        ({"at": AT - 86_400}, "InvalidSignatureException"),
    ],
)
def test_what_is_wrong_has_its_name(wire: Wire, change: dict[str, Any], name: str):
    status, found, text = refused(asked(wire, **change))
    assert (status, found) == (403, name)
    assert SECRET.decode() not in text


@WIRES
@pytest.mark.parametrize("at", [AT - 299, AT + 299])
def test_five_minutes_are_borne(wire: Wire, at: float):
    assert admitted(asked(wire, at=at))


@WIRES
def test_no_signature_at_all(wire: Wire):
    opening = asked(wire)
    bare = msgspec.structs.replace(opening, query=opening.query[:3], headers=opening.headers[:1])
    assert refused(bare)[:2] == (403, "AccessDeniedException")


@WIRES
def test_keys_off_pass_everything(wire: Wire):
    off = msgspec.structs.replace(KEYS, on=lambda: False)
    assert admitted(asked(wire, key="AKOTHER"), off) == Admitted()
    assert signed(off)(Opening()) == nobody_checks(Opening()) == Admitted()


def test_a_secret_that_cannot_be_used_lets_nobody_in():
    def broken(_name: str) -> bytes | None:
        raise Refused("the file of secret x has mode 0644; make it 0600", code="forbidden")

    status, name, text = refused(asked("http2"), msgspec.structs.replace(KEYS, secrets=broken))
    assert (status, name) == (503, "ServiceUnavailableException")
    assert "0600" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
        ("X-Amz-Credential", "AKTEAM/20261124/us-east-1/s3/aws4_request"),
        ("X-Amz-Credential", "AKTEAM/20261123/us-east-1/transcribe/aws4_request"),
        ("X-Amz-Date", "yesterday"),
        ("X-Amz-Expires", "301"),
        ("X-Amz-Expires", "0"),
        ("X-Amz-Expires", "-1"),
        ("X-Amz-Expires", "3e2"),
        ("X-Amz-SignedHeaders", "x-other"),
        ("X-Amz-Signature", ""),
        ("X-Amz-Signature", "0" * 64),
        ("language-code", "de-DE"),
        ("one-more", "x"),
    ],
)
def test_each_part_of_a_signed_url(name: str, value: str):
    opening = asked("websocket")
    query = (*(pair for pair in opening.query if pair[0] != name), (name, value))
    assert refused(msgspec.structs.replace(opening, query=query))[:2] == (
        403, "InvalidSignatureException",
    )  # fmt: skip


def test_a_parameter_of_the_signature_stands_once():
    opening = asked("websocket")
    query = (*opening.query, ("X-Amz-Expires", "300"))
    assert "twice" in refused(msgspec.structs.replace(opening, query=query))[2]


def test_a_url_is_good_until_it_expires():
    early = asked("websocket", at=AT - 299)
    query = tuple((name, "60" if name == "X-Amz-Expires" else value) for name, value in early.query)
    status, name, text = refused(msgspec.structs.replace(early, query=query))
    assert (status, name) == (403, "InvalidSignatureException")
    assert "expired" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", "Bearer KEY"),
        ("authorization", "AWS4-HMAC-SHA256 nonsense"),
        ("x-amz-date", ""),
        ("x-amz-date", "20261125T000001Z"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"),
        ("x-amzn-transcribe-sample-rate", "8000"),
        ("host", "elsewhere"),
    ],
)
def test_each_part_of_a_signed_request(name: str, value: str):
    opening = asked("http2")
    headers = (*(pair for pair in opening.headers if pair[0] != name), (name, value))
    assert refused(msgspec.structs.replace(opening, headers=headers))[:2] == (
        403, "InvalidSignatureException",
    )  # fmt: skip


@pytest.mark.parametrize("signed_names", ["host", "x-amz-date", "content-type"])
def test_host_and_date_have_to_be_signed(signed_names: str):
    opening = asked("http2")
    headers = tuple(
        (name, value.partition("SignedHeaders=")[0] + f"SignedHeaders={signed_names}, Signature="
         + "0" * 64) if name == "authorization" else (name, value)
        for name, value in opening.headers
    )  # fmt: skip
    text = refused(msgspec.structs.replace(opening, headers=headers))[2]
    assert "SignedHeaders" in text


@pytest.mark.parametrize("dialled", ["localhost:8443", "localhost", "[::1]:8443"])
def test_the_host_with_its_port_and_without(dialled: str):
    """Python signs the bare name, Node and browsers the port as well."""
    opening = asked("http2", host=dialled)
    for seen in {dialled, dialled.removesuffix(":8443")}:
        headers = tuple(
            (name, seen if name == "host" else value) for name, value in opening.headers
        )
        arrived = msgspec.structs.replace(opening, headers=headers)
        if seen == dialled or "[" not in dialled:
            found = signed(msgspec.structs.replace(KEYS, hosts=(dialled,)))(arrived)
            assert isinstance(found, Admitted)


def test_a_proxy_that_rewrites_the_host_needs_the_setting():
    opening = asked("websocket", host="speech.example.com")
    inside = msgspec.structs.replace(opening, headers=(("host", "10.0.0.7:8080"),))
    assert "amazon.hosts" in refused(inside)[2]
    known = msgspec.structs.replace(KEYS, hosts=("other", "speech.example.com"))
    assert admitted(inside, known)


# ── the chain ──


def envelopes(count: int) -> tuple[Admitted, list[Frame]]:
    client = AmazonClient(Credentials("AKTEAM", SECRET), at=AT, host="localhost:8443", wire="http2")
    opening = msgspec.structs.replace(client.open(Configure(format=AudioFormat())), at=AT)
    frames: list[Frame] = []
    for number in range(count):
        for message in client.send(Audio(data=AUDIO), number / 10):
            assert isinstance(message, Binary)
            frames += read_frames(message.data)
    end, _ = client.send(End(), count / 10)
    assert isinstance(end, Binary)
    return admitted(opening), [*frames, *read_frames(end.data)]


def test_a_chain_holds_to_its_end():
    found, frames = envelopes(5)
    assert found.chain is not None
    for frame in frames:
        found.chain.check(frame, AT)
    assert frames[-1].payload == b""


@pytest.mark.parametrize("fault", ["left out", "doubled", "swapped", "bent", "other date"])
def test_a_broken_chain(fault: str):
    found, frames = envelopes(4)
    chain = found.chain
    assert chain is not None
    chain.check(frames[0], AT)
    second = frames[1]
    match fault:
        case "left out":
            second = frames[2]
        case "doubled":
            second = frames[0]
        case "swapped":
            second = frames[-1]
        case "bent":
            second = Frame(second.headers, second.payload[:-1] + b"\xff")
        case _:
            second = Frame((stamp(":date", int(AT * 1000) + 1), second.headers[1]), second.payload)
    with pytest.raises(BadMessage, match="signature of an event is wrong"):
        chain.check(second, AT)


@pytest.mark.parametrize("off", [-301, 301, -1e9, 9e15])
def test_a_date_too_far_off(off: float):
    found, _ = envelopes(0)
    assert found.chain is not None
    frame = Frame(
        (stamp(":date", int((AT + off) * 1000)), blob(":chunk-signature", bytes(32))), b"x"
    )
    with pytest.raises(BadMessage, match="300 s"):
        found.chain.check(frame, AT)


def test_time_that_stood_still_here_does_not_break_a_chain():
    """While a session does not read, its clock stands: dates run ahead of it."""
    found, frames = envelopes(3)
    assert found.chain is not None
    for frame in frames:
        found.chain.check(frame, AT - 250)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (blob(":chunk-signature", bytes(32)),),
        (stamp(":date", 0), blob(":chunk-signature", bytes(32)), stamp(":more", 0)),
    ],
    ids=["none", "no date", "more"],
)
def test_an_envelope_has_two_headers(headers: Any):
    found, _ = envelopes(0)
    assert found.chain is not None
    with pytest.raises(BadMessage, match="nothing else"):
        found.chain.check(Frame(headers, b""), AT)

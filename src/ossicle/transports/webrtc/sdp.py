"""What stands in an SDP offer, before anything is made of it, and what we add to an answer.

An offer is read by a few rules of our own first: it is bounded, has one audio section that we can
answer, and loses what would only cost time (names of `.local` hosts, TCP candidates, and the end
of candidates: checks from addresses that were not told are answered all the same). Pure text.
"""

import re

import msgspec

from ossicle.core.errors import Refused

__all__ = ["Fragment", "Offer", "answered", "read_fragment", "read_offer"]

_MOST_SECTIONS = 8
_MOST_LINES = 2_000
_CODECS = ("opus/48000/2", "pcmu/8000", "pcma/8000")
_STATIC = {"0": "pcmu/8000", "8": "pcma/8000"}
"""Payload types that need no rtpmap (RFC 3551 section 6)."""


class Offer(msgspec.Struct, frozen=True):
    """An offer that can be answered."""

    text: str
    """Without what only costs time."""
    direction: str
    """Of its audio, as the other side sees it: sendrecv, sendonly, recvonly."""
    data: bool
    """It has a data channel."""
    candidates: int
    """Addresses it told, usable or not."""
    ufrag: str = ""


class Fragment(msgspec.Struct, frozen=True):
    """What a client trickles (RFC 8840): more addresses, perhaps a restart."""

    ufrag: str = ""
    password: str = ""
    candidates: tuple[str, ...] = ()
    """Without `a=candidate:`."""


def read_offer(text: str, most: int) -> Offer:
    """Check an offer.

    Args:
        text: the SDP.
        most: characters at most.

    Raises:
        Refused: it is too large, is no SDP, or offers nothing that can be taken.
    """
    if len(text) > most:
        raise Refused(f"an offer of {len(text)} characters; the limit is {most}", code="too_large")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = [line for line in lines if line]
    if not lines or lines[0] != "v=0":
        raise Refused("the body is no SDP: it does not begin with v=0")
    if len(lines) > _MOST_LINES:
        raise Refused(
            f"an offer of {len(lines)} lines; the limit is {_MOST_LINES}", code="too_large"
        )
    if any(len(line) < 2 or line[1] != "=" for line in lines):
        raise Refused("the body is no SDP: a line is not of the form x=value")
    sections = _sections(lines)
    if len(sections) > _MOST_SECTIONS + 1:
        raise Refused(f"{len(sections) - 1} media sections; the limit is {_MOST_SECTIONS}")
    audio = [part for part in sections[1:] if part[0].startswith("m=audio ")]
    if not audio:
        raise Refused("the offer has no audio: offer one m=audio section")
    if len(audio) > 1:
        raise Refused(f"the offer has {len(audio)} audio sections; offer one")
    _check_codecs(audio[0])
    for part in sections[1:]:
        if "a=rtcp-mux" not in part and not part[0].startswith("m=application "):
            raise Refused("the offer does not multiplex RTCP (a=rtcp-mux); it has to")
    mids = [line[6:] for part in sections[1:] for line in part if line.startswith("a=mid:")]
    if len(mids) != len(sections) - 1 or len(set(mids)) != len(mids):
        raise Refused("every media section needs an a=mid of its own")
    groups = [line.split()[1:] for line in lines if line.startswith("a=group:BUNDLE")]
    bundle = groups[0] if groups else []
    if len(sections) > 2 and set(bundle) != set(mids):
        raise Refused("the offer does not bundle its sections (a=group:BUNDLE); it has to")
    if not any(line.startswith("a=fingerprint:") for line in lines):
        raise Refused("the offer has no DTLS fingerprint")
    ufrag = next((line[12:] for line in lines if line.startswith("a=ice-ufrag:")), "")
    if not ufrag or not any(line.startswith("a=ice-pwd:") for line in lines):
        raise Refused("the offer has no ICE credentials")
    told = [line for line in lines if line.startswith("a=candidate:")]
    kept = [line for line in lines if not _needless(line)]
    return Offer(
        "\r\n".join(kept) + "\r\n",
        _direction(audio[0], sections[0]),
        any(part[0].startswith("m=application ") for part in sections[1:]),
        len(told),
        ufrag,
    )


def _sections(lines: list[str]) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _check_codecs(audio: list[str]) -> None:
    types = audio[0].split()[3:]
    maps = {
        match[1]: match[2].lower()
        for line in audio
        if (match := re.fullmatch(r"a=rtpmap:(\d{1,3}) (\S+)", line))
    }
    named = [maps.get(each, _STATIC.get(each, "")) for each in types]
    if not any(name in _CODECS for name in named):
        shown = ", ".join(filter(None, named))[:100] or "none"
        raise Refused(
            f"no codec of the offer is taken ({shown}); offer Opus, PCMU or PCMA",
            code="unsupported_audio",
        )


def _direction(audio: list[str], session: list[str]) -> str:
    for part in (audio, session):
        for line in part:
            if line in {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}:
                return line[2:]
    return "sendrecv"  # RFC 8866 section 6.7


def _needless(line: str) -> bool:
    if line == "a=end-of-candidates":
        return True
    return line.startswith("a=candidate:") and not _usable(line[12:])


def _usable(candidate: str) -> bool:
    """Over UDP, and a number: a name would have to be asked for in the local network, which takes
    a second, while the check that comes from there takes none."""
    parts = candidate.split()
    if len(parts) < 8 or parts[2].lower() != "udp":
        return False
    return re.fullmatch(r"[0-9a-fA-F.:]+", parts[4]) is not None


def read_fragment(text: str, most: int) -> Fragment:
    """The body of a PATCH, `application/trickle-ice-sdpfrag`.

    Raises:
        Refused: too large, or damaged.
    """
    if len(text) > most:
        raise Refused(f"a body of {len(text)} characters; the limit is {most}", code="too_large")
    ufrag = password = ""
    found: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line:
            continue
        if len(line) < 2 or line[1] != "=":
            raise Refused("the body is no SDP fragment: a line is not of the form x=value")
        if line.startswith("a=ice-ufrag:"):
            ufrag = line[12:]
        elif line.startswith("a=ice-pwd:"):
            password = line[10:]
        elif line.startswith("a=candidate:") and _usable(line[12:]):
            found.append(line[12:])
    for name, value, least in (("ice-ufrag", ufrag, 4), ("ice-pwd", password, 22)):
        if value and not re.fullmatch(rf"[0-9a-zA-Z+/]{{{least},256}}", value):
            raise Refused(f"{name} is not {least} to 256 letters, digits, + and / (RFC 8839 5.4)")
    return Fragment(ufrag, password, tuple(dict.fromkeys(found[:64])))


def answered(text: str, fmtp: str, *, feedback: tuple[str, ...] = ()) -> str:
    """Our answer with what its maker leaves out: the parameters of Opus, which tell the sender
    what we can use (RFC 7587 section 6.1), and the feedback we give."""
    out: list[str] = []
    inside = False
    for line in text.split("\r\n"):
        if line.startswith("m="):
            inside = line.startswith("m=audio")
        out.append(line)
        found = re.fullmatch(r"a=rtpmap:(\d+) opus/48000/2", line, re.IGNORECASE)
        if found and inside:
            out += [f"a=rtcp-fb:{found[1]} {each}" for each in feedback]
            out.append(f"a=fmtp:{found[1]} {fmtp}")
        elif found is None and inside and line.startswith("a=mid:"):
            out.append("a=ptime:20")
    return "\r\n".join(out)

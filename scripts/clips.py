"""The recordings of human speech that the demonstration and the tests listen to.

They are not in the repository: this fetches them once, from Debian's ``pocketsphinx-testdata``
package (no root needed) or else from pocketsphinx's source archive on the configured Python index,
and keeps them as WAV files (16 kHz, mono, 16 bit) beside ``transcripts.json``::

    {"sense-0880.wav": {"text": "he was not an ill disposed young man", "seconds": 2.99}, ...}

``text`` is null where nobody has published what is said. The last line printed is the folder:
``$OSSICLE_CLIPS``, or ``ossicle/clips`` in the user's cache. Standard library only. Both archives
and every clip are checked against the SHA-256 below; a complete cache is used without a network.

    python scripts/clips.py [--from debian|index]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import shutil
import ssl
import struct
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from environment import PYTHON, pip_settings

__all__ = ["CLIPS", "Clip", "fetch", "folder", "main"]

PACKAGE = "pocketsphinx-testdata"
# One release each: the signed package of Debian 12 and the archive of the release we depend on.
# Another Debian release carries another package; then the index is asked.
DEB_SHA256 = "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0"
ARCHIVE = "pocketsphinx-5.1.1.tar.gz"
ARCHIVE_SHA256 = "675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355"
ARCHIVE_BYTES = 34_158_862
RATE = 16_000
JSON_PAGE = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Clip:
    """One recording: our name, its place below ``test/data/``, the words, the finished file."""

    name: str
    member: str
    text: str | None
    sha256: str


def librivox(number: str, text: str, sha256: str) -> Clip:
    """One sentence of the LibriVox reading of *Sense and Sensibility*."""
    member = f"librivox/sense_and_sensibility_01_austen_64kb-{number}.wav"
    return Clip(f"sense-{number}.wav", member, text, sha256)


CLIPS = (
    Clip(
        "go-forward.wav",
        "goforward.raw",
        "go forward ten meters",
        "97ec638609b9c7eeb616764b4e5713d7ed2d0a8e1a2f8246631d9074d47aaf11",
    ),
    Clip(
        "digits.wav",
        "tidigits/dhd.2934z.raw",
        "two nine three four zero",
        "c1a7a52aeb32dcd7807e86fccb21db4131a5b7793618186b4a5f49fbee939b68",
    ),
    Clip(
        "numbers.wav",
        "numbers.raw",
        None,
        "353c67f7c7dc00b36fb341dd34929bf9291f4e92f0e00daf7e560be9c1c02562",
    ),
    Clip(
        "something.wav",
        "something.raw",
        None,
        "85fc7f1a94db4d957a2d7a3c8f31ecf4ba78c067e50c5028098c4fc3a6f29bf0",
    ),
    librivox(
        "0870",
        "and mister john dashwood had then leisure to consider how much there might be "
        "prudently in his power to do for them",
        "b0557cf95c974d930577e58e46b7f068c432a6e3afcc286563d88922b2a5315c",
    ),
    librivox(
        "0880",
        "he was not an ill disposed young man",
        "fbec491ef00ee734a67f0ee318e98c51c157b479e1629ff4f4426861ecac0414",
    ),
    librivox(
        "0890",
        "unless to be rather cold hearted and rather selfish is to be ill disposed",
        "5793ffbdee55fb8bfd284943a6866864c832d9d4accf2661cabd39915c84ee10",
    ),
    librivox(
        # The published transcription doubles an article ("a more a amiable") that is not spoken.
        "0920",
        "had he married a more amiable woman he might have been made still more respectable "
        "than he was",
        "40882414ef4cc51f3ff7a63bad0c8c87e7f595ffeb8209fbf756c8ebc5c28a59",
    ),
    librivox(
        "0930",
        "he might even have been made amiable himself",
        "954adbf0b56ac8a148cbe77b39ca18d76b5f2a1e1f405565bd786ce3e68a68b7",
    ),
    Clip(
        "cards-001.wav",
        "cards/001.wav",
        "ten of clubs",
        "899951e768666f27c8f8b1d4090b96fe7909cae9cec01bec0a5d5d1b8a8d566e",
    ),
    Clip(
        "cards-002.wav",
        "cards/002.wav",
        "four queen of clubs",
        "a3f9eae6fdb69a1231989e39a14d62388a6f52fb59666c76d95005318fadafec",
    ),
    Clip(
        "cards-003.wav",
        "cards/003.wav",
        "seven of clubs",
        "00d283e46bc257ae479e4aa86593cadb541656eba1d19fc8abeece37f6a5a18b",
    ),
    Clip(
        "cards-004.wav",
        "cards/004.wav",
        "five five",
        "4c44a8177f5b128b99f078cdeb918119933155574231f1833e8840d1af09c521",
    ),
    Clip(
        "cards-005.wav",
        "cards/005.wav",
        "eight of spades four of clubs seven of hearts",
        "090f18f5f76cf8b2b43cd9e6b07823f4685a4742d9a36cd98b174a6586c18cf9",
    ),
)


class Unavailable(Exception):
    """This source cannot be used here; the text says why."""


def say(text: str) -> None:
    """Progress goes to stderr: stdout carries the folder and nothing else."""
    print(text, file=sys.stderr, flush=True)


def folder() -> Path:
    """Where the clips live: ``OSSICLE_CLIPS``, else the user's cache."""
    if named := os.environ.get("OSSICLE_CLIPS"):
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ossicle" / "clips"


def wav(member: str, data: bytes) -> bytes:
    """The member as a WAV file; headerless ones are 16 kHz, mono, 16 bit (their README)."""
    if member.endswith(".wav"):
        return data
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def complete(place: Path) -> bool:
    """Whether every clip is there and whole."""
    return (place / "transcripts.json").exists() and all(
        (place / clip.name).is_file() and digest((place / clip.name).read_bytes()) == clip.sha256
        for clip in CLIPS
    )


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def extract(archive: tarfile.TarFile) -> dict[str, bytes]:
    """The finished clips of an archive, each checked. Nothing else is unpacked."""
    wanted = {f"test/data/{clip.member}": clip for clip in CLIPS}
    found: dict[str, bytes] = {}
    for entry in archive:
        at = entry.name.find("test/data/")
        clip = wanted.get(entry.name[at:]) if at >= 0 and entry.isfile() else None
        file = archive.extractfile(entry) if clip else None
        if clip and file:
            made = wav(clip.member, file.read())
            if digest(made) != clip.sha256:
                raise Unavailable(f"{entry.name} is not the recording it should be")
            found[clip.name] = made
    if lost := [clip.name for clip in CLIPS if clip.name not in found]:
        raise Unavailable(f"the archive lacks {', '.join(lost)}")
    return found


def ar_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The files in an ``ar`` archive, which is what a .deb is (deb(5))."""
    if not data.startswith(b"!<arch>\n"):
        raise Unavailable("the package is not an ar archive")
    at = 8
    while at + 60 <= len(data):
        name = data[at : at + 16].decode("ascii").strip().rstrip("/")
        size = int(data[at + 48 : at + 58])
        yield name, data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def from_debian() -> dict[str, bytes]:
    """The clips out of Debian's package, unpacked without dpkg."""
    apt = shutil.which("apt-get")
    if not apt:
        raise Unavailable("no apt-get on this machine")
    with tempfile.TemporaryDirectory() as place:
        say(f"Fetching {PACKAGE} with apt-get")
        options = ["-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20"]
        done = subprocess.run(
            [apt, "-q", *options, "download", PACKAGE],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        packages = list(Path(place).glob("*.deb"))
        if done.returncode or not packages:
            said = (done.stderr.strip() or "apt-get said nothing").splitlines()[-1]
            raise Unavailable(said)
        data = packages[0].read_bytes()
        if digest(data) != DEB_SHA256:
            raise Unavailable(f"{packages[0].name} is another release than the one pinned here")
    for name, content in ar_members(data):
        if name == "data.tar.xz":
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as archive:
                return extract(archive)
    raise Unavailable("the package has no data.tar.xz")


def indexes() -> list[str]:
    """The Python indexes this machine is configured for, in pip's order; file ones left out."""
    python = Path(sys.executable)
    settings = pip_settings(python)
    if not settings and PYTHON.exists():
        python = PYTHON
        settings = pip_settings(python)
    named = [os.environ.get("PIP_INDEX_URL") or settings.get("index-url", "")]
    named += [os.environ.get("UV_DEFAULT_INDEX", ""), os.environ.get("UV_INDEX_URL", "")]
    if not any(named):
        # pip's own default, so that no host is written here.
        code = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
        for each in dict.fromkeys((python, PYTHON)):
            asked = (
                subprocess.run([str(each), "-c", code], capture_output=True, text=True, check=False)
                if each.exists()
                else None
            )
            if asked and asked.returncode == 0:
                named.append(asked.stdout.strip())
                break
    extra = os.environ.get("PIP_EXTRA_INDEX_URL") or settings.get("extra-index-url", "")
    named += extra.split()
    return [url for url in dict.fromkeys(named) if url.startswith(("http://", "https://"))]


def opened(url: str, accept: str = "*/*"):
    """Open an address the way pip would: its certificates, and credentials from the URL."""
    parts = urllib.parse.urlsplit(url)
    headers = {"Accept": accept, "User-Agent": "ossicle-clips/1"}
    if parts.username is not None:
        user = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}")
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    context = None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        configured = os.environ.get("PIP_CERT") or pip_settings(Path(sys.executable)).get("cert")
        if configured:
            context.load_verify_locations(configured)
    request = urllib.request.Request(url, headers=headers)
    return urllib.request.urlopen(request, timeout=30, context=context)


class Links(HTMLParser):
    """The addresses on a simple-index page (PEP 503)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the target of each anchor."""
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def archive_address(index: str) -> str:
    """Where this index keeps the source archive (PEP 691, or PEP 503 on older ones)."""
    with opened(index.rstrip("/") + "/pocketsphinx/", f"{JSON_PAGE}, text/html;q=0.5") as page:
        body = page.read()
        base = page.geturl()
        if "json" in page.headers.get_content_type():
            links = [file["url"] for file in json.loads(body)["files"]]
        else:
            reader = Links()
            reader.feed(body.decode("utf-8", "replace"))
            links = reader.found
    for link in links:
        address = urllib.parse.urljoin(base, link)
        if urllib.parse.urlsplit(address).path.endswith("/" + ARCHIVE):
            return address
    raise Unavailable(f"the index has no {ARCHIVE}")


def from_index() -> dict[str, bytes]:
    """The clips out of pocketsphinx's source archive, fetched as a file and never built."""
    reasons: list[str] = []
    for index in indexes():
        host = urllib.parse.urlsplit(index).hostname
        try:
            with tempfile.TemporaryFile() as file:
                download(archive_address(index), file)
                file.seek(0)
                with tarfile.open(fileobj=file, mode="r:gz") as archive:
                    return extract(archive)
        except (OSError, ValueError, KeyError, tarfile.TarError, Unavailable) as error:
            reasons.append(f"{host}: {error}")
    raise Unavailable("; ".join(reasons) or "pip names no index on this machine")


def download(address: str, file) -> None:
    """Copy the archive into the file with a progress line, and check it."""
    summed = hashlib.sha256()
    got = 0
    shown = -1
    with opened(address) as answer:
        while piece := answer.read(1 << 18):
            got += len(piece)
            if got > ARCHIVE_BYTES:
                raise Unavailable(
                    f"{ARCHIVE} is longer than the {ARCHIVE_BYTES} bytes it should be"
                )
            summed.update(piece)
            file.write(piece)
            percent = got * 100 // ARCHIVE_BYTES
            if percent // 10 != shown and (sys.stderr.isatty() or percent == 100):
                shown = percent // 10
                say(f"Fetching {ARCHIVE} {percent:>3} %")
    if summed.hexdigest() != ARCHIVE_SHA256:
        raise Unavailable(f"{ARCHIVE} has another checksum than the one pinned here")


def store(place: Path, clips: dict[str, bytes]) -> None:
    """Put every file in place whole, the table last: a reader sees all or nothing."""
    place.mkdir(parents=True, exist_ok=True)
    table = {
        clip.name: {"text": clip.text, "seconds": round((len(clips[clip.name]) - 44) / 2 / RATE, 2)}
        for clip in CLIPS
    }
    text = json.dumps(table, indent=1).encode()
    for name, data in [*clips.items(), ("transcripts.json", text)]:
        handle, temporary = tempfile.mkstemp(dir=place, prefix=f".{name}")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(place / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def fetch(sources: tuple[str, ...] = ("debian", "index")) -> Path:
    """Make sure the clips are there; return their folder."""
    place = folder()
    if complete(place):
        return place
    ways = {"debian": from_debian, "index": from_index}
    reasons: list[str] = []
    for source in sources:
        try:
            store(place, ways[source]())
        except (Unavailable, subprocess.TimeoutExpired) as reason:
            reasons.append(f"  {source}: {reason}")
            say(f"{source}: {reason}")
        else:
            say(f"{len(CLIPS)} recordings in {place}")
            return place
    raise Unavailable(
        "The recordings of human speech could not be fetched:\n"
        + "\n".join(reasons)
        + f"\nCopy them from a machine that has them into {place}, or name a folder: OSSICLE_CLIPS."
    )


def main(arguments: list[str] | None = None) -> int:
    """Fetch when needed and print the folder."""
    parser = argparse.ArgumentParser(description="Fetch the recordings of human speech.")
    parser.add_argument("--from", dest="source", choices=("debian", "index"))
    source = parser.parse_args(arguments).source
    try:
        print(fetch((source,) if source else ("debian", "index")))
    except Unavailable as reason:
        say(str(reason))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

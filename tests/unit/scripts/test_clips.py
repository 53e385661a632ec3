"""Recordings: two sources, one result, and nothing unchecked gets into the cache."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
import wave
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import clips
import pytest

SOUND = bytes(range(256)) * 4
PREFIX = "pocketsphinx-5.1.1/test/data/"


def archive(form: str = "w:gz", **changed: bytes) -> bytes:
    """A source archive with the same sound for every clip."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=form) as tar:
        for clip in clips.CLIPS:
            data = changed.get(clip.name.partition(".")[0], clips.wav("x.raw", SOUND))
            data = data if clip.member.endswith(".wav") else SOUND
            entry = tarfile.TarInfo(PREFIX + clip.member)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pins of the small recordings above in place of the real ones."""
    made = hashlib.sha256(clips.wav("x.raw", SOUND)).hexdigest()
    table = tuple(replace(clip, sha256=made) for clip in clips.CLIPS)
    monkeypatch.setattr(clips, "CLIPS", table)
    # What pip says about this machine takes a process and is none of these tests' business.
    monkeypatch.setattr(clips, "pip_settings", lambda _: {})
    monkeypatch.setenv("OSSICLE_CLIPS", str(tmp_path / "clips"))
    for name in ("PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


class Index:
    """A package index on loopback that remembers what it was asked."""

    def __init__(self) -> None:
        self.archive = archive()
        self.html = False
        self.asked: list[tuple[str, str]] = []
        index = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append((self.path, self.headers.get("Authorization", "")))
                link = f"../../files/{clips.ARCHIVE}"
                if self.path.startswith("/files/"):
                    kind, body = "application/gzip", index.archive
                elif index.html:
                    kind = "text/html"
                    body = f'<a href="x.whl">x</a><a href="{link}#sha256=0">{link}</a>'.encode()
                else:
                    kind = clips.JSON_PAGE
                    body = json.dumps({"files": [{"url": "x.whl"}, {"url": link}]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.host = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    made = Index()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{made.host}/simple")
    monkeypatch.setattr(clips, "ARCHIVE_SHA256", hashlib.sha256(made.archive).hexdigest())
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize("html", [False, True])
def test_the_configured_index_is_asked_in_both_of_its_forms(index: Index, html: bool) -> None:
    index.html = html
    place = clips.fetch(("index",))
    assert [path for path, _ in index.asked] == ["/simple/pocketsphinx/", f"/files/{clips.ARCHIVE}"]
    table = json.loads((place / "transcripts.json").read_text())
    assert set(table) == {clip.name for clip in clips.CLIPS}
    assert sorted(each.name for each in place.iterdir()) == sorted([*table, "transcripts.json"])
    with wave.open(str(place / "go-forward.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        assert file.readframes(9999) == SOUND


def test_a_complete_cache_needs_no_network(index: Index) -> None:
    clips.fetch(("index",))
    index.asked.clear()
    assert clips.fetch(("index",)) == clips.folder()
    assert index.asked == []


def test_a_damaged_recording_is_fetched_again(index: Index) -> None:
    place = clips.fetch(("index",))
    (place / "digits.wav").write_bytes(b"half")
    clips.fetch(("index",))
    assert (place / "digits.wav").read_bytes() == clips.wav("x.raw", SOUND)


def test_credentials_of_the_index_are_sent_and_never_shown(
    index: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:s%40cret@{index.host}/simple")
    monkeypatch.setattr(clips, "ARCHIVE_SHA256", "0" * 64)
    with pytest.raises(clips.Unavailable) as raised:
        clips.fetch(("index",))
    assert index.asked[0][1] == "Basic " + base64.b64encode(b"user:s@cret").decode()
    shown = capsys.readouterr()
    assert "cret" not in str(raised.value) + shown.out + shown.err


def test_an_archive_with_another_checksum_is_not_opened(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.archive = gzip.compress(b"something else")
    with pytest.raises(clips.Unavailable, match="another checksum"):
        clips.fetch(("index",))
    assert not clips.folder().exists()


def test_an_archive_without_end_is_cut_off(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "ARCHIVE_BYTES", 100)
    with pytest.raises(clips.Unavailable, match="longer than the 100 bytes"):
        clips.fetch(("index",))


def test_a_recording_that_is_another_one_is_refused(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.archive = archive(**{"cards-001": b"another voice"})
    monkeypatch.setattr(clips, "ARCHIVE_SHA256", hashlib.sha256(index.archive).hexdigest())
    with pytest.raises(clips.Unavailable, match=r"001\.wav is not the recording"):
        clips.fetch(("index",))
    assert not clips.folder().exists()


def debian_package(*members: tuple[str, bytes]) -> bytes:
    body = b"!<arch>\n"
    for name, data in members:
        body += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data
        body += b"\n" * (len(data) % 2)
    return body


def test_a_debian_package_is_unpacked_without_dpkg() -> None:
    inside = archive("w:xz")
    data = debian_package(("debian-binary", b"2.0"), ("data.tar.xz/", inside))
    assert list(clips.ar_members(data)) == [("debian-binary", b"2.0"), ("data.tar.xz", inside)]
    with pytest.raises(clips.Unavailable, match="not an ar archive"):
        list(clips.ar_members(b"PK\x03\x04"))


def apt(folder: Path, package: bytes) -> None:
    """An apt-get that downloads this package."""
    (folder / "package").write_bytes(package)
    program = folder / "apt-get"
    program.write_text(f'#!/bin/sh\ncp "{folder}/package" ./package.deb\n')
    program.chmod(0o755)


def test_debian_comes_first_and_the_index_after_it(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = debian_package(("data.tar.xz", archive("w:xz")))
    apt(tmp_path, package)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(clips, "DEB_SHA256", hashlib.sha256(package).hexdigest())
    clips.fetch()
    assert index.asked == []

    (clips.folder() / "digits.wav").unlink()
    apt(tmp_path, package + b"another release")
    clips.fetch()
    assert len(index.asked) == 2


def test_without_any_source_every_reason_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert clips.main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    for words in ("no apt-get", "127.0.0.1", "OSSICLE_CLIPS"):
        assert words in said.err

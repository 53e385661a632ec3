"""What goes wrong beside a running gateway: it goes on, and says in words what to do.

In the log, in the figures, as a note of `/readyz`, to the client, and in a browser.
"""

import asyncio
import base64
import hashlib
import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chromium import chromium
from harness import Talk, ask, beside, gateway_with, refusal, until
from ossicle.gateway import serve
from ossicle.gateway.configuration.settings import AccessSettings
from ossicle.gateway.keys.keyfile import KeyFile
from ossicle.testing.marked import marked_audio

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(90)]

FORMAT = {"encoding": "pcm_s16le", "sample_rate": 16000}

OPEN = AccessSettings(metrics_for=("*",))


def bearer(key):
    return {"authorization": f"Bearer {key}"}


async def notes(gateway):
    answer = await ask(gateway.url, method="GET", path="/readyz")
    assert (answer.status, answer.json["ready"]) == (200, True)
    return answer.json.get("notes", [])


async def troubled(gateway, kind):
    page = (await ask(gateway.url, method="GET", path="/metrics")).body.decode()
    (line,) = [t for t in page.splitlines() if t.startswith(f'ossicle_trouble{{with="{kind}"}}')]
    return float(line.rpartition(" ")[2]) == 1.0


@pytest.mark.parametrize(
    ("damage", "log"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "cut off or edited wrongly"),
        (lambda path: path.write_bytes(b""), "cut off or edited wrongly"),
        (lambda path: path.write_bytes(b'{"version": 9, "keys": []}'), "edited wrongly"),
        (lambda path: path.chmod(0o644), "mode 0644; make it 0600"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
)
async def test_a_keys_file_that_cannot_be_used(tmp_path, caplog, damage, log):
    book = KeyFile(tmp_path / "state" / "keys.json")
    key = book.add("web").key
    async with gateway_with(tmp_path, access=OPEN) as gateway:
        assert await notes(gateway) == []
        whole = book.path.read_bytes()
        async with beside(gateway.url, headers=bearer(key)):
            damage(book.path)
            await until(lambda: gateway.house.troubles.of("keys"))
            assert log in caplog.text
            assert str(book.path) in caplog.text
            (note,) = await notes(gateway)
            assert "the keys read before stay in force" in note
            assert str(tmp_path) not in note
            assert await troubled(gateway, "keys")
            async with Talk.open(gateway.url, headers=bearer(key), **FORMAT):
                pass
            assert (await refusal(gateway.url, headers=bearer("other")))[0] == 401
            if book.path.is_dir():
                book.path.rmdir()
            new = book.path.with_name("new")
            new.touch(mode=0o600)
            new.write_bytes(whole)
            new.replace(book.path)
            await until(lambda: not gateway.house.troubles.of("keys"))
        assert await notes(gateway) == []
        assert not await troubled(gateway, "keys")


def pair(folder: Path, seconds: float) -> tuple[Path, Path, str]:
    """A certificate for localhost that lives so long, its key, and what a browser calls that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(seconds=seconds))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "own.pem", folder / "own-key.pem"
    for path, data in (
        (secret, key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )),
        (chain, made.public_bytes(serialization.Encoding.PEM)),
    ):  # fmt: skip
        new = path.with_suffix(".new")
        new.write_bytes(data)
        new.replace(path)
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return chain, secret, base64.b64encode(hashlib.sha256(public).digest()).decode()


async def transcribed(*arguments: str) -> tuple[int, str]:
    """What `ossicle transcribe` says."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("ossicle"), "transcribe", *arguments,
        "--encoding", "pcm_s16le",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    return process.returncode or 0, " ".join(out.decode().split())


async def test_a_certificate_that_expires_and_one_that_takes_its_place(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(serve, "_CERTIFICATES_EVERY_S", 0.1)
    caplog.set_level(logging.INFO, "ossicle.gateway")
    chain, secret, known = pair(tmp_path, 3_600)
    own = {"certificate": chain, "key": secret}
    async with chromium(tmp_path, f"--ignore-certificate-errors-spki-list={known}") as browser:
        async with gateway_with(tmp_path, tls_port=0, **own) as gateway:
            url, port = gateway.doors["https"].url, gateway.doors["https"].port
            page = await browser.open(url + "/")
            pair(tmp_path, 2.0)
            await until(lambda: "certificates were reloaded" in caplog.text)
            assert await notes(gateway) == []
        # the first may have outlived its certificate while it let the browser go
        caplog.clear()
        pair(tmp_path, 2.0)
        # another process, as it were: one browser goes on with a session it had with the first
        async with gateway_with(tmp_path, tls_port=port, **own) as gateway:
            await _over(gateway, chain, page, sound_at(tmp_path), caplog)


def sound_at(folder: Path) -> str:
    """A recording of two words."""
    path = folder / "talk.raw"
    path.write_bytes(marked_audio([1, 2, 0]))
    return str(path)


async def _over(gateway, chain, page, sound, caplog):
    """The certificate of this gateway has two seconds to live."""
    url, troubles = gateway.doors["https"].url, gateway.house.troubles
    await until(lambda: troubles.of("certificate"))
    (note,) = await notes(gateway)
    assert "the certificate expired at" in note
    assert "put a new one in its place" in note
    assert await troubled(gateway, "certificate")
    assert caplog.text.count("the certificate expired at") == 1
    for wire in ("websocket", "http"):
        status, said = await transcribed(
            sound, "--url", url, "--ca", str(chain), "--transport", wire
        )
        assert status == 1
        assert "its certificate has expired: whoever runs it has to renew it" in said
    await page.click("#talk")
    await page.until("document.querySelector('#alert:not([hidden])')")
    text = await page.text("#alert-text")
    assert "its certificate has expired or is not trusted: open it in a tab" in text

    pair(chain.parent, 3_600)
    await until(lambda: not troubles.of("certificate"))
    good = chain.with_name("good.pem")
    good.write_bytes(chain.read_bytes())
    chain.write_text("-----BEGIN")
    await until(lambda: "the old one stays" in troubles.of("certificate"))
    assert "holds no certificate" in caplog.text
    status, said = await transcribed(sound, "--url", url, "--ca", str(good))
    assert (status, said) == (0, "w1 w2")

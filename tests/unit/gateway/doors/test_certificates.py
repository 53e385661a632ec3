"""Local certificates: what is in them, when they are renewed, what is refused, live reload."""

import contextlib
import ssl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ossicle.core.errors import Refused
from ossicle.gateway.doors import certificates
from ossicle.gateway.doors.certificates import (
    CertificateFiles,
    client_environment,
    local_certificates,
    own_certificates,
    reloading_context,
)

NOW = datetime.now(UTC).replace(microsecond=0)


def leaf(files: CertificateFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def authority(files: CertificateFiles) -> x509.Certificate:
    assert files.authority is not None
    return x509.load_pem_x509_certificate(files.authority.read_bytes())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def served(context: ssl.SSLContext, trusted: Path, host: str = "localhost") -> x509.Certificate:
    """The certificate that a handshake in memory presents; raises where a client would."""
    client_context = ssl.create_default_context(cafile=str(trusted))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(8):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    der = client.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_first_start_makes_an_authority_and_a_certificate_for_loopback(tmp_path: Path) -> None:
    files = local_certificates(tmp_path / "tls", now=NOW)

    names = leaf(files).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert files.authority == tmp_path / "tls" / "ca.pem"
    assert files.authority.is_absolute()
    leaf(files).verify_directly_issued_by(authority(files))


def test_nothing_secret_is_readable_by_others(tmp_path: Path) -> None:
    files = local_certificates(tmp_path / "tls")

    assert mode(tmp_path / "tls") == 0o700
    assert mode(files.key) == 0o600
    assert mode(tmp_path / "tls" / "ca-key.pem") == 0o600
    assert b"PRIVATE" not in (tmp_path / "tls" / "ca.pem").read_bytes()
    assert sorted(each.name for each in (tmp_path / "tls").iterdir()) == [
        "ca-key.pem",
        "ca.pem",
        "server.pem",
    ]


def test_the_extensions_are_those_that_strict_verifiers_ask_for(tmp_path: Path) -> None:
    files = local_certificates(tmp_path, now=NOW)
    top, bottom = authority(files).extensions, leaf(files).extensions

    basic = top.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    usage = top.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature) == (
        True,
        True,
        False,
    )
    assert bottom.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert list(bottom.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    subject = top.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = bottom.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == subject
    assert bottom.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != subject
    assert leaf(files).not_valid_after_utc - NOW == timedelta(days=397)
    assert authority(files).not_valid_after_utc - NOW == timedelta(days=3650)


def test_a_second_start_keeps_everything(tmp_path: Path) -> None:
    first = local_certificates(tmp_path, ["gateway.lan"])
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert local_certificates(tmp_path, ["gateway.lan"]) == first
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("hosts", "dns", "addresses"),
    [
        (["Gateway.LAN."], {"gateway.lan"}, set()),
        (
            ["10.0.0.7", "[2001:db8::1]", "fe80::1%eth0"],
            set(),
            {"10.0.0.7", "2001:db8::1", "fe80::1"},
        ),
        (["bücher.example"], {"xn--bcher-kva.example"}, set()),
        (["0.0.0.0", "::", "", "localhost", "127.0.0.1"], set(), set()),
    ],
)
def test_hosts_become_names(
    tmp_path: Path, hosts: list[str], dns: set[str], addresses: set[str]
) -> None:
    files = local_certificates(tmp_path, hosts)
    names = leaf(files).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost"} | dns
    found = {str(each) for each in names.get_values_for_type(x509.IPAddress)}
    assert found == {"127.0.0.1", "::1"} | addresses


def test_a_host_that_is_none_is_named_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"'a\.\.b' is not a host name"):
        local_certificates(tmp_path, ["a..b"])


def test_other_hosts_renew_the_certificate_and_keep_the_authority(tmp_path: Path) -> None:
    first = local_certificates(tmp_path)
    old_leaf, old_authority = leaf(first), authority(first)
    second = local_certificates(tmp_path, ["new.lan"])
    assert leaf(second) != old_leaf
    assert authority(second) == old_authority


@pytest.mark.parametrize(("days", "renewed"), [(366, False), (368, True), (500, True)])
def test_the_certificate_is_renewed_thirty_days_before_its_end(
    tmp_path: Path, days: int, renewed: bool
) -> None:
    old = local_certificates(tmp_path, now=NOW)
    before, kept = leaf(old), authority(old)
    later = local_certificates(tmp_path, now=NOW + timedelta(days=days))
    assert (leaf(later) != before) is renewed
    assert authority(later) == kept


def test_an_authority_that_would_not_outlive_a_leaf_is_replaced(tmp_path: Path) -> None:
    old = local_certificates(tmp_path, now=NOW)
    before = authority(old)
    new = local_certificates(tmp_path, now=NOW + timedelta(days=3400))
    assert authority(new) != before
    assert authority(new).subject != before.subject
    leaf(new).verify_directly_issued_by(authority(new))


@pytest.mark.parametrize("damaged", ["ca.pem", "ca-key.pem", "server.pem"])
@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_damaged_or_lost_file_is_made_again(
    tmp_path: Path, damaged: str, content: bytes | None
) -> None:
    local_certificates(tmp_path)
    if content is None:
        (tmp_path / damaged).unlink()
    else:
        (tmp_path / damaged).write_bytes(content)
    files = local_certificates(tmp_path)
    leaf(files).verify_directly_issued_by(authority(files))
    assert served(reloading_context(files).context, tmp_path / "ca.pem") == leaf(files)


def test_processes_that_start_together_share_the_first_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one publishes between our look and our write."""
    make = certificates._make_authority
    published: list[x509.Certificate] = []

    def late(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        monkeypatch.setattr(certificates, "_make_authority", make)
        published.append(authority(local_certificates(tmp_path)))
        return make(now)

    monkeypatch.setattr(certificates, "_make_authority", late)
    files = local_certificates(tmp_path)
    assert authority(files) == published[0]
    leaf(files).verify_directly_issued_by(published[0])


def test_a_folder_that_cannot_be_made_is_a_refusal_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="--state-dir"):
        local_certificates(tmp_path / "file" / "tls")


# ── certificates of one's own ──


def own(
    folder: Path,
    name: str = "own",
    *,
    begins: timedelta = timedelta(hours=-1),
    ends: timedelta = timedelta(days=9),
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> tuple[Path, Path]:
    """A self-signed pair that does not come from the code under test."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begins)
        .not_valid_after(NOW + ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}-key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def test_own_files_are_taken_as_they_are(tmp_path: Path) -> None:
    certificate, key = own(tmp_path)
    files = own_certificates(certificate, key)
    assert (files.certificate, files.key, files.authority) == (certificate, key, None)
    assert served(reloading_context(files).context, certificate) == leaf(files)


def test_own_rsa_key_and_certificate_in_one_file(tmp_path: Path) -> None:
    certificate, key = own(tmp_path, key=rsa.generate_private_key(65537, 2048))
    together = tmp_path / "together.pem"
    together.write_bytes(key.read_bytes() + certificate.read_bytes())
    assert served(reloading_context(own_certificates(together)).context, certificate)


def refusals(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    certificate, key = own(folder)
    other, _ = own(folder, "other")
    garbage = folder / "garbage.pem"
    garbage.write_bytes(b"\x00not PEM")
    locked = folder / "locked.pem"
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    yield "does not belong to", other, key
    yield "expired at", *own(folder, "old", begins=timedelta(-9), ends=timedelta(-1))
    yield "is not valid before", *own(folder, "early", begins=timedelta(1))
    yield "No such file", folder / "absent.pem", key
    yield "No such file", certificate, folder / "absent.pem"
    yield "Is a directory", folder, key
    yield "holds no certificate", garbage, key
    yield "holds no private key", certificate, garbage
    yield "is encrypted", certificate, locked


def test_own_files_that_cannot_serve_are_refused_in_words(tmp_path: Path) -> None:
    for words, certificate, key in refusals(tmp_path):
        with pytest.raises(Refused, match=words) as refused:
            own_certificates(certificate, key)
        assert refused.value.code == "bad_option"
        assert str(tmp_path) in str(refused.value)


# ── reload ──


def test_new_handshakes_get_the_new_certificate_and_old_connections_go_on(tmp_path: Path) -> None:
    files = local_certificates(tmp_path)
    reload = reloading_context(files)
    assert reload.check() is False
    before = served(reload.context, tmp_path / "ca.pem")

    client_context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname="127.0.0.1")
    server = reload.context.wrap_bio(up, down, server_side=True)
    for _ in range(8):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()

    local_certificates(tmp_path, ["new.lan"])
    assert reload.check() is True
    assert reload.check() is False
    after = served(reload.context, tmp_path / "ca.pem", "new.lan")
    assert after != before
    client.write(b"still here")
    assert server.read() == b"still here"


def test_a_broken_renewal_is_told_once_and_the_old_certificate_goes_on(tmp_path: Path) -> None:
    certificate, key = own(tmp_path)
    reload = reloading_context(own_certificates(certificate, key))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(certificate.read_bytes())
    before = served(reload.context, trusted)

    new_certificate, new_key = own(tmp_path, "new")
    certificate.write_bytes(new_certificate.read_bytes())
    with pytest.raises(Refused, match="does not belong to"):
        reload.check()
    assert reload.check() is False
    assert served(reload.context, trusted) == before

    key.write_bytes(new_key.read_bytes())
    assert reload.check() is True
    assert served(reload.context, new_certificate) != before


def test_files_that_vanish_do_not_close_the_door(tmp_path: Path) -> None:
    certificate, key = own(tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(certificate.read_bytes())
    reload = reloading_context(own_certificates(certificate, key))
    certificate.unlink()
    with pytest.raises(Refused, match="cannot read"):
        reload.check()
    assert served(reload.context, trusted)


def test_protocols_are_offered_in_our_order(tmp_path: Path) -> None:
    files = local_certificates(tmp_path)
    context = reloading_context(files, alpn=("h2", "http/1.1")).context
    client_context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client_context.set_alpn_protocols(["http/1.1", "h2"])
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname="localhost")
    server = context.wrap_bio(up, down, server_side=True)
    for _ in range(8):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert client.selected_alpn_protocol() == "h2"
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_table_for_clients_names_the_file_absolutely(tmp_path: Path) -> None:
    table = client_environment(tmp_path / "ca.pem")
    assert {each.value for each in table} == {str(tmp_path / "ca.pem")}
    assert len({each.name for each in table}) == len(table)
    assert [each.name for each in table if each.adds] == ["NODE_EXTRA_CA_CERTS", "DENO_CERT"]

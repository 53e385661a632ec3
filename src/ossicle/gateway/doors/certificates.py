"""Certificates for the doors that speak TLS: a local authority, one's own files, live reload.

Several SDKs insist on TLS, so the gateway makes an authority of its own on first start and signs
a server certificate with it. A client trusts ``ca.pem`` once; the server certificate may then be
renewed as often as needed. Knows files and OpenSSL contexts; knows no door and no clock but the
one it is given.

    files = local_certificates(state_dir / "tls", hosts=("gateway.lan",))
    reload = reloading_context(files, alpn=("h2", "http/1.1"))
    server.start(ssl=reload.context)
    ...
    reload.check()          # on a tick: new connections get the new certificate
"""

import contextlib
import ipaddress
import os
import secrets
import ssl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ...core.errors import Refused

__all__ = [
    "CertificateFiles",
    "ClientVariable",
    "ReloadingContext",
    "client_environment",
    "local_certificates",
    "own_certificates",
    "reloading_context",
]

_CA_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=397)  # Apple's limit for any trusted root; Chromium's for public ones
_RENEW_BEFORE = timedelta(days=30)
_SKEW = timedelta(hours=1)  # a client's clock may be a little behind ours
_ALWAYS = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = ("", "0.0.0.0", "::", "*")  # addresses to bind, not names to dial  # noqa: S104


class CertificateFiles(msgspec.Struct, frozen=True):
    """Where a server certificate is, all paths absolute."""

    certificate: Path
    """The chain in PEM, leaf first."""
    key: Path
    """Its private key in PEM; may be the same file."""
    authority: Path | None = None
    """What a client has to trust (``ca.pem``); None for certificates of one's own."""


class ClientVariable(msgspec.Struct, frozen=True):
    """An environment variable by which clients learn to trust the local authority."""

    name: str
    """The variable."""
    value: str
    """What to set it to."""
    read_by: str
    """Who reads it."""
    adds: bool = False
    """The authority is trusted besides the usual ones; otherwise instead of them."""


def local_certificates(
    folder: Path, hosts: Iterable[str] = (), *, now: datetime | None = None
) -> CertificateFiles:
    """Make what is missing in the folder, renew what is old or names other hosts, keep the rest.

    The authority outlives the server certificate, so that clients need to trust it only once.
    Processes that share a folder agree on one authority: the first to publish it wins. Key and
    certificate share a file, so that a reader never sees half a change. Call it again from time
    to time: a certificate is renewed thirty days before its end.
    """
    now = now or datetime.now(UTC)
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        authority = _authority(folder, now)
        server = folder / "server.pem"
        names = _names(hosts)
        if not _still_good(server, authority, names, now):
            _write(server, _pem(*_issue(authority, names, now)))
    except OSError as error:
        raise Refused(
            f"cannot keep certificates in {folder}: {error.strerror}; choose another --state-dir",
            code="bad_option",
        ) from error
    return CertificateFiles(certificate=server, key=server, authority=folder / "ca.pem")


def own_certificates(
    certificate: Path, key: Path | None = None, *, now: datetime | None = None
) -> CertificateFiles:
    """Check a certificate chain and key made elsewhere; refuse in words what would only fail at
    the first handshake. `key` may be left out when the certificate's file holds it."""
    certificate = certificate.absolute()
    key = key.absolute() if key else certificate
    _check(certificate, key, _read(certificate), _read(key), now or datetime.now(UTC))
    return CertificateFiles(certificate=certificate, key=key)


class ReloadingContext:
    """A server's TLS context that follows its files.

    Changes reach new handshakes; connections that are open keep what they have. Made by
    `reloading_context`.
    """

    context: ssl.SSLContext
    """Give this to the server; it is the same object for ever."""
    pem: tuple[bytes, bytes]
    """Chain and key that are loaded, for a server with a TLS of its own (gRPC)."""
    ends: datetime
    """When the certificate that new handshakes get expires."""

    def __init__(self, files: CertificateFiles, context: ssl.SSLContext) -> None:
        self.context = context
        self._files = files
        self._seen = self._signature()
        self._load()

    def check(self) -> bool:
        """Reload when a file changed; True when new handshakes get something new.

        Raises `Refused` once per change when the new files do not work, and goes on with the old
        ones: a renewal that writes two files one after the other is not an outage.
        """
        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature
        self._load()
        return True

    def _signature(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What tells one state of the files from another; inode too, for a quick rename."""
        found: list[tuple[int, int, int] | None] = []
        for path in (self._files.certificate, self._files.key):
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)

    def _load(self) -> None:
        """Check a private copy, then load that copy.

        OpenSSL takes the certificate before it sees that the key does not fit, which would leave
        a live context broken; and the files may change between the check and the load.
        """
        files = self._files
        chain, key = _read(files.certificate), _read(files.key)
        _check(files.certificate, files.key, chain, key, datetime.now(UTC))
        ends = x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc
        with tempfile.TemporaryDirectory(prefix="ossicle-tls-") as folder:
            chain_copy, key_copy = Path(folder) / "chain.pem", Path(folder) / "key.pem"
            _write(chain_copy, chain)
            _write(key_copy, key)
            try:
                trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                trial.load_cert_chain(chain_copy, key_copy)
                self.context.load_cert_chain(chain_copy, key_copy)
            except ssl.SSLError as error:
                raise Refused(
                    f"OpenSSL does not take the certificate {files.certificate}: {error.reason}",
                    code="bad_option",
                ) from error
        self.pem = chain, key
        self.ends = ends


def reloading_context(files: CertificateFiles, *, alpn: Iterable[str] = ()) -> ReloadingContext:
    """A TLS 1.2+ server context over these files, which `check` keeps up to date."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if protocols := list(alpn):
        context.set_alpn_protocols(protocols)
    return ReloadingContext(files, context)


def client_environment(ca_path: Path) -> tuple[ClientVariable, ...]:
    """The variables that make a client trust the local authority, and which client reads which.

    Set them before the client's process starts: most are read once.
    """
    value = str(ca_path.absolute())
    return (
        ClientVariable(
            "SSL_CERT_FILE",
            value,
            "Python ssl, httpx and websockets (Deepgram, AssemblyAI and OpenAI SDKs), Go, Ruby",
        ),
        ClientVariable("NODE_EXTRA_CA_CERTS", value, "Node.js, every SDK on it", adds=True),
        ClientVariable("REQUESTS_CA_BUNDLE", value, "Python requests"),
        ClientVariable("WEBSOCKET_CLIENT_CA_BUNDLE", value, "Python websocket-client"),
        ClientVariable("CURL_CA_BUNDLE", value, "curl"),
        ClientVariable("AWS_CA_BUNDLE", value, "AWS command line, boto3"),
        ClientVariable(
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
            value,
            "gRPC in Python, C++, Ruby, PHP and Node.js (Google and Riva SDKs)",
        ),
        ClientVariable("DENO_CERT", value, "Deno", adds=True),
    )


_Pair: TypeAlias = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority(folder: Path, now: datetime) -> _Pair:
    """The folder's authority, made when there is none that outlives the next leaf."""
    bundle = folder / "ca-key.pem"
    there = bundle.exists()  # asked before the look: what appears after it is somebody's good one
    found = _load_pair(bundle)
    if found is None or found[0].not_valid_after_utc < now + _LEAF_LIFE + _RENEW_BEFORE:
        _write(bundle, _pem(*_make_authority(now)), replace=there)
        found = _load_pair(bundle)
        if found is None:
            raise Refused(f"{bundle} was changed by something else", code="bad_option")
    certificate = found[0].public_bytes(serialization.Encoding.PEM)
    public = folder / "ca.pem"
    if not public.exists() or public.read_bytes() != certificate:
        _write(public, certificate, mode=0o644)
    return found


def _make_authority(now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own: two authorities of one name confuse verifiers that look up by name.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ossicle"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Ossicle local CA {secrets.token_hex(4)}"),
        ]
    )
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _CA_LIFE)
        # RFC 5280 §4.2.1.9 and §4.2.1.3: both critical in an authority; it signs leaves only.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _issue(authority: _Pair, names: list[x509.GeneralName], now: datetime) -> _Pair:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        x509.CertificateBuilder()
        # Verifiers read the alternative names (RFC 9525 §2); the subject is for people.
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ossicle gateway")]))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, key


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,  # an EC key encrypts nothing
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    """Alternative names for these hosts and the loopback ones, each once, in a fixed order."""
    names: list[x509.GeneralName] = []
    for host in (*_ALWAYS, *sorted(set(hosts))):
        text = host.strip().strip("[]").partition("%")[0].rstrip(".").lower()
        if text in _EVERYWHERE:
            continue
        name: x509.GeneralName
        try:
            name = x509.IPAddress(ipaddress.ip_address(text))
        except ValueError:
            try:
                name = x509.DNSName(text.encode("idna").decode("ascii"))
            except UnicodeError as error:
                raise Refused(
                    f"{host!r} is not a host name or an address", code="bad_option"
                ) from error
        if name not in names:
            names.append(name)
    return names


def _still_good(path: Path, authority: _Pair, names: list[x509.GeneralName], now: datetime) -> bool:
    pair = _load_pair(path)
    if pair is None:
        return False
    certificate = pair[0]
    try:
        certificate.verify_directly_issued_by(authority[0])
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return set(named) == set(names) and (
        certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
    )


def _load_pair(path: Path) -> _Pair | None:
    """Key and certificate from one of our own files; None when it has to be made again."""
    try:
        data = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(data)
        key = serialization.load_pem_private_key(data, password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not _fits(certificate, key):
        return None
    return certificate, key


def _fits(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _check(certificate: Path, key: Path, chain: bytes, secret: bytes, now: datetime) -> None:
    """Refuse, in words, a chain and key that cannot serve. Names files, never their content."""

    def refuse(text: str) -> Refused:
        return Refused(text, code="bad_option")

    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise refuse(
            f"{certificate} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ) from error
    try:
        loaded = serialization.load_pem_private_key(secret, password=None)
    except TypeError as error:
        raise refuse(
            f"the key {key} is encrypted; write it without a passphrase: "
            "openssl pkey -in KEY -out NEW"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise refuse(f"{key} holds no private key in PEM form") from error
    if not _fits(leaf, loaded):
        raise refuse(
            f"the key {key} does not belong to the first certificate in {certificate}; "
            "the server's own certificate must come first, its chain after it"
        )
    if leaf.not_valid_after_utc <= now:
        raise refuse(
            f"the certificate {certificate} expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} "
            "UTC; renew it, or leave the option out for a local one"
        )
    if leaf.not_valid_before_utc > now:
        raise refuse(
            f"the certificate {certificate} is not valid before "
            f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; is this machine's clock right?"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            f"cannot read the certificate file {path}: {error.strerror}", code="bad_option"
        ) from error


def _write(path: Path, data: bytes, *, mode: int = 0o600, replace: bool = True) -> None:
    """Put a whole file in place, never readable by others on the way. Without `replace` a file
    that is there already stays: publishing by link fails when somebody else was first."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        if replace:
            temporary.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)

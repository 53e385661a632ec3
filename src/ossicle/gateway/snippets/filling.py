"""The texts of the templates, filled in for one gateway.

Pure: knows addresses and nothing else. The command line, the playground (`GET /v1/snippets`) and
the tests show, copy and run the same texts.

    here = Address(http="http://localhost:8080", https="https://localhost:8443", ca="/x/ca.pem")
    for each in snippets(here, paths={"/v1/stream"}):
        print(each.title, each.text, sep="\n")
"""

import difflib
import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ossicle.core.errors import Refused

from .templates import MARK, TEMPLATES, Template

__all__ = ["Address", "Snippet", "fill", "find", "snippets"]


class Address(msgspec.Struct, frozen=True):
    """Where this gateway is reached."""

    http: str = ""
    """As `http://HOST:PORT`; empty = that door is closed."""
    https: str = ""
    """As `https://HOST:PORT`; empty = that door is closed."""
    ca: str = ""
    """Path of the local authority's `ca.pem`; empty = the certificate is trusted anyway."""
    grpc: str = ""
    """As `grpc://HOST:PORT`; empty = that door is closed."""
    grpcs: str = ""
    """The same over TLS, as `grpcs://HOST:PORT`."""

    def seen_from(self, host: str) -> "Address":
        """The same doors under the name that a client used for this machine (a `Host` header, its
        port ignored). A name that is none leaves the address as it is."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if not _HOST.fullmatch(name):
            return self
        return msgspec.structs.replace(
            self,
            http=_renamed(self.http, name),
            https=_renamed(self.https, name),
            grpc=_renamed(self.grpc, name),
            grpcs=_renamed(self.grpcs, name),
        )


class Snippet(msgspec.Struct, frozen=True):
    """One text, filled in."""

    sdk: str
    language: str
    title: str
    text: str
    changes: tuple[int, ...]
    """Numbers of the lines, from 1, that differ from what the vendor's documents say."""
    install: str = ""
    suffix: str = ""


def snippets(here: Address, paths: Collection[str]) -> tuple[Snippet, ...]:
    """Every text that works at this gateway, in the order of `TEMPLATES`.

    Args:
        here: its addresses.
        paths: where something answers.
    """
    return tuple(
        fill(each, here) for each in TEMPLATES if each.path in paths and _reached(each, here)
    )


def find(
    here: Address, paths: Collection[str], sdk: str, language: str = ""
) -> tuple[Snippet, ...]:
    """The texts of one SDK, in one language or in all.

    Raises:
        Refused: no such SDK or language, nothing answers at its path in this version, or it
            insists on TLS and that door is closed. The text names what there is.
    """
    wanted, language = _same(sdk), language or _spoken(sdk)
    of_sdk = [each for each in TEMPLATES if each.sdk == wanted]
    if not of_sdk:
        raise Refused(_unknown("SDK", sdk, (each.sdk for each in TEMPLATES)), code="bad_option")
    spoken = _LANGUAGES.get(language.lower(), language.lower())
    chosen = [each for each in of_sdk if not language or each.language == spoken]
    if not chosen:
        names = (each.language for each in of_sdk)
        raise Refused(_unknown(f"language of {wanted}", language, names), code="bad_option")
    answered = [each for each in chosen if each.path in paths]
    if not answered:
        raise Refused(
            f"{wanted} needs {chosen[0].path}, where nothing answers in this version",
            code="not_found",
        )
    reached = [each for each in answered if _reached(each, here)]
    if not reached:
        raise Refused(
            f"{wanted} in {answered[0].language} insists on TLS and that door is closed: start the"
            f" gateway with {'--grpc-tls-port' if answered[0].rpc else '--tls-port'}",
            code="bad_option",
        )
    return tuple(fill(each, here) for each in reached)


def fill(template: Template, here: Address) -> Snippet:
    """One text for one gateway."""
    plain, over_tls = (here.grpc, here.grpcs) if template.rpc else (here.http, here.https)
    url = over_tls if template.secure or not plain else plain
    secure = url.startswith(("https:", "grpcs:"))
    ca = here.ca if secure else ""
    values = {
        "url": url,
        "ws": ("wss" if secure else "ws") + "://" + urlsplit(url).netloc,
        "host": urlsplit(url).netloc,
        "python": f"SSL_CERT_FILE={ca} python" if ca else "python",
        "node": f"NODE_EXTRA_CA_CERTS={ca} node" if ca else "node",
        "curl_ca": f"--cacert {ca} " if ca else "",
        "ca": ca,
        "port": str(urlsplit(url).port or ""),
        "name": urlsplit(url).hostname or "",
        "rpc_python": f"{_ROOTS}={ca} python" if ca else "python",
        "rpc_node": f"{_ROOTS}={ca} node" if ca else "node",
        "install": template.install,
    }
    lines: list[str] = []
    changes: list[int] = []
    for line in template.text.strip("\n").splitlines():
        if line.startswith(MARK):
            changes.append(len(lines) + 1)
        for name, value in values.items():
            line = line.replace("{{" + name + "}}", value)  # noqa: PLW2901  filled step by step
        lines.append(line.removeprefix(MARK))
    title = template.title or f"{template.sdk.capitalize()}, {template.language}"
    return Snippet(
        template.sdk,
        template.language,
        title,
        "\n".join(lines) + "\n",
        tuple(changes),
        template.install,
        template.suffix,
    )


def _renamed(url: str, name: str) -> str:
    if not url:
        return url
    port = urlsplit(url).port
    return urlunsplit((urlsplit(url).scheme, f"{name}:{port}" if port else name, "", "", ""))


def _reached(template: Template, here: Address) -> bool:
    plain, over_tls = (here.grpc, here.grpcs) if template.rpc else (here.http, here.https)
    return bool(over_tls) if template.secure else bool(plain or over_tls)


def _spoken(name: str) -> str:
    """The language in a name like `google-python`."""
    tail = name.strip().lower().rpartition("-")[2] if "-" in name else ""
    spoken = _LANGUAGES.get(tail, tail)
    return spoken if spoken in {each.language for each in TEMPLATES} else ""


def _same(name: str) -> str:
    """Names as people write them: `@deepgram/sdk`, `deepgram-sdk`, `Deepgram`."""
    plain = name.strip().lower().removeprefix("@").removesuffix("/sdk").removesuffix("-sdk")
    if _spoken(name):
        plain = plain.rpartition("-")[0]
    return _NAMES.get(plain, plain)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name.lower(), names, 1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{what} {name[:60]!r} is not known; {guess}there are {', '.join(names)}"


_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\]")
_LANGUAGES = {"js": "javascript", "node": "javascript", "py": "python", "bash": "shell",
              "sh": "shell", "twiml": "xml"}  # fmt: skip
_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
"""Where grpc looks for authorities, in Python and in Node."""
_NAMES = {
    "google-cloud/speech": "google",
    "google-cloud-speech": "google",
    "google-cloud": "google",
    "nvidia-riva-client": "riva",
    "nvidia-riva": "riva",
    "nvidia": "riva",
    "aai": "assemblyai",
    "aws": "amazon",
    "transcribe": "amazon",
    "assembly": "assemblyai",
    "deepgram-flux": "flux",
}

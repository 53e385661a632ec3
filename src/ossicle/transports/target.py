"""What a request line asks for, from the URL a user gave and the opening a dialect wants.

    request_target("https://host", Opening(path="/v1/stream", query=(("rate", "16000"),)))
    -> "/v1/stream?rate=16000"

The URL's path, unless it is empty or `/`, replaces the opening's; its query goes before the
opening's.
"""

from urllib.parse import quote, quote_plus, urlsplit

from ossicle.core.wire import Opening

__all__ = ["request_target"]


def request_target(url: str, opening: Opening) -> str:
    """Path and query, percent-encoded where they have to be."""
    parts = urlsplit(url)
    asked = quote(opening.path, safe="/:@!$&'()*+,;=~")
    path = asked if parts.path in {"", "/"} else quote(parts.path, safe="/:@!$&'()*+,;=~%")
    query = [quote(parts.query, safe="/:@!$&'()*+,;=~%?")] if parts.query else []
    query += [f"{quote_plus(name)}={quote_plus(value)}" for name, value in opening.query]
    return path + ("?" + "&".join(query) if query else "")

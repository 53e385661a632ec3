"""Which browser has what since which version: an extract of MDN's browser-compat-data.

    BROWSERS.lacking("webtransport", ("safari 26.3",))    -> ("Safari 26.3",)
    BROWSERS.lacking("webtransport")                      -> (), every current browser has it

The data (CC0 1.0) is from the npm package `@mdn/browser-compat-data`; `make facts` writes
`browsers.json` from the version that `tests/interop/js` pins. Knows no wire.
"""

import difflib
import re
from importlib.resources import files

import msgspec

from ossicle.core.errors import Refused

__all__ = ["BROWSERS", "Browser", "Browsers", "Feature", "Since"]


class Browser(msgspec.Struct, frozen=True):
    """One browser as it is now."""

    title: str
    engine: str
    current: str
    """The newest released version."""
    released: str
    """When that was, `YYYY-MM-DD`."""


class Since(msgspec.Struct, frozen=True):
    """From when on a browser has a feature."""

    version: str
    """Empty = it does not."""
    date: str = ""
    """Release of that version; empty = it is not out yet, or not known."""


class Feature(msgspec.Struct, frozen=True):
    """One feature of the Web."""

    what: str
    path: str
    """Its name in the data."""
    support: dict[str, Since]


class Browsers(msgspec.Struct, frozen=True):
    """The whole extract."""

    package: str
    version: str
    date: str
    """When the data was published."""
    licence: str
    browsers: dict[str, Browser]
    features: dict[str, Feature]

    @property
    def source(self) -> str:
        """Where it is from."""
        return f"https://github.com/mdn/browser-compat-data/releases/tag/v{self.version}"

    def lacking(self, feature: str, asked: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Which of these browsers do not have it, in words.

        Args:
            asked: `NAME` for the current version, or `NAME VERSION`; none = every browser that is
                known, as it is now.

        Raises:
            Refused: a name that is not known, or a version that is none.
        """
        support = self.features[feature].support
        found: list[str] = []
        for each in asked or tuple(self.browsers):
            name, version = self.read(each)
            since = support[name].version
            if not since or _number(version) < _number(since):
                found.append(f"{self.browsers[name].title} {version}")
        return tuple(found)

    def read(self, text: str) -> tuple[str, str]:
        """Name and version of `safari`, `safari 26.3`, `safari>=26.3` or `Safari@26.3`.

        Raises:
            Refused: as `lacking`.
        """
        match = _ASKED.fullmatch(text.strip().lower())
        name = match["name"].replace(" ", "_").replace("-", "_") if match else ""
        name = _ALIASES.get(name, name)
        if match is None or name not in self.browsers:
            near = difflib.get_close_matches(name or text.lower(), self.browsers, 1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            raise Refused(
                f"browser {text[:40]!r} is not known; {guess}there are {', '.join(self.browsers)}, "
                'each alone or with a version, as "safari 26.4"',
                code="bad_option",
            )
        return name, match["version"] or self.browsers[name].current

    def short(self, feature: str) -> str:
        """For a cell: who has it."""
        have = [b.title for name, b in self.browsers.items() if not self.lacking(feature, (name,))]
        if len(have) == len(self.browsers):
            return "all"
        return f"{', '.join(have)} only" if have else "none"

    def sentence(self, feature: str) -> str:
        """Who has it since when."""
        parts: list[str] = []
        for name, since in self.features[feature].support.items():
            title = self.browsers[name].title
            if not since.version:
                parts.append(f"{title} does not have it")
            elif not since.date:
                parts.append(f"{title} will have it in {since.version}")
            else:
                parts.append(f"{title} since {since.version} ({since.date})")
        return ", ".join(parts)


_ASKED = re.compile(r"(?P<name>[a-z][a-z_ -]*?)(?:\s*(?:>=|@|=|\s)\s*(?P<version>\d+(?:\.\d+)*))?")
_ALIASES = {"ios": "safari_ios", "safari_on_ios": "safari_ios", "iphone": "safari_ios",
            "android": "chrome_android", "chromium": "chrome", "firefox_for_android":
            "firefox_android", "chrome_on_android": "chrome_android"}  # fmt: skip


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


BROWSERS: Browsers = msgspec.json.decode(
    (files("ossicle") / "advisor" / "browsers.json").read_bytes(), type=Browsers
)

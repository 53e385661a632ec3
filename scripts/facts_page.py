"""The pages about wires, from the table of facts: every fact with its source, and the comparison.

`reference.py` writes `docs/reference/wires.md` and the figures whole, and the parts of
`docs/explanation/choosing-a-protocol.md` between its marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ossicle.advisor import Inputs, decide
from ossicle.advisor.browsers import BROWSERS
from ossicle.advisor.facts import ASPECTS, FACTS, PROVIDERS, WIRES, Fact

__all__ = ["between", "choices", "comparison", "wires_page"]

_SIGNS = {"yes": "●", "partly": "◐", "no": "○", "": ""}

ABOUT = """\
# Wires: every fact, its source and its date

What [`ossicle advise`](cli.md) and
[Choosing a protocol](../explanation/choosing-a-protocol.md) rest on. A date is that of the source;
*read* means that the page bears none, and the date is that of reading. *Measured by* names the
test that shows it here. A mark says how good it is for streaming speech: ● good, ◐ with a
reservation, ○ not.

The table stands in `src/ossicle/advisor/facts.toml`. Browser support is generated: see
[the end of this page](#browsers).
"""


def source(fact: Fact) -> str:
    """A link, or the page or test of ours."""
    if not fact.source.startswith("https://"):
        if fact.source.startswith("docs/"):
            name = fact.source.rsplit("/", 1)[-1]
            return f"[{name}](../{fact.source.removeprefix('docs/')})"
        return f"`{fact.source}`"
    host = fact.source.removeprefix("https://").removeprefix("www.")
    return f"[{host.partition('/')[0]}]({fact.source})"


def rows(facts: Mapping[str, Fact]) -> list[str]:
    """A table of facts; the key is what the first cell says."""
    out = ["| | | what is known | source | date | measured by |", "|---|---|---|---|---|---|"]
    for title, fact in facts.items():
        test = f"`{fact.test.rpartition('::')[2]}`" if fact.test else ""
        sign = _SIGNS[fact.mark]
        value = f"{sign} {fact.value}" if sign else fact.value
        out.append(f"| {title} | {value} | {fact.text} | {source(fact)} | {fact.dated} | {test} |")
    return [*out, ""]


def wires_page() -> str:
    """Every fact."""
    out = [ABOUT]
    for wire, name in WIRES.items():
        own = {aspect: FACTS[f"{wire}.{aspect}"] for aspect in ASPECTS}
        named = {ASPECTS[aspect]: fact for aspect, fact in own.items()}
        named |= {
            fact.name.partition(".")[2].replace("_", " "): fact
            for fact in FACTS.values()
            if fact.name.startswith(f"{wire}.") and fact not in own.values()
        }
        out += [f"## {name}\n", *rows(named)]
    out += ["## Providers\n"]
    providers = {
        f"{title}, {fact.name.partition('.')[2]}": fact
        for name, title in {**PROVIDERS, "twilio": "Twilio"}.items()
        for fact in FACTS.values()
        if fact.name.startswith(f"{name}.")
    }
    out += rows(providers)
    subjects = {*WIRES, *PROVIDERS, "twilio"}
    others = {
        fact.name.replace(".", ": "): fact
        for fact in FACTS.values()
        if fact.name.partition(".")[0] not in subjects
    }
    out += ["## Beside the wires\n", *rows(others), *browser_rows()]
    return "\n".join(out)


def browser_rows() -> list[str]:
    """Which browser has what, since when."""
    columns = list(BROWSERS.browsers.values())
    about = (
        f"From the npm package `{BROWSERS.package}` {BROWSERS.version} of {BROWSERS.date}, by "
        "Mozilla and others, in the public domain (CC0 1.0). `make facts` takes a newer one. A "
        "version without a date is announced and not out yet.\n"
    )
    out = [
        "## Browsers\n",
        about,
        "| | " + " | ".join(f"{each.title}<br>{each.engine}" for each in columns) + " |",
        "|---|" + "---|" * len(columns),
        "| now | " + " | ".join(f"{each.current}<br>{each.released}" for each in columns) + " |",
    ]
    for feature in BROWSERS.features.values():
        cells = [
            (f"{since.version}<br>{since.date}" if since.date else since.version) or "no"
            for since in (feature.support[name] for name in BROWSERS.browsers)
        ]
        out.append(f"| {feature.what} | " + " | ".join(cells) + " |")
    return [*out, ""]


def comparison() -> str:
    """Wires beside each other."""
    out = [
        "| | " + " | ".join(WIRES.values()) + " |",
        "|---|" + "---|" * len(WIRES),
    ]
    for aspect, title in ASPECTS.items():
        cells = [FACTS[f"{wire}.{aspect}"] for wire in WIRES]
        out.append(
            f"| {title} | " + " | ".join(f"{_SIGNS[f.mark]} {f.value}" for f in cells) + " |"
        )
    return "\n".join(out)


_CHOICES: tuple[tuple[str, Inputs, str], ...] = (
    ("a browser, for captions", Inputs(client="browser"),
     "no word is lost, thirty lines, every provider has it"),
    ("a browser, for conversation, under 100 ms", Inputs(client="browser", latency_ms=100),
     "the echo is cancelled, late sound is dropped"),
    ("an app on a phone", Inputs(client="mobile"),
     "as a browser; WebRTC where its own audio path is wanted"),
    ("a server", Inputs(client="server"), "least effort; 100 ms is no matter of the wire"),
    ("a server of a team that runs gRPC", Inputs(client="server", grpc=True),
     "flow control, and many streams on one connection"),
    ("a telephone line", Inputs(client="telephone"),
     "it is what lines speak; a gateway goes on from there"),
    ("recordings", Inputs(client="batch"), "one request, one status"),
    ("one speaker with an audience, both ends yours",
     Inputs(client="browser", audience=True, both_ends=True), "relays copy it"),
    ("one speaker with an audience, otherwise", Inputs(client="browser", audience=True),
     "listeners follow the session in any browser"),
    ("a server that uses Google", Inputs(provider="google"), "Google streams over nothing else"),
    ("a server that uses Amazon", Inputs(provider="amazon"), "its SDKs speak it"),
    ("a page that uses OpenAI", Inputs(client="browser", provider="openai"),
     "OpenAI recommends it there"),
    ("a page that uses Google", Inputs(client="browser", provider="google"),
     "no browser speaks gRPC: a gateway does, behind"),
)  # fmt: skip
"""Who sends, as a question to the advisor, and the reason in few words."""


def choices() -> str:
    """What the advisor says to those who ask most often."""
    out = ["| who sends | first choice | second | because |", "|---|---|---|---|"]
    for who, asked, why in _CHOICES:
        found = decide(asked)
        second = WIRES[found.runner_up.wire] if found.runner_up else ""
        out.append(f"| {who} | {WIRES[found.recommended.wire]} | {second} | {why} |")
    return "\n".join(out)


def between(text: str, name: str, made: str) -> str:
    """The text with what stands between two marks replaced.

    Raises:
        ValueError: the marks are not there.
    """
    pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the marks of {name!r} are not there")
    return pattern.sub(lambda found: f"{found[1]}\n{made}\n{found[2]}", text, count=1)

"""The lines that point other people's SDKs at this gateway: `ossicle snippet`, and the playground.

Two ideas: the texts with what is known of each (`templates`), and filling them in (`filling`).

    here = Address(http="http://localhost:8080", https="https://localhost:8443", ca="/x/ca.pem")
    for each in snippets(here, paths={"/v1/stream"}):
        print(each.title, each.text, sep="\n")
"""

from .filling import Address, Snippet, fill, find, snippets
from .templates import TEMPLATES, Template

__all__ = ["TEMPLATES", "Address", "Snippet", "Template", "fill", "find", "snippets"]

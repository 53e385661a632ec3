"""The OpenAPI 3.1 document of the gateway, from the table of routes and the types they name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from openapi_routes import ROUTES, TAGS, Credential, Media, Refusals, Route, What
from schemas import Schema, Shelf

from ossicle.core.errors import CODES, Fault
from ossicle.dialects.amazon.errors import status as amazon_status
from ossicle.dialects.amazon.messages import ExceptionBody
from ossicle.dialects.assemblyai.endpoints import TokenRefused
from ossicle.dialects.deepgram.errors import status as deepgram_status
from ossicle.dialects.native.errors import STATUS
from ossicle.dialects.native.messages import ErrorBody
from ossicle.dialects.openai.errors import status as openai_status

__all__ = ["openapi_document", "project"]

DEEPGRAM_ERROR: Schema = {
    "title": "Error",
    "description": "Why a request was refused.",
    "type": "object",
    "required": ["err_code", "err_msg", "request_id"],
    "properties": {
        "err_code": {"type": "string", "description": "The service's own name of the error."},
        "err_msg": {"type": "string", "description": "One sentence for a person."},
        "request_id": {"type": "string", "description": "As in the header `dg-request-id`."},
    },
}
DEEPGRAM_NEWER_ERROR: Schema = {
    "title": "Error",
    "description": "Why a request was refused, as the newer API says it.",
    "type": "object",
    "required": ["category", "message", "details", "request_id"],
    "properties": {
        "category": {"type": "string", "description": "The service's own name of the error."},
        "message": {"type": "string", "description": "One sentence for a person."},
        "details": {"type": "string", "description": "The gateway's own code of the error."},
        "request_id": {"type": "string", "description": "As in the header `dg-request-id`."},
    },
}
OPENAI_ERROR: Schema = {
    "title": "Error",
    "description": "Why a request was refused.",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string", "description": "One sentence for a person."},
                "type": {"type": "string", "description": "The service's own kind of the error."},
                "param": {"type": ["string", "null"], "description": "Which member."},
                "code": {"type": "string", "description": "The service's own code of it."},
            },
        }
    },
}
CREDENTIALS: dict[str, Schema] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, or a token that ends by itself.",
    },
    "token": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "A token that ends by itself; a key is refused here.",
    },
    "deepgram": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token KEY` or `Bearer TOKEN`.",
    },
    "assemblyai": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The bare key.",
    },
    "openai": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, or one that ends by itself (`ek_…`).",
    },
    "amazon": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Signature Version 4 of the service `transcribe`.",
    },
    "twilio": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Twilio-Signature",
        "description": "Checked where the secret of the account is configured.",
    },
}
ACCEPTED: dict[Credential, list[dict[str, list[str]]]] = {
    "": [],
    "native": [{"key": []}, {"token": []}, {}],
    "deepgram": [{"deepgram": []}, {}],
    "assemblyai": [{"assemblyai": []}, {}],
    "amazon": [{"amazon": []}, {}],
    "openai": [{"openai": []}, {}],
    "twilio": [{"twilio": []}, {}],
}
"""The last, empty one: where keys are off, nothing is asked for."""
REASONS = {
    400: "The request is not what is taken here.",
    401: "No key, or one that is not known.",
    403: "A key that may not do this, or a page that is not ours.",
    404: "There is no such thing.",
    408: "It took too long.",
    409: "Somebody else has taken over.",
    410: "It was here, and is gone.",
    413: "Too much of it.",
    415: "Sound that nobody decodes here.",
    422: "No recording where one was said to be.",
    429: "Too many; `retry-after` says when.",
    500: "Our mistake.",
    501: "A part that is not installed.",
    502: "What listens behind the gateway failed.",
    503: "Not now; `retry-after` says when.",
    504: "What listens behind the gateway took too long.",
}


def project() -> tuple[str, str]:
    """Version and description, as the package has them."""
    root = Path(__file__).resolve().parent.parent
    table = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return table["version"], table["description"]


def openapi_document() -> Schema:
    """The document."""
    version, text = project()
    shelf = Shelf()
    shelf.schemas["deepgram.Error"] = DEEPGRAM_ERROR
    shelf.schemas["deepgram.NewerError"] = DEEPGRAM_NEWER_ERROR
    shelf.schemas["openai.Error"] = OPENAI_ERROR
    paths: dict[str, dict[str, Schema]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shelf)
    document = {
        "openapi": "3.1.1",
        "info": {
            "title": "Ossicle",
            "version": version,
            "description": f"{text} Plain HTTP; WebSockets are in asyncapi.json.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document was fetched."}],
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(shelf.schemas.items())),
            "securitySchemes": CREDENTIALS,
        },
    }
    # Defaults of structs are structs and tuples; in JSON they are objects and lists.
    return msgspec.json.decode(msgspec.json.encode(document))


def _operation(route: Route, shelf: Shelf) -> Schema:
    named = re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").rstrip("_")
    operation: Schema = {
        "operationId": named,
        "tags": [route.tag],
        "summary": route.summary,
        "security": ACCEPTED[route.credential],
    }
    if route.text:
        operation["description"] = route.text
    given = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    for name, schema in route.headers.items():
        said = {k: v for k, v in schema.items() if k != "description"}
        text = schema.get("description", "")
        given.append({"name": name, "in": "header", "description": text, "schema": said})
    for name, schema in route.query.items():
        said = {k: v for k, v in schema.items() if k != "description"}
        given.append(
            {
                "name": name,
                "in": "query",
                "required": name in route.needs,
                "description": schema.get("description", ""),
                "schema": said,
            }
        )
    if given:
        operation["parameters"] = given
    if route.takes:
        operation["requestBody"] = {"content": _content(route.takes, shelf)}
    answers = {str(route.status): _answer("As asked.", route.gives, shelf)}
    answers |= _refusals(route.refuses, shelf)
    for status, also in route.also.items():
        answers[str(status)] = _answer(also.text, also.gives, shelf)
    operation["responses"] = dict(sorted(answers.items()))
    return operation


def _answer(text: str, gives: Media, shelf: Shelf) -> Schema:
    return {"description": text} | ({"content": _content(gives, shelf)} if gives else {})


def _content(media: Media, shelf: Shelf) -> Schema:
    return {kind: {"schema": _schema(what, shelf)} for kind, what in media.items()}


def _schema(what: What | Any, shelf: Shelf) -> Any:
    """A schema written by hand may name types."""
    if isinstance(what, type) and issubclass(what, msgspec.Struct):
        return shelf.ref(what)
    if isinstance(what, dict):
        return {key: _schema(value, shelf) for key, value in what.items()}
    if isinstance(what, list):
        return [_schema(each, shelf) for each in what]
    return what


def _refusals(whose: Refusals, shelf: Shelf) -> dict[str, Schema]:
    """Every status a route may refuse with, and the codes behind it."""
    match whose:
        case "":
            return {}
        case "text":
            refusal: Media = {"text/plain": {"type": "string"}}
            return {
                str(status): _answer(text, refusal, shelf)
                for status, text in (
                    (400, "A parameter that is too long."),
                    (403, "The signature is wrong or missing."),
                )
            }
        case "assemblyai":
            refusal = {"application/json": TokenRefused}
            return {
                str(status): _answer(REASONS[status], refusal, shelf)
                for status in (400, 401, 403, 429, 500)
            }
        case "amazon":
            refusal = {"application/json": ExceptionBody}
            of_code = {code: amazon_status(Fault(code, "", kind.whose))
                       for code, kind in CODES.items()}  # fmt: skip
        case "openai":
            refusal = {"application/json": {"$ref": "#/components/schemas/openai.Error"}}
            of_code = {code: openai_status(Fault(code, "", kind.whose))
                       for code, kind in CODES.items()}  # fmt: skip
        case "native":
            refusal = {"application/json": ErrorBody}
            of_code = STATUS
        case "deepgram" | "deepgram-v2":
            name = "deepgram.Error" if whose == "deepgram" else "deepgram.NewerError"
            refusal = {"application/json": {"$ref": f"#/components/schemas/{name}"}}
            of_code = {code: deepgram_status(Fault(code, "")) for code in CODES}
    by_status: dict[int, list[str]] = {}
    for code, status in of_code.items():
        by_status.setdefault(status, []).append(code)
    return {
        str(status): _answer(
            f"{REASONS[status]} Codes: {', '.join(f'`{code}`' for code in codes)}.", refusal, shelf
        )
        for status, codes in sorted(by_status.items())
    }

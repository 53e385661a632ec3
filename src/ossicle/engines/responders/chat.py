"""Any OpenAI-compatible chat endpoint as a responder: `chat:URL?model=NAME&key_env=VARIABLE`.

    chat:http://localhost:11434/v1?model=llama3.2
    chat:https://api.openai.com/v1?model=gpt-4o-mini&key_env=OPENAI_API_KEY

Streamed: words are passed on as the model writes them. Tools that a session offers go along, and
what the model wants called comes back as a `ToolCall`.
"""

import json
import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec

from ...core.errors import EngineFailed, Refused
from ...core.events import Usage
from ...core.options import Tool
from ..request import Limits, Way, directly, posted
from . import Entry, Piece, Question, ToolCall

__all__ = ["Chat", "chat"]


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Counted(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Counted | None = None
    error: Any = None


_chunks = msgspec.json.Decoder(_Chunk)


class Chat:
    """Implements `Responder`."""

    def __init__(
        self,
        url: str,
        *,
        model: str,
        key_env: str = "",
        instructions: str = "",
        environment: Mapping[str, str] = os.environ,
        limits: Limits | None = None,
        way: Way = directly,
    ) -> None:
        """
        Args:
            url: up to and with `/v1`.
            model: what to ask for.
            key_env: the variable its key is in, read for each answer; empty = it wants none.
            instructions: where a session brings none.
            environment: where keys are looked for.
            limits: patience.
            way: to the server.
        """
        self.name = model or "chat"
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._key_env = key_env
        self._instructions = instructions
        self._environment = environment
        self._limits = limits or Limits()
        self._way = way

    async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
        """The model's answer."""
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        if self._key_env:
            key = self._environment.get(self._key_env)
            if not key:
                raise EngineFailed(
                    f"{self._key_env} holds no key for {self.name}", code="engine_unavailable"
                )
            headers["authorization"] = f"Bearer {key}"
        body = json.dumps(self._body(question)).encode()
        calls: dict[int, _Call] = {}
        async with posted(self._url, headers, body, self._limits, way=self._way) as answer:
            async for line in answer.lines():
                if not line.startswith("data:"):
                    continue
                data = line[5:].strip()
                if data == "[DONE]":
                    break
                chunk = self._read(data)
                if chunk.usage is not None:
                    yield Usage(
                        input_tokens=chunk.usage.prompt_tokens,
                        output_tokens=chunk.usage.completion_tokens,
                    )
                for choice in chunk.choices[:1]:
                    delta = choice.delta or _Delta()
                    if delta.content:
                        yield delta.content
                    for call in delta.tool_calls or ():
                        _add(calls, call)
        for place in sorted(calls):
            call = calls[place]
            function = call.function or _Function()
            if function.name:
                yield ToolCall(
                    call.id or f"call_{place}", function.name, function.arguments or "{}"
                )

    def _read(self, data: str) -> _Chunk:
        try:
            chunk = _chunks.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise EngineFailed(f"{self.name} answered with what is no chunk of a chat") from error
        if chunk.error is not None:
            raise EngineFailed(f"{self.name} broke off with an error")
        return chunk

    def _body(self, question: Question) -> dict[str, Any]:
        options = question.options
        messages: list[dict[str, Any]] = []
        if instructions := options.instructions or self._instructions:
            messages.append({"role": "system", "content": instructions})
        for entry in question.entries:
            _append(messages, entry)
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if options.tools:
            body["tools"] = [_tool(tool) for tool in options.tools]
            choice = options.tool_choice
            plain = choice in {"auto", "none", "required"}
            body["tool_choice"] = (
                choice if plain else {"type": "function", "function": {"name": choice}}
            )
        if options.max_tokens is not None:
            body["max_tokens"] = options.max_tokens
        return body


def chat(argument: str, way: Way = directly) -> Chat:
    """The responder of `URL?model=…&key_env=…&instructions=…`.

    Raises:
        Refused: no address, or a word that is not known.
    """
    parts = urlsplit(argument)
    words = dict(parse_qsl(parts.query))
    unknown = words.keys() - {"model", "key_env", "instructions"}
    if parts.scheme not in {"http", "https"} or not parts.hostname or unknown:
        what = f"{min(unknown)!r} is not known" if unknown else "an http(s) address is needed"
        raise Refused(
            f"chat: {what}; as in chat:http://localhost:11434/v1?model=llama3.2&key_env=NAME",
            code="bad_option",
        )
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return Chat(
        url,
        model=words.get("model", ""),
        key_env=words.get("key_env", ""),
        instructions=words.get("instructions", ""),
        way=way,
    )


def _add(calls: dict[int, _Call], piece: _Call) -> None:
    """Arguments come in pieces, the name with the first."""
    held = calls.setdefault(piece.index, _Call(piece.index, function=_Function()))
    held.id = held.id or piece.id
    if held.function is not None and piece.function is not None:
        held.function.name = held.function.name or piece.function.name
        held.function.arguments = (held.function.arguments or "") + (piece.function.arguments or "")


def _append(messages: list[dict[str, Any]], entry: Entry) -> None:
    match entry.role:
        case "call":
            call = {
                "id": entry.call,
                "type": "function",
                "function": {"name": entry.name, "arguments": entry.text},
            }
            last = messages[-1] if messages else {}
            if "tool_calls" in last:
                last["tool_calls"].append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        case "result":
            messages.append({"role": "tool", "tool_call_id": entry.call, "content": entry.text})
        case _:
            messages.append({"role": entry.role, "content": entry.text})


def _tool(tool: Tool) -> dict[str, Any]:
    parameters: Any
    try:
        parameters = json.loads(tool.parameters)
    except ValueError:
        parameters = {}
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": parameters,
    }
    return {"type": "function", "function": function}

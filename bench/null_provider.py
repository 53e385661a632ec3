"""A provider that hears nothing: it speaks four dialects and answers every 100 ms of audio.

    python -m bench.null_provider        prints its address; what is spoken follows from the path

The same for every relay in front of it, as cheap as a WebSocket server in Python can be, and in a
process whose CPU nobody counts. Replies are numbered (`reply 17 ...`), so that whoever sent the
frame that completed them can tell how long theirs took.
"""

import asyncio
import base64
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

__all__ = ["REPLY_MS", "append"]

REPLY_MS = 100
"""Audio to a reply."""
RATE = 32_000
"""Bytes of a second, where it is 16 kHz."""
WORDS = "is what somebody has said so far, as a partial transcript has it after some seconds"


def native(number: int) -> str:
    """A partial of `ossicle.v1`: about 200 bytes, as all of these are."""
    return (
        f'{{"type":"transcript","seq":{number},"text":"reply {number} {WORDS}","turn":0,'
        f'"segment":0,"final":false,"start_ms":0,"end_ms":{number * REPLY_MS},"stable":60}}'
    )


def deepgram(number: int) -> str:
    """An interim result of `/v1/listen`."""
    return (
        f'{{"type":"Results","channel_index":[0,1],"duration":{number / 10},"start":0.0,'
        '"is_final":false,"speech_final":false,"channel":{"alternatives":[{"transcript":'
        f'"reply {number} {WORDS}","confidence":0.9,"words":[]}}]}}}}'
    )


def assemblyai(number: int) -> str:
    """A turn of `/v3/ws` that goes on."""
    return (
        '{"type":"Turn","turn_order":0,"turn_is_formatted":false,"end_of_turn":false,'
        f'"transcript":"reply {number} {WORDS}","end_of_turn_confidence":0.1,"words":[{{"start":0,'
        f'"end":{number * REPLY_MS},"text":"seconds","confidence":0.9,"word_is_final":true}}]}}'
    )


_DELTAS = 10
"""More words of one item, before the next."""


def openai(number: int) -> str:
    """More words of an item of `/v1/realtime`; with every tenth that item ends."""
    item, place = divmod(number, _DELTAS)
    name = f"item_{item:06}"
    if place:
        return (
            '{"type":"conversation.item.input_audio_transcription.delta",'
            f'"event_id":"event_{number:08}","item_id":"{name}","content_index":0,'
            f'"delta":"reply {number} is a few more words "}}'
        )
    return (
        '{"type":"conversation.item.input_audio_transcription.completed",'
        f'"event_id":"event_{number:08}","item_id":"item_{item - 1:06}","content_index":0,'
        f'"transcript":"reply {number} {WORDS}","usage":{{"type":"duration","seconds":1}}}}'
    )


def openai_around(number: int) -> Iterator[str]:
    """What else is said: an item begins with its first words and is committed before its last."""
    item, place = divmod(number, _DELTAS)
    if place == 1:
        yield (
            f'{{"type":"input_audio_buffer.speech_started","event_id":"event_s{item}",'
            f'"item_id":"item_{item:06}","audio_start_ms":{(number - 1) * REPLY_MS}}}'
        )
    elif not place:
        yield (
            f'{{"type":"input_audio_buffer.speech_stopped","event_id":"event_e{item}",'
            f'"item_id":"item_{item - 1:06}","audio_end_ms":{number * REPLY_MS}}}'
        )
        yield (
            f'{{"type":"input_audio_buffer.committed","event_id":"event_c{item}",'
            f'"item_id":"item_{item - 1:06}","previous_item_id":null}}'
        )


def append(audio: bytes) -> str:
    """Audio as `/v1/realtime` takes it."""
    held = base64.b64encode(audio).decode()
    return f'{{"type":"input_audio_buffer.append","audio":"{held}"}}'


def _alone(_number: int) -> tuple[str, ...]:
    return ()


class Spoken(NamedTuple):
    """One dialect, as much of it as a null provider needs."""

    hello: tuple[str, ...]
    reply: Callable[[int], str]
    before: Callable[[int], Iterator[str] | tuple[str, ...]]
    per_reply: int
    """Bytes of a reply's audio: of it, or of the messages it is wrapped in."""
    ends: bytes
    """What is in the message that says that nothing more will come."""
    last: tuple[str, ...]
    wrapped: bool = False
    """Audio is in text."""


_APPENDED = len(append(bytes(960)))

SPOKEN = {
    "/v1/stream": Spoken(
        (('{"type":"began","session":"null","token":"","resumed":false,"taken_bytes":0,'
         '"taken_commands":0,"options":{}}'),),
        native, _alone, RATE * REPLY_MS // 1000, b'"end"',
        ('{"type":"ended","reason":"done","audio_ms":0,"session_ms":0}',),
    ),
    "/v1/listen": Spoken(
        (), deepgram, _alone, RATE * REPLY_MS // 1000, b"CloseStream",
        (('{"type":"Metadata","transaction_key":"deprecated","request_id":"null","sha256":"",'
         '"created":"2026-01-01T00:00:00Z","duration":0.0,"channels":1}'),),
    ),
    "/v3/ws": Spoken(
        ('{"type":"Begin","id":"null","expires_at":4102444800}',),
        assemblyai, _alone, RATE * REPLY_MS // 1000, b"Terminate",
        ('{"type":"Termination","audio_duration_seconds":0,"session_duration_seconds":0}',),
    ),
    "/v1/realtime": Spoken(
        (('{"type":"session.created","event_id":"event_0","session":{"type":"transcription",'
         '"id":"sess_null","object":"realtime.transcription_session","expires_at":0}}'),),
        openai, openai_around, 5 * _APPENDED, b"\0", (), wrapped=True,
    ),
}  # fmt: skip


class Session(WSListener):
    """One connection."""

    def __init__(self, spoken: Spoken) -> None:
        self.spoken = spoken
        self.taken = self.said = 0
        self.due = spoken.per_reply

    def on_ws_connected(self, transport: WSTransport) -> None:
        for text in self.spoken.hello:
            transport.send(WSMsgType.TEXT, text)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type is WSMsgType.BINARY:
            self._heard(transport, len(frame.get_payload_as_memoryview()))
        elif frame.msg_type is WSMsgType.TEXT:
            self._told(transport, frame.get_payload_as_bytes())

    def _told(self, transport: WSTransport, data: bytes) -> None:
        spoken = self.spoken
        if spoken.wrapped and b".append" in data[:64]:
            self._heard(transport, _APPENDED)
        elif spoken.wrapped and b"session.update" in data[:200]:
            transport.send(WSMsgType.TEXT, spoken.hello[0].replace("created", "updated", 1))
        elif spoken.ends in data:
            for text in spoken.last:
                transport.send(WSMsgType.TEXT, text)
            transport.send_close()
            transport.disconnect()

    def _heard(self, transport: WSTransport, size: int) -> None:
        self.taken += size
        spoken = self.spoken
        while self.taken >= self.due:
            self.due += spoken.per_reply
            self.said += 1
            for text in spoken.before(self.said):
                transport.send(WSMsgType.TEXT, text)
            transport.send(WSMsgType.TEXT, spoken.reply(self.said))


def _session(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
    spoken = SPOKEN.get(request.path.decode().partition("?")[0])
    if spoken is None:
        refused = WSUpgradeResponse.create_error_response(404, b"no such dialect\n")
        return WSUpgradeResponseWithListener(refused, None)
    return Session(spoken)


async def main() -> None:
    server = await ws_create_server(
        _session, "127.0.0.1", 0, enable_auto_ping=False, backlog=2048, max_frame_size=1 << 20
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def asked() -> None:
        if not os.read(0, 256) and not over.done():
            over.set_result(None)

    loop.add_reader(0, asked)
    await over
    server.close()


if __name__ == "__main__":
    uvloop.run(main())

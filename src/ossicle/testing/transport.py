"""`check_transport`: what every transport promises, as checks anybody can run on theirs.

    @asynccontextmanager
    async def make_pair(answer):
        ...                                   # a server whose acceptor makes a Recorder for its
        yield Pair(near, far)                 # channel and calls answer(channel); a client of it

    await check_transport(make_pair)

`near` called, `far` was asked. It knows no transport: what differs is in the traits and in
`half_close`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import msgspec

from ossicle.core.errors import ConnectionLost
from ossicle.core.ports import Channel
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Text

from .recorder import Recorder

__all__ = ["Answer", "MakePair", "Pair", "check_transport"]

Answer: TypeAlias = Callable[[Channel], None]
"""What the far end does with a new channel: inside the acceptor, so synchronous."""


class Pair(msgspec.Struct):
    """Both ends of one channel."""

    near: Recorder
    far: Recorder


Check: TypeAlias = "Callable[[MakePair], Awaitable[None]]"
MakePair: TypeAlias = Callable[[Answer], AbstractAsyncContextManager[Pair]]


async def check_transport(
    make_pair: MakePair,
    *,
    half_close: bool = False,
    pause_bound: int = 1 << 20,
    speaks_first: bool = False,
) -> None:
    """Run every check, each on a pair of its own.

    Args:
        make_pair: opens a channel; its far end calls the answer it is given.
        half_close: `Fin` is told, and the other direction stays open.
        pause_bound: bytes that may still come after `pause`.
        speaks_first: a wire without a handshake to hold (gRPC): Accept is told to the near end
            when there is a connection, texts are bytes, a refusal is a status without a body,
            and a near end's goodbye is its half close.

    Raises:
        AssertionError: naming the check that failed.
    """
    checks: list[Check] = [
        *(_speaking_first() if speaks_first else _holding()),
        _double_close,
        _abort_near,
        _abort_far,
        _raising,
        lambda make: _pause(make, pause_bound),
    ]
    if half_close:
        checks.append(_half_close)
    for check in checks:
        name = getattr(check, "__name__", "pause").strip("_<>").replace("lambda", "pause")
        try:
            await check(make_pair)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def _accept(channel: Channel) -> None:
    channel.send(Accept(flush=True))


def _expect(condition: bool, text: str) -> None:
    if not condition:
        raise AssertionError(text)


async def _ended(
    pair: Pair, near: type[BaseException] | None, far: type[BaseException] | None
) -> None:
    for name, leg, wanted in (("near", pair.near, near), ("far", pair.far, far)):
        await leg.until(lambda leg=leg: leg.over)
        kind = None if leg.error is None else type(leg.error)
        right = kind is wanted if wanted is None else kind is not None and issubclass(kind, wanted)
        _expect(right, f"{name} was told closed({leg.error!r}), not {wanted}")
    # Whatever comes late has had its turns of the loop to come.
    for _ in range(5):
        await asyncio.sleep(0)
    for leg in (pair.near, pair.far):
        _expect(not leg.broken, f"contract broken: {leg.broken}")


def _accepted(leg: Recorder) -> bool:
    return bool(leg.told) and isinstance(leg.told[0], Accept)


async def _order(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far
        messages: list[Message] = []
        for number in range(200):
            messages.append(Binary(b"%d," % number))
            if number % 7 == 0:
                messages.append(Text(f"é{number}\n"))
        for message in messages:
            near.channel.send(message)
            far.channel.send(message)
        whole = b"".join(
            m.data.encode() if isinstance(m, Text) else m.data
            for m in messages
            if isinstance(m, Text | Binary)
        )
        await far.until(lambda: far.size >= len(whole))
        # The tail of a byte stream told in lines comes with its end.
        tail = 0 if near.channel.traits.framed else len(whole.rpartition(b"\n")[2])
        await near.until(lambda: _accepted(near) and near.size >= len(whole) - tail)
        if far.channel.traits.framed:
            _expect(far.told == messages, "far was not told the messages near sent, in order")
            _expect(near.told[1:] == messages, "near was not told what far sent, in order")
        _expect(far.payload == whole, "far was told other bytes")
        _expect(near.payload == whole[: len(whole) - tail], "near was told other bytes")


def _holding() -> "list[Check]":
    return [_order, _held, _refused, _close_from_near, _close_from_far, _too_large]


def _speaking_first() -> "list[Check]":
    return [_order_of_bytes, _bytes_held, _refused_by_status, _goodbyes, _leaves]


async def _goodbyes(make_pair: MakePair) -> None:
    def answer(channel: Channel) -> None:
        channel.send(Accept())
        channel.send(Binary(b"hello"))

    async with make_pair(answer) as pair:
        near, far = pair.near, pair.far

        def end(message: Message) -> None:
            if isinstance(message, Fin):
                far.channel.send(Binary(b"last words"))
                far.channel.send(Close())

        far.on_message = end
        near.channel.send(Binary(b"all"))
        near.channel.send(Fin())
        near.channel.send(Binary(b"never"))
        await _ended(pair, None, None)
        _expect(far.told == [Binary(b"all"), Fin()], f"far was told {far.told}")
        said = [Accept(), Binary(b"hello"), Binary(b"last words"), Close()]
        _expect(near.told[1:] == said[1:], f"near was told {near.told}")


async def _leaves(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far

        def end(message: Message) -> None:
            if isinstance(message, Fin):
                far.channel.send(Close())

        far.on_message = end
        near.channel.send(Binary(b"last words"))
        near.channel.send(Close())
        await _ended(pair, None, None)
        _expect(far.payload == b"last words", "what was sent before Close was lost")


async def _order_of_bytes(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far
        messages: list[Message] = [Binary(b"%d" % number) for number in range(200)]
        for message in messages:
            near.channel.send(message)
            far.channel.send(message)
        await far.until(lambda: len(far.told) == 200)
        await near.until(lambda: len(near.told) == 201)
        _expect(far.told == messages, "far was not told the messages near sent, in order")
        _expect(near.told[1:] == messages, "near was not told what far sent, in order")


async def _bytes_held(make_pair: MakePair) -> None:
    def later(channel: Channel) -> None:
        asyncio.get_running_loop().call_later(0.01, _late, channel)

    def _late(channel: Channel) -> None:
        channel.send(Accept((("x-kit", "held"),), flush=True))
        channel.send(Binary(b"first"))
        channel.send(Text("second"))

    async with make_pair(later) as pair:
        near, far = pair.near, pair.far
        await near.until(lambda: bool(near.told))
        _expect(_accepted(near), "Accept was not told first")
        near.channel.send(Binary(b"unasked"))
        await far.until(lambda: far.payload == b"unasked")
        await near.until(lambda: len(near.told) == 3)
        _expect(near.told[1:] == [Binary(b"first"), Binary(b"second")], "out of order, or lost")


async def _refused_by_status(make_pair: MakePair) -> None:
    def refuse(channel: Channel) -> None:
        channel.send(Close(7, "because", (("x-kit", "no"),)))
        channel.send(Binary(b"never"))

    async with make_pair(refuse) as pair:
        await _ended(pair, None, None)
        told = [each for each in pair.near.told if not isinstance(each, Accept)]
        _expect(len(told) == 1 and isinstance(told[0], Close), f"near was told {told}")
        close = told[0]
        if isinstance(close, Close):
            _expect(close.code == 7 and close.reason == "because", "status or details were lost")
            _expect(("x-kit", "no") in close.headers, "the headers of the refusal were lost")
        _expect(not pair.far.told, "far was told something on a channel it refused")


async def _held(make_pair: MakePair) -> None:
    def later(channel: Channel) -> None:
        asyncio.get_running_loop().call_later(0.01, _late, channel)

    def _late(channel: Channel) -> None:
        channel.send(Accept((("x-kit", "held"),), flush=True))
        channel.send(Text("first\n"))
        channel.send(Text("second\n"))

    async with make_pair(later) as pair:
        near = pair.near
        await near.until(lambda: len(near.texts) == 2)
        _expect(_accepted(near), "Accept was not told first")
        accept = near.told[0]
        headers = accept.headers if isinstance(accept, Accept) else ()
        _expect(("x-kit", "held") in headers, "the headers of Accept were lost")
        _expect(near.texts == ["first\n", "second\n"], "what follows Accept is out of order")


async def _refused(make_pair: MakePair) -> None:
    def refuse(channel: Channel) -> None:
        channel.send(Close(403, "", (("x-kit", "no"),), b"because"))
        channel.send(Text("never"))

    async with make_pair(refuse) as pair:
        await _ended(pair, None, None)
        told = pair.near.told
        _expect(
            len(told) == 1 and isinstance(told[0], Close), f"near was told {len(told)} messages"
        )
        close = told[0]
        if isinstance(close, Close):
            _expect(close.code == 403 and close.body == b"because", "status or body was lost")
            _expect(("x-kit", "no") in close.headers, "the headers of the refusal were lost")
        _expect(not pair.far.told, "far was told something on a channel it refused")


async def _close_from_near(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far
        await near.until(lambda: _accepted(near))
        near.channel.send(Binary(b"last words"))
        near.channel.send(Close())
        await near.until(lambda: near.over)
        await far.until(lambda: far.over)
        _expect(far.payload == b"last words", "what was sent before Close was lost")
        _expect(near.error is None, f"near closed politely and was told {near.error!r}")
        if far.channel.traits.framed:
            _expect(isinstance(far.told[-1], Close), "far was not told the Close")
            _expect(far.error is None, f"far was closed politely and told {far.error!r}")


async def _close_from_far(make_pair: MakePair) -> None:
    def answer(channel: Channel) -> None:
        channel.send(Accept(flush=True))
        channel.send(Text("last words\n"))
        channel.send(Close())

    async with make_pair(answer) as pair:
        await _ended(pair, None, None)
        near = pair.near
        _expect(near.texts == ["last words\n"], "what was sent before Close was lost")
        _expect(isinstance(near.told[-1], Close), "near was not told the Close")


async def _double_close(make_pair: MakePair) -> None:
    def answer(channel: Channel) -> None:
        channel.send(Accept(flush=True))
        channel.send(Close())
        channel.send(Close(1008, "again"))
        channel.send(Text("never"))

    async with make_pair(answer) as pair:
        await _ended(pair, None, None)
        _expect(not pair.near.texts, "a message was sent after Close")
        for leg in (pair.near, pair.far):  # after the end nothing of this does anything
            leg.channel.send(Close())
            leg.channel.send(Text("never"))
            leg.channel.pause()
            leg.channel.resume()
            leg.channel.abort()
        await _ended(pair, None, None)


async def _abort_near(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        await pair.near.until(lambda: _accepted(pair.near))
        pair.near.channel.abort()
        _expect(not pair.near.over, "closed was told inside abort")
        pair.near.channel.abort()
        await _ended(pair, ConnectionLost, ConnectionLost)


async def _abort_far(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        await pair.near.until(lambda: _accepted(pair.near))
        pair.far.channel.abort()
        _expect(not pair.far.over, "closed was told inside abort")
        await _ended(pair, ConnectionLost, ConnectionLost)


async def _raising(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far
        await near.until(lambda: _accepted(near))

        def fail(message: Message) -> None:
            raise ValueError("on purpose")

        far.on_message = fail
        near.channel.send(Binary(b"one"))
        await far.until(lambda: far.over)
        _expect(far.error is not None, "a receiver raised and was told closed(None)")
        near.channel.send(Binary(b"two"))
        await near.until(lambda: near.over)
        _expect(not near.broken and not far.broken, f"{near.broken} {far.broken}")


async def _too_large(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far
        traits = far.channel.traits
        if not traits.framed:
            return
        await near.until(lambda: _accepted(near))
        near.channel.send(Binary(b"x" * traits.max_message))
        await far.until(lambda: far.size == traits.max_message)
        near.channel.send(Binary(b"x" * (traits.max_message + 1)))
        await far.until(lambda: far.over)
        code = "" if far.error is None else far.error.code
        _expect(code == "too_large", f"far was told {far.error!r}, not too_large")
        _expect(far.size == traits.max_message, "a message that is too large was told")
        await near.until(lambda: near.over)


async def _pause(make_pair: MakePair, bound: int) -> None:
    """A paused reader stops its peer, and nothing is lost."""
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far
        await near.until(lambda: _accepted(near))
        near.channel.send(Binary(b"x"))
        await far.until(lambda: far.size == 1)
        far.channel.pause()
        sent, piece = 1, b"x" * min(4096, far.channel.traits.max_message)
        while near.can_write and sent < 64 << 20:
            near.channel.send(Binary(piece))
            sent += len(piece)
            await asyncio.sleep(0)
        _expect(not near.can_write, f"writable(False) did not come within {sent} bytes")
        came = far.size
        _expect(came <= bound, f"{came} bytes came after pause, more than {bound}")
        for _ in range(20):
            await asyncio.sleep(0)
        _expect(far.size <= bound, f"{far.size} bytes came after pause, more than {bound}")
        far.channel.resume()
        await near.until(lambda: near.can_write)
        await far.until(lambda: far.size == sent)
        near.channel.send(Binary(b"y"))
        await far.until(lambda: far.size == sent + 1)


async def _half_close(make_pair: MakePair) -> None:
    async with make_pair(_accept) as pair:
        near, far = pair.near, pair.far
        near.channel.send(Binary(b"all"))
        near.channel.send(Fin())
        near.channel.send(Binary(b"never"))
        await far.until(lambda: bool(far.told) and isinstance(far.told[-1], Fin))
        _expect(far.payload == b"all", "something was told after Fin, or lost before it")
        far.channel.send(Text("answer\n"))
        await near.until(lambda: near.texts == ["answer\n"])
        far.channel.send(Close())
        await _ended(pair, None, None)

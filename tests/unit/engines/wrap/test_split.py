"""Several channels on a mono engine."""

import numpy as np
import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Cancel, End, Finalize
from ossicle.core.errors import Overloaded, Refused
from ossicle.core.events import Ended, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.engines.adapt import from_generator
from ossicle.engines.lifecycle import running
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.wrap.split import Split
from ossicle.testing.engine import HeldSink, check_engine
from ossicle.testing.marked import marked_audio, marked_expected


def interleaved(*channels):
    longest = max(map(len, channels))
    columns = [np.frombuffer(each.ljust(longest, b"\0"), "<i2") for each in channels]
    return np.stack(columns, axis=1).tobytes()


async def opened(script="heard", channels=2):
    sink = HeldSink()
    return await Split(ScriptedEngine(script), channels).open(Options(), sink), sink


def words(sink, channel):
    return tuple(
        word for final in sink.finals if final.channel == channel for word in final.words or ()
    )


async def test_it_keeps_the_contract():
    audio = interleaved(marked_audio([1, 2, 0, 3, 0]), marked_audio([4, 0, 5, 6, 0]))
    await check_engine(Split(ScriptedEngine("heard"), 2), audio=audio)


async def test_each_channel_is_heard_for_itself():
    left, right = [1, 2, 0, 3, 0], [4, 0, 5, 6, 7, 0]
    stream, sink = await opened()
    audio = interleaved(marked_audio(left), marked_audio(right))
    for at in range(0, len(audio), 1284):
        stream.audio(audio[at : at + 1284])
    stream.ask(End())
    assert words(sink, 0) == marked_expected(left)
    assert words(sink, 1) == marked_expected(right)
    assert [type(event) for event in sink.events].count(Ended) == 1


async def test_a_finalize_is_answered_once_by_the_last_channel():
    stream, sink = await opened()
    stream.audio(interleaved(marked_audio([1]), marked_audio([2])))
    stream.ask(Finalize(ref="all"))
    stream.ask(Finalize(ref="right", channel=1))
    stream.ask(Finalize())
    assert [(final.channel, final.text, final.ref) for final in sink.finals] == [
        (0, "w1", ""),
        (1, "w2", "all"),
        (1, "", "right"),
        (0, "", ""),
        (1, "", ""),
    ]
    with pytest.raises(Refused, match="channel 5 is outside 0-1"):
        stream.ask(Finalize(channel=5))


async def test_cancel_forgets_every_channel():
    stream, sink = await opened()
    stream.audio(interleaved(marked_audio([1]), marked_audio([2])))
    stream.ask(Cancel(side="in"))
    stream.ask(End())
    assert [final.text for final in sink.finals] == ["", ""]


async def test_credit_and_settled_are_the_least_and_never_lowered(hand_timers):
    sinks = []

    class Probe:
        capabilities = ScriptedEngine("").capabilities

        async def open(self, options, sink):
            assert options.hears == PCM16K
            sinks.append(sink)
            sink.credit(1000 * (3 - len(sinks)))
            return await ScriptedEngine("").open(options, HeldSink())

    sink = HeldSink()
    await Split(Probe(), 2).open(Options(), sink)
    assert sink.credit_ms == 1000
    sinks[0].credit(5000)
    assert sink.credit_ms == 1000
    sinks[1].credit(3000)
    assert sink.credit_ms == 3000
    sinks[0].settled(700)
    assert sink.settled_ms == 0
    sinks[1].settled(400)
    assert sink.settled_ms == 400


async def test_one_broken_channel_ends_all_once():
    stream, sink = await opened("heard?fail_at=100")
    stream.audio(interleaved(marked_audio([1]), marked_audio([2])))
    stream.ask(End())
    ends = [event for event in sink.events if isinstance(event, Ended)]
    assert len(ends) == 1
    assert ends[0].error.retryable


async def test_no_room_for_all_channels_is_no_room():
    async def heard(audio, options):
        async for _ in audio:
            yield Transcript(text="x")

    engine = from_generator(heard, ScriptedEngine("").capabilities, max_streams=3)
    async with running(engine):
        await Split(engine, 2).open(Options(), HeldSink())
        with pytest.raises(Overloaded):
            await Split(engine, 2).open(Options(), HeldSink())


async def test_what_cannot_be_split_is_refused():
    with pytest.raises(Refused, match="1 channels of pcm_s16le"):
        await Split(ScriptedEngine(""), 2).open(Options(hears=PCM16K), HeldSink())
    with pytest.raises(ValueError, match="outside 1-8"):
        Split(ScriptedEngine(""), 9)
    assert Split(ScriptedEngine(""), 2).capabilities.hears == (AudioFormat(channels=2),)

"""A stream over a network that breaks: it goes on by itself, and says so while it waits.

python examples/reconnect.py speech.wav [URL]
"""

import asyncio
import sys
import wave

import ossicle

PLAN = ossicle.Reconnect(
    total_s=300,  # try for five minutes, then give up
    buffer_s=60,  # meanwhile a minute of speech may wait; then `send` waits too
)


def buffering(state: ossicle.Buffering) -> None:
    where = "connected" if state.connected else "waiting for the network"
    print(f"{where}, {state.seconds or 0:.1f} s not acknowledged", file=sys.stderr)


async def main(path: str, url: str = "http://localhost:8080") -> None:
    with wave.open(path) as sound:
        heard = ossicle.AudioFormat("pcm_s16le", sound.getframerate(), sound.getnchannels())
        async with (
            ossicle.connect(url, format=heard, reconnect=PLAN, on_buffering=buffering) as stream,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(speak(sound, stream))
            async for event in stream:
                if isinstance(event, ossicle.Transcript) and event.final:
                    print(event.text)
            print(f"{stream.reconnects} reconnects", file=sys.stderr)


async def speak(sound: wave.Wave_read, stream: ossicle.SpeechStream) -> None:
    while piece := sound.readframes(sound.getframerate() // 10):
        await stream.send(piece)
        await asyncio.sleep(0.1)
    await stream.end()


asyncio.run(main(*sys.argv[1:]))

"""Captions that rewrite themselves, from a WAV file played in real time instead of a microphone.

python examples/live_captions.py speech.wav [URL]
"""

import asyncio
import sys
import wave

import ossicle

PIECE_S = 0.1


async def main(path: str, url: str = "http://localhost:8080") -> None:
    with wave.open(path) as sound:
        if sound.getsampwidth() != 2:
            raise SystemExit("this example plays 16 bit WAV files")
        heard = ossicle.AudioFormat("pcm_s16le", sound.getframerate(), sound.getnchannels())
        async with (
            ossicle.connect(url, format=heard) as stream,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(play(sound, stream))
            async for event in stream:
                if isinstance(event, ossicle.Transcript):
                    print(f"\r\033[K{event.text}", end="\n" if event.final else "", flush=True)


async def play(sound: wave.Wave_read, stream: ossicle.SpeechStream) -> None:
    clock = asyncio.get_running_loop().time
    due = clock()
    while piece := sound.readframes(round(sound.getframerate() * PIECE_S)):
        await stream.send(piece)
        due += PIECE_S  # by the clock, so that the waits do not add up
        await asyncio.sleep(due - clock())
    await stream.end()


asyncio.run(main(*sys.argv[1:]))

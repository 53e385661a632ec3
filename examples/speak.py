"""Have a text said, and keep the sound as a WAV file.

python examples/speak.py "Good morning." out.wav [URL]
"""

import asyncio
import sys
import wave

import ossicle


async def main(text: str, path: str, url: str = "http://localhost:8080") -> None:
    wanted = ossicle.AudioFormat("pcm_s16le", 16_000)
    async with ossicle.connect(url, speaks=wanted) as stream:
        await stream.speak(text)
        with wave.open(path, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(wanted.sample_rate)
            async for event in stream:
                match event:
                    case ossicle.AudioOut():
                        sound.writeframes(event.data)
                        # A player says so when it was heard; a file hears at once.
                        heard = event.start_ms + wanted.ms(len(event.data))
                        await stream.played(event.utterance, heard)
                    case ossicle.SpeechEnded(side="out"):
                        break
                    case _:
                        pass


asyncio.run(main(*sys.argv[1:]))

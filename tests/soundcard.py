"""A sound card for programs that want a real one: PulseAudio with a loudspeaker nobody hears, and a
microphone that hears what is played into it.

    async with soundcard(tmp_path) as card:
        async with firefox(tmp_path, **card.variables): ...
        await card.say(Path("go-forward.wav"))

A server of its own for each test; nothing of the machine's is touched.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from harness import missing, until

__all__ = ["Soundcard", "soundcard"]


class Soundcard:
    """What a test is given."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "pulse.socket"
        self.variables = {"PULSE_SERVER": f"unix:{self.socket}"}
        """For whoever is to use it."""

    async def say(self, recording: Path) -> None:
        """Into the microphone, as fast as it would be spoken."""
        process = await asyncio.create_subprocess_exec(
            "paplay", "--device=cable", str(recording), env={**os.environ, **self.variables}
        )
        async with asyncio.timeout(30):
            assert await process.wait() == 0


@contextlib.asynccontextmanager
async def soundcard(folder: Path) -> AsyncIterator[Soundcard]:
    """A card, and its end."""
    for program, package in (("pulseaudio", "pulseaudio"), ("paplay", "pulseaudio-utils")):
        if shutil.which(program) is None:
            missing(f"{program} is not installed: apt-get install {package}")
    home = folder / "pulse"
    home.mkdir(mode=0o700)
    card = Soundcard(folder)
    process = await asyncio.create_subprocess_exec(
        "pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", "--use-pid-file=no",
        "-L", f"module-native-protocol-unix socket={card.socket} auth-anonymous=1",
        "-L", "module-null-sink sink_name=speaker", "-L", "module-null-sink sink_name=cable",
        # a browser lists no monitors of loudspeakers among its microphones
        "-L", "module-remap-source source_name=microphone master=cable.monitor",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
    )  # fmt: skip
    try:
        await until(card.socket.exists, what="PulseAudio listens")
        yield card
    finally:
        process.terminate()
        async with asyncio.timeout(10):
            await process.wait()

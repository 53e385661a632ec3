"""The inside of test_webrtc_nat.py: a gateway behind 1:1 NAT, and callers out in the world.

python webrtc_nat.py gateway FOLDER PID     in the namespace behind NAT; PID is in the other one
python webrtc_nat.py callers URL            out there: offers that tell no address of their own
"""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from harness import gateway_with
from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Command, End
from ossicle.core.events import Ended
from ossicle.core.options import Options
from ossicle.core.ports import Sink
from pitch import heard_in, pitches
from webrtc_peers import Packets, encoded

PUBLIC, PRIVATE, PUBLIC_6 = "203.0.113.7", "10.0.0.2", "2001:db8:1::2"
PORTS = "40000-40001"
WORDS = [3, 14, 15]


class Ears:
    """An engine that keeps what it hears."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(name="ears", hears=(PCM16K,))
        self.all: list[bytearray] = []

    async def open(self, options: Options, sink: Sink) -> "_Ear":
        self.all.append(bytearray())
        return _Ear(self.all[-1], sink)


class _Ear:
    def __init__(self, heard: bytearray, sink: Sink) -> None:
        self.audio, self._sink = heard.extend, sink

    def ask(self, command: Command) -> None:
        if isinstance(command, End):
            self._sink.tell(Ended(reason="done"))

    def credit(self, until_ms: int) -> None: ...
    def abort(self) -> None: ...


async def caller(url: str, address: str) -> dict[str, Any]:
    """What came of one call: where its sound went, and to whom we were told to send it."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    track = Packets(encoded(pitches(WORDS)))
    pc.addTrack(track)
    connected = asyncio.Event()
    pc.on("connectionstatechange", lambda: pc.connectionState == "connected" and connected.set())
    await pc.setLocalDescription(await pc.createOffer())
    sdp = "\r\n".join(
        line for line in pc.localDescription.sdp.split("\r\n")
        if not line.startswith(("a=candidate", "a=end-of"))
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "-m", "10", "-H", "content-type: application/sdp", "--data-binary", "@-",
        "-w", "\n%{http_code}", url + "/whip",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(sdp.encode())
    answer, _, status = out.decode().rpartition("\n")
    told = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\w+)", answer)
    if status != "201":
        await pc.close()
        return {"status": status, "text": answer}
    # Only this address is left: the others might get through, too.
    kept = [
        line for line in answer.split("\r\n")
        if not line.startswith("a=candidate") or line.split()[4] == address
    ]  # fmt: skip
    await pc.setRemoteDescription(RTCSessionDescription("\r\n".join(kept), "answer"))
    async with asyncio.timeout(8):
        await connected.wait()
        await track.over.wait()
    (transceiver,) = pc.getTransceivers()
    pair = transceiver.receiver.transport.transport._connection._nominated[1]
    # Not closed politely: both calls stand until everybody asked.
    return {"status": status, "told": sorted(set(map(tuple, told))), "went": pair.remote_addr[:2]}


async def callers(url: str) -> dict[str, Any]:
    """One for each family, and one too many."""
    calls = await asyncio.gather(caller(url, PUBLIC), caller(url, PUBLIC_6))
    return {"calls": calls, "third": await caller(url, PUBLIC)}


async def gateway(folder: Path, pid: str) -> dict[str, Any]:
    """Serve, send the callers, and say what was heard."""

    async def out_there(url: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            "nsenter", "-t", pid, "-n", sys.executable, __file__, "callers", url,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return json.loads(out)

    async def doctor() -> str:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ossicle"), "doctor", "webrtc", "--host", "0.0.0.0",
            "--ice-ports", PORTS, "--announce", PUBLIC, "--set", "webrtc.calls=2",
            stdout=asyncio.subprocess.PIPE, env={"HOME": str(folder), "COLUMNS": "200"},
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode()

    ears = Ears()
    async with gateway_with(
        folder, ears, host="0.0.0.0", port=8080, open_to_anyone=True, announce=PUBLIC,
        ice_ports=PORTS, allow_hosts=(PUBLIC,),
    ):  # fmt: skip
        told = await out_there(f"http://{PUBLIC}:8080")
        said = await doctor()
    return told | {"doctor": said, "heard": [heard_in(bytes(each)) for each in ears.all]}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["callers", url]:
            print(json.dumps(asyncio.run(callers(url))), flush=True)
            os._exit(0)  # as a phone whose battery is empty: nothing is said to the gateway
        case ["gateway", folder, pid]:
            print(json.dumps(asyncio.run(gateway(Path(folder), pid))))
        case _:
            sys.exit(__doc__)

"""Live both ways over plain HTTP with the standard library: audio goes up, JSON lines come down.

python examples/http_lines.py speech.wav [URL]

`http.client` takes a response while the request is still being sent if the body is written to
its socket from another thread, as here. Some proxies do not: they hold the answer until the
whole body has passed, and then the words come at the end.
"""

import json
import socket
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit


def main(path: str, url: str = "http://localhost:8080") -> None:
    connection = HTTPConnection(urlsplit(url).netloc)
    connection.putrequest("POST", "/v1/stream")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    Thread(target=play, args=(path, connection.sock), daemon=True).start()
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(answer.read().decode())
    for line in answer:
        event = json.loads(line)
        if event["type"] == "transcript":
            print("final  " if event["final"] else "partial", event["text"], flush=True)


def play(path: str, wire: socket.socket) -> None:
    with Path(path).open("rb") as sound:
        while piece := sound.read(3_200):  # 100 ms at 16 kHz, 16 bit
            wire.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            time.sleep(0.1)
    wire.sendall(b"0\r\n\r\n")


main(*sys.argv[1:])

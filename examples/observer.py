"""Listen in on a session that somebody else opened, with the standard library only.

python examples/observer.py [URL]          the oldest session of this key; none: it says so
"""

import json
import sys
from urllib.request import Request, urlopen


def main(url: str = "http://localhost:8080") -> None:
    with urlopen(f"{url}/v1/sessions") as answer:
        sessions = json.load(answer)["sessions"]
    if not sessions:
        raise SystemExit("nobody speaks at the moment")
    oldest = max(sessions, key=lambda each: each["age_ms"])
    # An observer sends nothing, and never slows the session down. Its words so far come first.
    watch = Request(f"{url}/v1/stream?session={oldest['session']}", method="POST")
    with urlopen(watch) as lines:
        for line in lines:
            event = json.loads(line)
            if event["type"] == "transcript":
                print("final  " if event["final"] else "partial", event["text"], flush=True)


main(*sys.argv[1:])

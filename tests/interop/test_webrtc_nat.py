"""Behind 1:1 NAT, in two network namespaces: only what is announced and forwarded gets through.

    out there 198.51.100.9 ── 203.0.113.7 ─▶ nft: dnat ─▶ 10.0.0.2, the gateway
              2001:db8:9::9 ────────────────────────────▶ 2001:db8:1::2, the same, without NAT

Callers tell no address of their own, so the gateway cannot reach them first: they have to reach it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import missing
from webrtc_nat import PORTS, PRIVATE, PUBLIC, PUBLIC_6, WORDS

pytest.importorskip("aiortc")
pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

RULES = f"""
table ip nat {{
  chain before {{ type nat hook prerouting priority -100;
    ip daddr {PUBLIC} udp dport {PORTS} dnat to {PRIVATE};
    ip daddr {PUBLIC} tcp dport 8080 dnat to {PRIVATE};
  }}
  chain after {{ type nat hook postrouting priority 100; ip saddr {PRIVATE} snat to {PUBLIC}; }}
}}
"""
NETWORK = f"""
set -e
ip link set lo up
unshare --net sleep 60 & outside=$!
trap "kill $outside" EXIT
until [ "$(readlink /proc/$outside/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link add out0 type veth peer name in0 netns $outside
nsenter -t $outside -n sh -c '
  ip link set lo up
  ip addr add 198.51.100.9/24 dev in0
  ip addr add 2001:db8:9::9/64 dev in0 nodad
  ip link set in0 up
  ip route add {PUBLIC} via {PRIVATE} dev in0 onlink
  ip -6 route add default dev in0
'
ip addr add {PRIVATE}/24 dev out0
ip addr add {PUBLIC_6}/64 dev out0 nodad
ip link set out0 up
ip route add default dev out0
ip -6 route add default dev out0
nft -f "$1"
"$2" "$3" gateway "$4" $outside
"""


def test_what_is_announced_and_forwarded_gets_through(tmp_path: Path) -> None:
    flags = ("--net",) if os.geteuid() == 0 else ("--net", "--map-root-user")
    for name in ("unshare", "nsenter", "ip", "nft", "curl"):
        if shutil.which(name) is None:
            missing(f"{name} is needed for networks of our own")
    if subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode:
        missing("no network namespace can be made here")
    rules = tmp_path / "rules"
    rules.write_text(RULES)
    done = subprocess.run(
        ["unshare", *flags, "sh", "-c", NETWORK, "sh", str(rules), sys.executable,
         str(Path(__file__).parents[1] / "webrtc_nat.py"), str(tmp_path)],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:6000]
    told = json.loads(done.stdout)
    low, high = map(int, PORTS.split("-"))
    for call, went in zip(told["calls"], (PUBLIC, PUBLIC_6), strict=True):
        assert call["status"] == "201", call
        # The private address is told to nobody; that of the other family is what it is.
        assert {(host, kind) for host, _, kind in call["told"]} == {
            (PUBLIC, "host"), (PUBLIC_6, "host")
        }  # fmt: skip
        assert all(low <= int(port) <= high for _, port, _ in call["told"])
        assert call["went"][0] == went
        assert low <= call["went"][1] <= high
    assert told["heard"][:2] == [WORDS, WORDS]
    assert told["third"]["status"] == "503"
    assert f"all 2 UDP ports of {PORTS}" in told["third"]["text"]
    assert f"every UDP port of {PORTS} is taken" in told["doctor"]
    assert f"{PUBLIC}, {PUBLIC_6}" in told["doctor"]

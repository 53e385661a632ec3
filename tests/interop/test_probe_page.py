"""The page that measures, in a real browser: what it finds is there, in a table that everybody can
read, with the gateway's own judgement; and behind a real proxy with faults planted."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chromium import Browser, Page, chromium
from harness import gateway_with
from ossicle.gateway.configuration.settings import AccessSettings, ProbeSettings
from ossicle.transports.webrtc.settings import WebRtcSettings
from sdks import node_modules

from .real_proxies import Certificates, proxy
from .relay import coturn, share_secret

pytestmark = [
    pytest.mark.interop, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module"),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium(tmp_path_factory.mktemp("chromium"), "--ignore-certificate-errors") as it:
        yield it


async def measured(page: Page, idle: int = 0) -> dict[str, str]:
    """Press the button, and wait. Gives what it says of each wire."""
    await page.run(f"document.querySelector('#idle').append(new Option('{idle}', '{idle}'))")
    await page.run(f"document.querySelector('#idle').value = '{idle}'")
    await page.click("#start")
    await page.until("document.body.dataset.done || !document.querySelector('#alert').hidden", 40)
    return await page.run(
        "Object.fromEntries([...document.querySelectorAll('#wires tr')].map(r =>"
        " [r.dataset.wire, r.querySelector('.sign').className.split(' ')[1]]))"
    )


async def codes(page: Page) -> set[str]:
    return set(
        await page.run(
            "[...document.querySelectorAll('#problems li[data-code]')].map(e => e.dataset.code)"
        )
    )


async def test_a_network_without_faults(tmp_path: Path, browser: Browser) -> None:
    """Every wire that a page can try, direct and by a relay over UDP and TCP; nothing leaves the
    gateway's own origin; what was found can be kept."""
    axe = (node_modules("axe-core") / "axe.min.js").read_text("utf-8")
    async with coturn(tmp_path, "shared-secret") as port:
        share_secret(tmp_path / "state", "shared-secret")
        turn = tuple(f"turn:127.0.0.1:{port}?transport={each}" for each in ("udp", "tcp"))
        wrong = f"turn:127.0.0.1:{port + 1}?transport=tcp"
        async with gateway_with(
            tmp_path, webrtc=WebRtcSettings(turn=(*turn, wrong)), keys=(("me", "secret"),)
        ) as gateway:
            page = await browser.open(gateway.url + "/probe")
            await page.until("!document.querySelector('#key-row').hidden")
            await page.run("document.querySelector('#key').value = 'secret'")
            states = await measured(page, idle=1)
            assert states == {
                "tcp": "passes", "tls": "not_tried", "http": "passes", "websocket": "passes",
                "http2": "not_tried", "grpc": "not_tried", "grpcweb": "passes", "udp": "passes",
                "quic": "not_tried", "ice": "passes", "turn": "passes",
                "webtransport": "not_offered",
            }  # fmt: skip
            assert await codes(page) == {"relay_fails"}
            remark = await page.text("[data-wire=turn] td:last-child")
            for each in turn:
                assert f"{each} passes" in remark
            assert "WebSocket" in await page.text("#verdict")
            assert "this browser" in await page.text("[data-wire=webtransport] td:last-child")
            figures = await page.text("#figures")
            assert "1 s" in figures
            assert "no limit was found" in figures
            assert "bit/s" in figures
            assert "come as they are sent" in figures
            assert await page.run("document.querySelectorAll('#parts li').length") == 7
            assert await page.run(
                "[...document.querySelectorAll('#parts progress')].every(e => e.value === 1)"
            )
            assert "left of 300 ms" in await page.text("#budget")
            assert all(each.startswith((gateway.url, "blob:")) for each in page.requests)

            kept = "URL.createObjectURL = (blob) => { window.kept = blob.text(); return '#'; };0"
            await page.run(kept)
            await page.click("#download")
            saved = json.loads(await page.run("window.kept"))
            assert saved["findings"]["rtt"]["count"] == 30
            assert saved["advice"]["recommended"]["wire"] == "websocket"
            assert "secret" not in json.dumps(saved)

            for dark in (False, True):
                for width in (360, 1280):
                    await page.size(width, 860)
                    await page.look(dark=dark)
                    await page.run(axe + ";0")
                    found = await page.run(
                        "axe.run().then(r => r.violations.map(v => [v.id, v.help, "
                        "v.nodes.map(n => n.html + ' ' + n.failureSummary).slice(0, 3)]))"
                    )
                    assert found == [], (dark, width)
                    assert await page.run("document.documentElement.scrollWidth") <= width
            assert not page.complaints

            await page.run("document.querySelector('#key').value = 'another'")
            await page.click("#start")
            await page.until("document.querySelector('#problems [data-code=refused]')")
            assert "no way" in await page.text("#verdict")


async def test_faults_are_found_behind_nginx(tmp_path: Path, browser: Browser) -> None:
    """A proxy that cuts, and collects answers; and one that refuses upgrades."""
    here = Certificates(tmp_path / "ca")
    trusted = AccessSettings(trust_proxies=("127.0.0.1",))
    cuts = {
        "proxy_read_timeout 60s": "proxy_read_timeout 2s",
        "proxy_send_timeout 60s": "proxy_send_timeout 2s",
        "proxy_buffering off;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
    }
    blocks = {"proxy_set_header Upgrade $http_upgrade;": ""}
    found: list[tuple[set[str], dict[str, str], str]] = []
    async with gateway_with(tmp_path, access=trusted) as gateway:
        where = {"127.0.0.1:8080": f"127.0.0.1:{gateway.doors['http'].port}"}
        for name, planted in (("cuts", cuts), ("blocks", blocks)):
            (tmp_path / name).mkdir()
            async with proxy("nginx.conf", where | planted, here, tmp_path / name) as url:
                page = await browser.open(url + "/probe")
                states = await measured(page, idle=4 if name == "cuts" else 0)
                found.append((await codes(page), states, await page.text("#result")))
    (codes_1, states, text), (codes_2, blocked, text_2) = found
    assert codes_1 == {"idle_cut", "buffers_down", "http2_blocked"}
    cut = re.search(r"cut after ([0-9.]+) s", text)
    assert cut is not None
    assert float(cut[1]) == pytest.approx(2, abs=0.6)
    assert states["tls"] == states["websocket"] == states["ice"] == "passes"
    assert codes_2 == {"upgrade_blocked", "http2_blocked"}, text_2
    assert blocked["websocket"] == "blocked"
    assert "WebSocket in Ossicle's own protocol: their network refuses" in text_2


async def test_a_gateway_that_goes_or_is_closed(tmp_path: Path, browser: Browser) -> None:
    async with gateway_with(tmp_path, probe=ProbeSettings(on=False)) as gateway:
        page = await browser.open(gateway.url + "/probe")
        await page.click("#start")
        await page.until("!document.querySelector('#alert').hidden")
        assert "probe.on" in await page.text("#alert")
    async with gateway_with(tmp_path) as gateway:
        page = await browser.open(gateway.url + "/probe")
        await page.run("document.querySelector('#idle').value = '30'")
        await page.click("#start")
        await page.until("!document.querySelector('#stop').hidden")
        await page.until("document.querySelector('#part-bandwidth')?.value === 1")
        await page.click("#stop")
        await page.until("document.body.dataset.done", 10)
        assert "out_of_time" in await codes(page)
        await page.run("document.querySelector('#idle').value = '0'")
    with contextlib.suppress(asyncio.CancelledError):
        await page.click("#start")
    await page.until("!document.querySelector('#alert').hidden")
    assert "Is it still running?" in await page.text("#alert")

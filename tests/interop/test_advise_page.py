"""The page of the advice in a real browser: by mouse and keys, both themes, phone to wide."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from chromium import Browser, Page, chromium
from harness import gateway_with
from ossicle.advisor import Inputs
from ossicle.advisor.inputs import FIELDS
from ossicle.gateway.measuring.advice import answer
from ossicle.gateway.snippets import Address
from page import in_nobodys_way

pytestmark = [
    pytest.mark.interop, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module"),
]  # fmt: skip


class At(NamedTuple):
    """Where the page is, and what opens it."""

    url: str
    browser: Browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[At]:
    folder = tmp_path_factory.mktemp("advise")
    async with gateway_with(folder) as gateway, chromium(folder) as browser:
        yield At(gateway.url, browser)


LIT = "[...document.querySelectorAll('.tree .node.lit')].map(n => n.id.replace('node-', ''))"


async def wire(page: Page, name: str) -> None:
    """Wait until the answer, and the tree, say so."""
    await page.until(f"document.body.dataset.wire === '{name}'")
    await page.until("document.querySelector('.tree .answer.lit')")


async def test_it_answers_as_the_command_does(at: At) -> None:
    page = await at.browser.open(at.url + "/advise")
    await wire(page, "websocket")
    await page.click("[value=browser]")
    await page.click("[name=latency_ms][value='100']")
    await wire(page, "webrtc")
    same = answer(Inputs(client="browser", latency_ms=100), Address(http=at.url))
    assert await page.text("#best") == same.recommended.title
    assert sorted(await page.run(LIT)) == sorted(same.path)
    assert await page.text("#config") == same.config
    assert await page.text("#client") == same.client
    reasons = await page.run(
        "[...document.querySelectorAll('#reasons li')].map(e =>"
        " [e.firstChild.textContent, e.querySelector('a').href])"
    )
    assert reasons == [[each.text, each.source] for each in same.reasons]
    assert "does not have WebRTC" not in await page.text("#warnings")  # it has
    assert same.command == await page.text("#command")

    await page.click("[name=udp_blocked]")
    await wire(page, "websocket")
    assert "needs UDP" in await page.text("#others")
    assert not page.complaints
    assert all(each.startswith((at.url, "blob:")) for each in page.requests)


async def test_a_link_keeps_its_question(at: At) -> None:
    page = await at.browser.open(
        at.url + "/advise?client=browser&provider=google&wire=sip&grpc=yes"
    )
    await wire(page, "websocket")
    assert "no browser speaks gRPC" in await page.text("#others")
    assert "cannot speak SIP" in await page.text("#against")
    address = await page.run("location.search")
    again = await at.browser.open(at.url + "/advise" + address)
    await wire(again, "websocket")
    assert await again.text("#answer") == await page.text("#answer")


async def test_a_browser_that_is_none_is_said_in_words(at: At) -> None:
    page = await at.browser.open(at.url + "/advise?browsers=netscape")
    await page.until("!document.querySelector('#alert').hidden")
    assert "there are chrome" in await page.text("#alert")
    await page.run("document.querySelector('#browsers').value = 'safari 26.3'")
    await page.run("document.querySelector('#form').requestSubmit()")
    await wire(page, "websocket")
    assert await page.run("document.querySelector('#alert').hidden")


async def test_by_keyboard_alone(at: At) -> None:
    page = await at.browser.open(at.url + "/advise")
    await wire(page, "websocket")
    focus = "document.activeElement.name || document.activeElement.id"
    seen: list[str] = []
    for _ in range(40):
        await page.key("Tab")
        name = await page.run(focus)
        seen.append(name)
        if name == "client":
            await page.key("ArrowRight")  # to the telephone line
        if name == "audience":
            await page.key(" ")
        if name == "tree":
            break
    order = ["client", "latency_ms", "provider", "conversation", "audience", "browsers",
             "wire", "tree"]  # fmt: skip
    places = [seen.index(name) for name in order]
    assert places == sorted(places)
    await wire(page, "sip")
    assert "many listeners" in await page.text("#against")


async def test_nothing_stands_in_anybodys_way(at: At) -> None:
    """On a phone and wide, in light and dark, with every source unfolded."""
    for query in ("client=browser&latency_ms=100", "client=browser&provider=google&wire=sip"):
        page = await at.browser.open(f"{at.url}/advise?{query}")
        await page.until("document.querySelector('.tree .answer.lit')")
        await page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        await in_nobodys_way(page, query)


async def test_what_is_typed_is_set_as_code_and_no_button_lies_over_it(at: At) -> None:
    page = await at.browser.open(f"{at.url}/advise?client=batch", width=360)
    await wire(page, "http")
    await page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert await page.run("document.querySelector('#reasons code').textContent") == "curl"
    assert "`" not in await page.text("#answer")
    clear = (
        "[...document.querySelectorAll('.code')].every(box => {"
        " const pre = box.querySelector('pre');"
        " const text = pre.getBoundingClientRect().top + "
        "parseFloat(getComputedStyle(pre).paddingTop);"
        " return box.querySelector('.copy').getBoundingClientRect().bottom <= text; })"
    )
    assert await page.run(clear)


async def test_the_answer_is_told_to_who_listens(at: At) -> None:
    page = await at.browser.open(at.url + "/advise")
    await wire(page, "websocket")
    live = "document.querySelector('#best').closest('[aria-live=polite]').textContent"
    assert "WebSocket" in await page.run(live)
    assert await page.run("document.querySelector('.tree svg').getAttribute('role')") == "img"
    steps = await page.run("document.querySelectorAll('#steps li').length")
    assert steps == len(answer(Inputs(), Address()).steps)


async def test_the_form_asks_what_can_be_asked(at: At) -> None:
    """Every input of the advisor but the wires that are ruled out, and every choice of each."""
    page = await at.browser.open(at.url + "/advise")
    names = await page.run("[...new Set([...document.querySelectorAll('#form [name]')]"
                           ".map(e => e.name))]")  # fmt: skip
    assert set(names) == {field.name for field in FIELDS} - {"without"}
    for field in FIELDS:
        if field.kind == "choice":
            offered = await page.run(
                f"[...document.querySelectorAll('#form [name={field.name}][value], "
                f"#form [name={field.name}] option')].map(e => e.value)"
            )
            assert set(offered) == set(field.choices), field.name

"""The status page in a real browser: nothing breaks, nothing leaves, nothing an attacker writes comes alive."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from streamer.health import Board
from streamer.status.application import show
from streamer.status.words import ago
from tests.services.chromium import Browser
from tests.status import boards

PHONE = 360
TOO_WIDE = """[...document.querySelectorAll("body *")].filter(
    (one) => one.getClientRects().length && one.getBoundingClientRect().right > innerWidth + 0.5
).map((one) => one.outerHTML.slice(0, 80))"""
AGAIN = """show({data: JSON.stringify({now: Date.now(), title: document.title, rows: {}, all: false,
    pieces: {events: document.getElementById("events").innerHTML}})})"""
LIVE = "document.getElementById('link').className === 'live' && ahead !== 0"  # connected, and shown the first pieces


@pytest.mark.parametrize("width", [PHONE, 1280])
@pytest.mark.parametrize("dark", [False, True])
async def test_200_accounts_fit_a_phone(browser: Browser, *, width: int, dark: bool) -> None:
    """Nothing is wider than the screen, the console is silent, and nobody but us is asked for anything."""
    async with AsyncExitStack() as opened:
        url = await show(opened, boards.troubled(200), "127.0.0.1:0", "a test", clock=lambda: boards.NOW)
        tab = await browser.open(width=width, dark=dark)
        await tab.go(url)
        await tab.until(LIVE)

        assert await tab.run("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
        assert await tab.run(TOO_WIDE) == []
        assert await tab.run("document.querySelectorAll('#sources tr').length") == 200
        ground = await tab.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(16, 20, 23)" if dark else "rgb(247, 248, 248)")
    assert set(tab.asked) == {f"{url}/", f"{url}/live"}
    assert tab.complaints == []


async def test_what_an_attacker_writes_is_text(browser: Browser, url: str) -> None:
    """A client called `<script>`, an attribute's end, a turned direction and 5000 letters: shown, and nothing more.

    Both ways to the page are looked at: as it was loaded, and as pieces that came in later.
    """
    tab = await browser.open(width=PHONE)
    await tab.go(url)
    await tab.until(LIVE)
    for _ in range(2):
        names = await tab.run("[...document.querySelectorAll('#events .client')].map((one) => one.textContent)")
        assert names[:4] == ['"><img src=x onerror=alert(1)>', f"{'x' * 59}…", r"invoice\u202egnp.exe", boards.SCRIPT]
        assert boards.SCRIPT in await tab.run("document.getElementById('refused').textContent")
        await tab.run(AGAIN)

    assert await tab.run("document.querySelectorAll('img').length") == 0
    assert await tab.run("document.querySelectorAll('script').length") == 1
    assert "owned" not in await tab.run("document.title")
    assert tab.complaints == []


async def test_the_policy_stops_a_script_that_got_in(browser: Browser, url: str) -> None:
    """Even where escaping had failed: no script, no style and no handler but ours runs, nobody else can be asked."""
    tab = await browser.open()
    await tab.go(url)
    await tab.run(
        """document.body.insertAdjacentHTML("beforeend", "<img src='x' onerror='window.owned = 1'>");
        const made = document.createElement("script");
        made.textContent = "window.owned = 2";
        document.body.append(made);"""
    )
    refused = await tab.run("fetch('http://elsewhere.example/').then(() => 'sent', () => 'refused')")

    assert (await tab.run("window.owned"), refused) == (None, "refused")
    assert any("Content Security Policy" in said for said in tab.complaints)


async def test_it_is_whole_without_a_script(browser: Browser, url: str) -> None:
    """State, commands, ages and events stand in it, and it comes anew by itself."""
    tab = await browser.open(width=PHONE, script=False)
    await tab.go(url)

    tree = await tab.send("DOMSnapshot.captureSnapshot", computedStyles=[])
    words = " ".join(tree["strings"])
    for told in ("2 of 12 need you", f"{boards.HOLD.hold_id}", "17 min", "37 held", "terraform-ci"):
        assert told in words
    assert await tab.run("document.querySelector('meta[http-equiv=refresh]') !== null")
    assert await tab.run("getComputedStyle(document.querySelector('.copy')).display") == "none"
    assert tab.complaints == []


async def test_what_changes_comes_by_itself(browser: Browser, board: Board, url: str) -> None:
    """A hold that is settled leaves the page, a source that is given away its row, and the tab's title follows."""
    tab = await browser.open()
    await tab.go(url)
    await tab.until(LIVE)
    assert "2 of 12 need you" in await tab.run("document.title")

    for one in board.sources.values():
        one.hold, one.last_accepted_at, one.last_verdict = None, boards.NOW, "accepted"
    del board.sources["account-011"]
    await tab.until("document.querySelectorAll('#sources tr').length === 11")

    assert "All 11 sources fresh" in await tab.run("document.title")
    assert await tab.run("document.getElementById('holds').children.length") == 0
    assert await tab.run("performance.getEntriesByType('navigation').length") == 1
    assert tab.complaints == []


async def test_it_says_when_it_is_alone(browser: Browser, board: Board) -> None:
    """A page whose service is gone says so, and is live again when the service is."""
    tab = await browser.open()
    async with AsyncExitStack() as opened:
        url = await show(opened, board, "127.0.0.1:0", "a test", clock=lambda: boards.NOW)
        await tab.go(url)
        await tab.until(LIVE)
    await tab.until("document.getElementById('link').className === 'lost'")
    async with AsyncExitStack() as opened:
        await show(opened, board, url.removeprefix("http://"), "a test", clock=lambda: boards.NOW)
        await tab.until(LIVE)


async def test_a_command_is_copied_whole(browser: Browser, url: str) -> None:
    """Whatever breaks its line on the screen, what is copied or selected is the command."""
    tab = await browser.open(width=PHONE)
    await tab.go(url)
    await tab.until(LIVE)
    release = f"streamer deletes release --hold {boards.HOLD.hold_id} --expect {boards.HOLD.count}"

    codes = await tab.run("[...document.querySelectorAll('.command code')].map((one) => one.textContent)")
    assert codes[1] == release
    await tab.run("document.querySelectorAll('.copy')[1].click()")
    await tab.until("document.querySelectorAll('.copy')[1].textContent !== 'copy'")
    said = await tab.run("document.querySelectorAll('.copy')[1].textContent")
    assert said == "copied" or await tab.run("getSelection().toString()") == release


async def test_ages_are_written_alike_on_both_sides(browser: Browser, url: str) -> None:
    """The script words an age as the page did before it ran."""
    tab = await browser.open()
    await tab.go(url)
    seconds = [-5, 0, 1.9, 119, 120, 3599, 7199, 7200, 172_799, 172_800, 1e7]

    assert await tab.run(f"{seconds}.map(ago)") == [ago(one) for one in seconds]

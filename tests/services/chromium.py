"""A headless Chromium, driven over its own protocol through two pipes: no driver, no library, no port.

Question: Playwright or Selenium? Choice: neither; each brings a second program of a hundred megabytes to send the few
commands below. Chromium reads them as JSON, one after another with a zero byte between, from its third descriptor.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.services.jvm import Missing, die_with_parent

LIMIT_S = 30
LARGEST = 64 * 2**20  # bytes of one message; a picture of a long page is one
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--remote-debugging-pipe", "--hide-scrollbars", "--disable-background-networking", "--disable-component-update"),
    *("--host-resolver-rules=MAP * 127.0.0.1", "about:blank"),  # whatever name is asked for, it is this machine
)


def installed() -> Path:
    """The program; `Missing` if this machine has none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Path(found)
    raise Missing("This needs a Chromium: install `chromium` (Debian: chromium), or set WITHOUT_CHROMIUM=true.")


PLUMBING = """
import os, sys
ours = [os.dup(int(number)) for number in sys.argv[1:3]]
while min(ours) <= 4:
    ours = [os.dup(number) for number in ours]
os.dup2(ours[0], 3)
os.dup2(ours[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A running one; `open` gives a tab."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def listen(self) -> None:
        """Hand out answers and events until the browser is gone."""
        while message := await self._next():
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif tab := self._tabs.get(message.get("sessionId", "")):
                tab.hear(message["method"], message["params"])

    async def send(self, method: str, session: str | None = None, /, **parameters: Any) -> dict[str, Any]:
        """One command; its result."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps(command).encode() + b"\0")
        async with asyncio.timeout(LIMIT_S):
            told = await answer
        assert "error" not in told, f"{method}: {told['error']}"
        return dict(told["result"])

    async def open(self, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True) -> Tab:
        """An empty tab of that size, like a phone's where it is narrow."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = self._tabs[attached["sessionId"]] = Tab(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            await tab.send(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await tab.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await tab.send("Emulation.setEmulatedMedia", features=[scheme])
        await tab.send("Emulation.setScriptExecutionDisabled", value=not script)
        return tab

    async def _next(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads((await self._reader.readuntil(b"\0"))[:-1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


class Tab:
    """One page.

    Attributes:
        asked: the addresses of all requests.
        complaints: what the console, the log and uncaught errors said.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.asked: list[str] = []
        self.complaints: list[str] = []

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command to this tab."""
        return await self._browser.send(method, self._session, **parameters)

    async def go(self, url: str) -> None:
        """Show a page, loaded with all that belongs to it."""
        self._loaded.clear()
        await self.send("Page.navigate", url=url)
        async with asyncio.timeout(LIMIT_S):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        told = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression holds."""
        async with asyncio.timeout(LIMIT_S):
            while not await self.run(script):  # noqa: ASYNC110 - another program is waited for
                await asyncio.sleep(0.02)

    def hear(self, method: str, told: Mapping[str, Any]) -> None:
        """An event of the page."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.asked.append(told["request"]["url"])
            case "Runtime.consoleAPICalled":
                self.complaints.append(f"console.{told['type']}: {told['args']}")
            case "Runtime.exceptionThrown":
                self.complaints.append(str(told["exceptionDetails"]))
            case "Log.entryAdded":
                self.complaints.append(str(told["entry"]))


@asynccontextmanager
async def chromium(program: Path) -> AsyncIterator[Browser]:
    """One for as long as the block lasts, with a profile of its own."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()

    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PLUMBING, str(theirs_in), str(theirs_out)),
            *(str(program), f"--user-data-dir={profile}", *OPTIONS),
            pass_fds=(theirs_in, theirs_out),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=LARGEST)
        incoming, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb")
        )
        outgoing, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(ours_out, "wb"))
        browser = Browser(reader, asyncio.StreamWriter(outgoing, flow, None, loop))
        listening = asyncio.create_task(browser.listen())
        try:
            yield browser
        finally:
            listening.cancel()
            outgoing.close()
            incoming.close()
            if process.returncode is None:
                process.kill()
            await process.wait()

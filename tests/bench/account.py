"""An account of many tokens on a real socket, in a process of its own: what it costs to serve is nobody's cost here.

`python -m tests.bench.account N` prints its URL, then answers pages of the list, by Moid as the real service does, from
rows rendered before. It shows one of several variants of the rows; `GET /show/<name>` says which one from then on:

- `plain`; `one`, `ten`, `all`: the same tokens, but one in a thousand, one in a hundred, or each, was renamed;
- `noise-0`, `noise-1`, ...: all in other bytes that mean the same: properties and lists in another order, other hosts
  in the links. No two of these have a row in common.

Question: where are the rows of a million tokens, 1.9 GB a variant? Choice: each variant is one file of rows with commas
between them, so that a page is a piece of it, and the account takes 0.1 GB of memory; the last few are kept, and one
that is shown again later is rendered again. Rejected: to render page by page, which makes every poll wait.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from tempfile import TemporaryFile
from urllib.parse import unquote_plus

import msgspec

from streamer.demo.noise import Noise
from streamer.demo.shapes import Account, Client, Row, User, token

ACCOUNT = "5f3a1c9e7564612d30c1a2b0"
EVERY = {"one": 1000, "ten": 100, "all": 1}
TOKENS_OF_A_USER = 10  # however many there are: of a user only 64 clients are remembered, and a row is written for each
KEPT = 3  # variants: no poll goes back further than to the one before the last
BORN = 1_764_000_000_000
_TARGET = re.compile(rb"GET (\S+) HTTP")
_AFTER = re.compile(r"Moid gt '([^']*)'")
_TOP = re.compile(r"\$top=(\d+)")


class Rendered:
    """Rows as JSON in a file that has no name; any stretch of them can be read."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - see `close`
        self._starts = array("Q", (0,))
        for row in rows:
            self._starts.append(self._starts[-1] + self._file.write(msgspec.json.encode(row) + b","))
        self._file.flush()

    def stretch(self, first: int, number: int) -> bytes:
        """The rows from the first on, at most so many, with commas between them."""
        start, end = self._starts[first], self._starts[min(first + number, len(self._starts) - 1)]
        return os.pread(self._file.fileno(), max(0, end - start - 1), start)

    def close(self) -> None:
        """Take the file away."""
        self._file.close()


class Rows:
    """The rows of `number` tokens, in order of Moid.

    A variant is rendered when it is asked for, from rows that are made anew: as objects a million would not fit.
    """

    def __init__(self, number: int) -> None:
        self._users = max(1, number // TOKENS_OF_A_USER)
        self.moids = [f"{0x67A000000000000000000000 + n * 7919:024x}" for n in range(number)]
        self._rendered: dict[str, Rendered] = {}

    def variant(self, name: str) -> Rendered:
        """The rows that a variant shows."""
        found = self._rendered.pop(name, None) or Rendered(self._shown(name))
        self._rendered[name] = found  # the last of them now
        if len(self._rendered) > KEPT:
            self._rendered.pop(next(iter(self._rendered))).close()
        return found

    def close(self) -> None:
        """Take the files away."""
        for rendered in self._rendered.values():
            rendered.close()

    def _shown(self, name: str) -> Iterator[Row]:
        if name.startswith("noise-"):
            return self._noisy(int(name.removeprefix("noise-")))
        every = EVERY.get(name, 0)
        return (
            row | {"ClientName": "renamed"} if every and not n % every else row for n, row in enumerate(self._plain())
        )

    def _plain(self) -> Iterator[Row]:
        return (_row(n, moid, n % self._users) for n, moid in enumerate(self.moids))

    def _noisy(self, seed: int) -> Iterator[Row]:
        noise, order = Noise(1, seed=seed), list(next(self._plain()))
        random.Random(seed).shuffle(order)
        for row in self._plain():
            noisy = noise.on(row)
            yield {name: noisy[name] for name in order if name in noisy}


def _row(n: int, moid: str, who: int) -> Row:
    """A token as the service writes it: of one of many users and clients, with owners in several orders."""
    chance = random.Random(n)
    user = User(f"{0x5F0000000000000000000000 + who:024x}", f"user{who}", f"user{who}@example.com")
    client = Client(f"{0x5E0000000000000000000000 + n % 89:024x}", f"{chance.randbytes(44).hex()}", f"client {n % 89}")
    of = Account(ACCOUNT, "5f3a1c9f7564612d30c1a2bf", "5f3a1ca07564612d30c1a2ca")
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
    ip = f"198.51.100.{who % 256}"
    row = token(of, user, client, moid=moid, token_id=f"{n:032x}", ip=ip, agent=agent, at=BORN + n * 13)
    return row | {"LastLoginClient": ip, "LastLoginTime": row["CreateTime"]}


class Site(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, rows: Rows, shown: dict[str, str]) -> None:
        self._rows = rows
        self._shown = shown
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._heard += data
        if not self._heard.endswith(b"\r\n\r\n"):
            return
        found = _TARGET.match(self._heard)
        self._heard = b""
        target = unquote_plus(found[1].decode()) if found else ""
        body = self._answer(target)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(head.encode() + body)

    def _answer(self, target: str) -> bytes:
        if target.startswith("/show/"):
            self._shown["name"] = target.rpartition("/")[2]
            self._rows.variant(self._shown["name"])
            return b"{}"
        after, top = _AFTER.search(target), _TOP.search(target)
        first = bisect_right(self._rows.moids, after[1]) if after else 0
        page = self._rows.variant(self._shown["name"]).stretch(first, int(top[1] if top else 100))
        head = b'{"ObjectType":"iam.OAuthToken.List","Count":%d,"Results":[' % (len(self._rows.moids) - first)
        return b"%b%b]}" % (head, page)


async def main(number: int) -> None:
    """Serve until nobody reads our output any more, or we are ended."""
    with closing(Rows(number)) as rows:
        shown = {"name": "plain"}
        server = await asyncio.get_running_loop().create_server(lambda: Site(rows, shown), "127.0.0.1", 0)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

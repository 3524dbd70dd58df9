"""A small HTTP Event Collector: takes events as Splunk's does, acknowledges them, and keeps them."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DENIED = {"text": "Invalid token", "code": 4}


class Collector:
    """`app` serves it; `events` are what it was given, as they were given."""

    def __init__(self, token: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._token = token
        self._batches = 0
        paths = {"": self._take, "/event": self._take, "/ack": self._acknowledge}
        routes = [Route(f"/services/collector{path}", took, methods=["POST"]) for path, took in paths.items()]
        routes.append(Route("/services/collector/health", lambda _: JSONResponse({"text": "HEC is healthy"})))
        self.app = Starlette(routes=routes)

    async def holds(self, count: int, limit_s: float) -> None:
        """Wait until it was given so many events, or too long."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while True:
            if len(self.events) >= count or asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(0.1)

    async def _take(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Splunk {self._token}":
            return JSONResponse(DENIED, 403)
        body = await request.body()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.events += _several(body.decode())
        self._batches += 1
        return JSONResponse({"text": "Success", "code": 0, "ackId": self._batches})

    async def _acknowledge(self, request: Request) -> Response:
        asked = (await request.json())["acks"]
        return JSONResponse({"acks": {str(number): True for number in asked}})


def _several(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects one behind the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        found, at = decoder.raw_decode(text, at)
        yield found
        while at < len(text) and text[at].isspace():
            at += 1

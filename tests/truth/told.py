"""What the API's replies say of tokens, hostile values and all, as the contract reads them.

The ledger knows what is true; this room hears what was told. It is written from the documentation: a property of a
wrong type is nothing, a byte or an escape that is no text is U+FFFD. It must never use the streamer's own decoder.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.demo.kinds import TOKEN, Many, Scalar
from tests import judge
from tests.demo.stage import TOKENS

GIST: Final = 1000  # characters of a text that are compared: what is far longer is cut, and says so in its own way
_LONE: Final = re.compile("[\ud800-\udfff]")  # a pair of surrogates is one character, once it is decoded


class Ear:
    """`app`, whose requests know their connection already, and what it told while `listens()`.

    Attributes:
        told: by Moid, the moment and the token of each row that left it.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], int], listens: Callable[[], bool]) -> None:
        self.told: defaultdict[str, list[tuple[int, judge.Event]]] = defaultdict(list)
        self._app, self._clock, self._listens = app, clock, listens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(TOKENS) or not self._listens():
            await self._app(scope, receive, send)
            return
        parts: list[bytes] = []

        async def heard(message: Message) -> None:
            parts.append(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, heard)
        for row in rows_of(b"".join(parts)):
            self.told[row["Moid"]].append((self._clock(), compared(as_told(row))))


def rows_of(body: bytes) -> list[dict[str, Any]]:
    """The tokens in a reply that have a name; none in what is no JSON."""
    try:
        value = json.loads(body.decode("utf-8", "replace"))  # NaN is a number here, and so a value of a wrong type
    except ValueError:
        return []
    rows = value.get("Results", [value]) or [] if isinstance(value, dict) else []
    return [row for row in rows if isinstance(row.get("Moid"), str)]


def as_told(row: Mapping[str, Any]) -> judge.Event:
    """A token as a reply shows it: what is of a wrong type is null, what is no text in a text is U+FFFD."""
    return judge.as_published({name: _mended(value) for name, value in row.items() if _is_right(name, value)})


def compared(token: judge.Event) -> judge.Event:
    """The fields that a reader can hold to the API's: extras are only carried, and a long text is known by its gist."""
    return {
        name: value[:GIST] if isinstance(value, str) else value for name, value in token.items() if name != "extras"
    }


def _is_right(name: str, value: Any) -> bool:
    """Whether a property is of its documented type, or there is nothing known against it."""
    kind = TOKEN.properties.get(name)
    if kind is None or value is None:
        return True
    if isinstance(kind, Scalar):
        return isinstance(value, str)
    return isinstance(value, list) if isinstance(kind, Many) else isinstance(value, dict)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(inner) for inner in value]
    return {name: _mended(inner) for name, inner in value.items()} if isinstance(value, dict) else value

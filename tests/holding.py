"""A source without a hold, with one, and with one that was released, as tests of `absence` speak of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from streamer.state import Hold, SourceRow
from streamer.tokens import ServerClock
from tests.builders import EPOCH, NOON, SECOND

AHEAD = ServerClock(5 * SECOND, 6 * SECOND)  # the server's clock is 5 to 6 s ahead of ours
HOLD = "9c0a2f8e-7d41-4b9e-8a55-1f2e3d4c5b6a"
OTHER = "11111111-2222-4333-8444-555555555555"
HELD = Hold(HOLD, NOON, "threshold", 1, "")
CALM = SourceRow(EPOCH)
HOLDING = SourceRow(EPOCH, hold=HELD)
RELEASED = SourceRow(EPOCH, hold=replace(HELD, released_at=NOON))
OVER: dict[str, Any] = {"expiration_time": NOON - SECOND}

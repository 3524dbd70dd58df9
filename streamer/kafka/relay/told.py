"""What a relay says of itself: what it waits for, and what it could not pass on. It decides nothing.

Normal operation is quiet: once a minute what was passed on since. A lack is said once it lasts, and once a minute,
however often it is met; only a fence is said at once. Dead letters are counted and said together, because a topic that
somebody floods must not flood the log.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping
from typing import Final

from streamer import log
from streamer.backoff import pause_s
from streamer.errors import Fenced, StreamerError
from streamer.log import say
from streamer.siem.relay import Origin, Undeliverable

LASTS_S: Final = 1.0  # a broker that has yet to find out who keeps a group is no news
REPEAT_S: Final = 60.0  # how often the same lack is said
LETTERS_EVERY_S: Final = 10.0
PASSED_EVERY_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0  # asking is cheap, and silence is what we fight


class Told:
    """One relay's voice.

    Args:
        missing: what keeps it from being ready, by part; of `health.Board`.
        monotonic: seconds.
    """

    def __init__(self, missing: MutableMapping[str, str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._missing = missing
        self._monotonic = monotonic
        self._since: dict[str, float] = {}
        self._said_at: dict[str, float] = {}
        self._passed = Counter[str]()
        self._letters = 0
        self._letters_said_at = -math.inf

    def waiting(self, part: str, why: str) -> None:
        """A part is not there yet, as it should be at this moment."""
        self._missing[part] = why

    def amiss(self, part: str, error: StreamerError) -> None:
        """A part cannot go on."""
        self._missing[part] = str(error)
        now = self._monotonic()
        lasts = isinstance(error, Fenced) or now - self._since.setdefault(part, now) >= LASTS_S
        if lasts and now - self._said_at.get(part, -math.inf) >= REPEAT_S:
            self._said_at[part] = now
            say("relay.waiting", level=log.WARNING, part=part, reason=str(error), hint=error.hint)

    def fine(self, part: str) -> None:
        """It goes on, or is not ours any more."""
        self._missing.pop(part, None)
        self._since.pop(part, None)

    def pause_s(self, failures: int) -> float:
        """How long to wait before the next try: it doubles with every failure in a row, half of it by chance."""
        return pause_s(failures, LONGEST_PAUSE_S, FIRST_PAUSE_S)

    def passed(self, topics: Iterable[str]) -> None:
        """Records were committed, each to one of these."""
        self._passed.update(topics)

    def say_passed(self) -> None:
        """What was passed on since the last time."""
        passed, self._passed = self._passed, Counter()
        for topic, records in sorted(passed.items()):
            say("relay.passed", topic=topic, records=records)

    def dead_letter(self, origin: Origin, fault: Undeliverable) -> None:
        """A record could not be passed on."""
        self._letters += 1
        now = self._monotonic()
        if now - self._letters_said_at >= LETTERS_EVERY_S:
            say(
                "relay.dead_letters",
                level=log.WARNING,
                count=self._letters,
                last=f"{origin.topic}-{origin.partition}@{origin.offset}",
                reason=fault.reason,
                detail=str(fault),
            )
            self._letters, self._letters_said_at = 0, now

    def lost(self, topic: str, partition: int, first: int, end: int) -> None:
        """Records from `first` up to `end` were deleted before anybody relayed them."""
        say("relay.lost", level=log.ERROR, topic=topic, partition=partition, first=first, behind=end, count=end - first)

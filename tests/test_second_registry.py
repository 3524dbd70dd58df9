"""A registry of another hand under the whole service: what it publishes is read by that registry, and is the API's."""

from __future__ import annotations

from pathlib import Path

from tests.installation import UNHELD, Around, installed
from tests.services.kafka import Given as Broker
from tests.services.registry import Given as Schemas


async def test_all_topics_are_read_by_a_second_registry_and_agree_with_the_api(
    kafka: Broker, other_registry: Schemas, prefix: str, tmp_path: Path
) -> None:
    """The vendor's decoder, led by that registry, finds every change once, and field by field what the API shows."""
    around = Around.of(kafka, other_registry, prefix, all_topic=True)
    async with installed(around, tmp_path, tokens=40, acts_per_second=20.0, environ=UNHELD) as here:
        await here.process.start()
        await here.process.says("poll.accepted", 6)
        here.life.vanish(next(iter(here.life.tokens)))  # whether one ends by chance is chance
        await here.quiet()
        assert await here.process.stop() == 0

        assert await here.verdict() == []
        log = await around.log()

    kinds = {event["event_type"] for event in log.events}
    assert kinds == {"created", "modified", "deleted"}
    assert log.copies == log.events
    ids = {int.from_bytes(message.value[1:5], "big") for message in log.messages if message.value}
    assert len(ids) == 2  # one schema for all events, one for the reports
    assert min(ids) >= 100_000

"""The relay on a real broker: what it keeps of a record, in which form, from which topics."""

from __future__ import annotations

import asyncio
import json

import pytest

from streamer.errors import Misconfigured
from tests.kafka.relay.stage import Bench, as_json, many, report, report_as_json, shown
from tests.kafka.stage import make
from tests.services.feed import event


async def test_all_but_the_form_is_kept(bench: Bench) -> None:
    """Partition number, key, timestamp and headers are those of the origin; the content type tells the new form."""
    made = many(30)
    await bench.write(*made)

    async with bench.relaying():
        found = await bench.comes("json", 30)

    sent = {one.key: one for one in map(bench.record, made)}
    assert shown(found) == sorted(map(as_json, made))
    assert {one.partition for one in found} == {0, 1, 2}
    for one in found:
        origin = sent[one.key]
        assert (one.partition, one.timestamp) == (origin.partition, origin.timestamp)
        kept = tuple(h for h in origin.headers if h[0] != "content-type")
        assert one.headers == (*kept, ("content-type", b"application/json"))


@pytest.mark.parametrize("form", ["ocsf", "ecs"])
async def test_each_form_has_its_topic(bench: Bench, form: str) -> None:
    """`--format ocsf` writes `P.ocsf`, and nothing but JSON objects."""
    await bench.write(*many(6))

    async with bench.relaying(bench.job(form)):
        found = await bench.comes(form, 6)

    assert all(isinstance(json.loads(one.value or b""), dict) for one in found)


async def test_what_was_aborted_is_not_relayed(bench: Bench) -> None:
    """Only what a read_committed reader sees goes on."""
    await bench.write(*many(5))
    await bench.write(event(6), event(7), event(8), abort=True)
    await bench.write(event(9))

    async with bench.relaying():
        found = await bench.comes("json", 6)

    assert shown(found) == sorted(map(as_json, [*many(5), event(9)]))


async def test_order_within_an_input_partition_is_kept(bench: Bench) -> None:
    """However many transactions it takes, the records of one partition do not overtake one another."""
    bench.keys["transaction"] = {"timeout": "5s", "records": 10}
    made = [event(number, "created", moid="one") for number in range(1, 101)]
    await bench.write(*made)

    async with bench.relaying():
        found = await bench.comes("json", 100)

    assert [one.value for one in found] == list(map(as_json, made))


async def test_three_formats_relay_reports_once(bench: Bench) -> None:
    """Relays of all formats at once: events in each of their topics, reports in one, each exactly once."""
    told = [report(number) for number in range(8)]
    await bench.write(*many(9), *told)

    async with (
        bench.relaying(bench.job("json"), bench.reports()),
        bench.relaying(bench.job("ocsf"), bench.reports()),
        bench.relaying(bench.job("ecs"), bench.reports()),
    ):
        for form in ("json", "ocsf", "ecs"):
            assert len(await bench.comes(form, 9)) == 9
        await bench.comes("snapshots.json", 8)
        await bench.write(report(8))
        found = await bench.comes("snapshots.json", 9)

    assert [one.value for one in found] == list(map(report_as_json, [*told, report(8)]))
    assert {one.key for one in found} == {b"prod"}


async def test_the_topic_of_all_events_is_the_only_input_where_it_is_written(bench: Bench) -> None:
    """With `all_topic` each event stands in two topics; it is relayed once, and in the order of its partition."""
    bench.keys["all_topic"] = True
    await make(bench.bootstrap, bench.names.all, partitions=3)
    made = many(12)
    await bench.write(*made, *(bench.record(one, "all") for one in made))

    async with bench.relaying():
        await bench.comes("json", 12)
        await bench.write(event(13), bench.record(event(13), "all"))
        found = await bench.comes("json", 13)

    assert shown(found) == sorted(map(as_json, many(13)))
    for number in range(3):
        sequences = [json.loads(one.value or b"")["sequence"] for one in found if one.partition == number]
        assert sequences == sorted(sequences)


async def test_a_group_stays_with_its_inputs(bench: Bench) -> None:
    """`all_topic` switched on later: the group goes on with the topics it has read, and repeats nothing."""
    await bench.write(*many(6))
    async with bench.relaying():
        await bench.comes("json", 6)
    bench.keys["all_topic"] = True
    await make(bench.bootstrap, bench.names.all, partitions=3)
    await bench.write(*(bench.record(one, "all") for one in many(7)), event(7))

    async with bench.relaying():
        found = await bench.comes("json", 7)

    assert shown(found) == sorted(map(as_json, many(7)))


async def test_a_topic_that_nobody_writes_any_more_is_for_a_person(bench: Bench) -> None:
    """`all_topic` switched off: the group that read it would wait for ever, and says so instead."""
    bench.keys["all_topic"] = True
    await make(bench.bootstrap, bench.names.all, partitions=3)
    await bench.write(*(bench.record(one, "all") for one in many(3)))
    async with bench.relaying():
        await bench.comes("json", 3)
    bench.keys["all_topic"] = False

    with pytest.raises(ExceptionGroup) as raised:
        async with bench.relaying():
            await asyncio.Event().wait()

    assert raised.group_contains(Misconfigured, match="all_topic is false, and group .* has read .*[.]all")

"""Records that cannot be passed on: those whose fault it is end as dead letters, and nothing else does."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from confluent_kafka import Producer

from streamer import avro
from streamer.avro import Values
from streamer.config import RegistrySettings
from streamer.demo.registry import EmbeddedRegistry, application
from streamer.kafka.writer import Outgoing
from streamer.registry import Registry
from streamer.serving import serve
from streamer.siem.relay import Patient
from streamer.wire.avsc import schema_text
from streamer.wire.decoding import Decoder
from tests.kafka.relay.stage import Bench, as_json, many, shown, told
from tests.kafka.stage import make
from tests.services.feed import NOON, event, token

FOREIGN = b"\xff\xfe\x00 hello"
CONTROL = 600_000  # characters that JSON writes with six each


async def test_what_is_no_event_ends_as_a_dead_letter(bench: Bench) -> None:
    """With the reason and its origin in headers; key, value and its own headers as they were; the others go on."""
    foreign = Outgoing(
        bench.names.created, 1, b"key", FOREIGN, NOON, (("from", b"afar"), ("dead-letter-reason", b"me"))
    )
    await bench.write(event(1), foreign, event(2))
    _put_nothing(bench)

    async with bench.relaying():
        letters = await bench.comes("dead-letter", 2)
        found = await bench.comes("json", 2)

    assert shown(found) == sorted(map(as_json, many(2)))
    first, second = sorted(letters, key=lambda one: one.offset)
    assert (first.key, first.value, first.timestamp) == (b"key", FOREIGN, NOON)
    assert (second.key, second.value, second.headers[0]) == (None, None, ("empty", b""))
    headers = dict(first.headers)
    detail = headers.pop("dead-letter-detail")
    assert b"begins with ff fe" in detail
    assert headers == {
        "from": b"afar",
        "dead-letter-reason": b"undecodable",
        "dead-letter-topic": bench.names.created.encode(),
        "dead-letter-partition": b"1",
        "dead-letter-offset": dict(first.headers)["dead-letter-offset"],
        "dead-letter-relay": f"{bench.prefix}.relay-json".encode(),
    }
    origins = {one.offset: one for one in await bench.read("created")}
    assert origins[int(headers["dead-letter-offset"])].value == FOREIGN


def _put_nothing(bench: Bench) -> None:
    """A record without key, value, or a value of its header, which aiokafka refuses to write."""
    producer = Producer({"bootstrap.servers": bench.bootstrap})
    producer.produce(bench.names.created, partition=1, headers=[("empty", None)])
    assert producer.flush(30) == 0


async def test_what_does_not_fit_as_json_ends_as_a_dead_letter(bench: Bench) -> None:
    """An event that fits as Avro, and has six times its size as JSON: kept whole, where somebody looks."""
    large = event(1, "created", after=token(client_name="\x01" * CONTROL))
    await bench.write(large, event(2))

    async with bench.relaying():
        (letter,) = await bench.comes("dead-letter", 1)
        await bench.comes("json", 1)

    assert dict(letter.headers)["dead-letter-reason"] == b"too_large"
    assert letter.value == bench.record(large).value


async def test_a_dead_letter_that_does_not_fit_either_says_so(bench: Bench) -> None:
    """Its value stays at its origin, which the headers tell, with its size."""
    await make(bench.bootstrap, bench.names.of("dead-letter"), max_message_bytes=1_000_000)
    await bench.write(replace(bench.record(event(1)), value=b"\xff" + os.urandom(1_500_000)), event(2))

    async with bench.relaying():
        (letter,) = await bench.comes("dead-letter", 1)
        await bench.comes("json", 1)

    headers = dict(letter.headers)
    assert (letter.value, letter.key, headers["dead-letter-value-bytes"]) == (None, event(1).moid.encode(), b"1500001")
    assert headers["ce_id"] == event(1).event_id.encode()


async def test_the_largest_event_goes_on(bench: Bench) -> None:
    """1.5 MiB of an ordinary kind fit as JSON too."""
    large = event(1, "created", after=token(client_name="x" * 1_400_000))
    await bench.write(large)

    async with bench.relaying():
        (found,) = await bench.comes("json", 1)

    assert found.value == as_json(large)


# What is not the record's fault...


async def test_a_registry_that_is_away_is_waited_for(bench: Bench) -> None:
    """Nothing becomes a dead letter; what stands before goes on, what is behind as soon as it is back."""
    app = application(EmbeddedRegistry())
    async with serve(app) as url, Registry(RegistrySettings(url=url)) as client:
        made = await client.register(f"{bench.prefix}.created-value", schema_text(avro.EVENT))
    framed = replace(bench, values=Values("confluent", {"created": made}))
    before, behind = event(1, "created", moid="m"), event(2, "created", moid="m")
    await bench.write(bench.record(before), framed.record(behind))

    async with Registry(RegistrySettings(url=url)) as client:
        decoder = Decoder(Patient(client, f"{bench.prefix}.created-value", lambda: 0.0))
        async with bench.relaying(bench.job(decode=decoder.event)) as missing:
            await told(missing, "the schema registry")
            first = await bench.comes("json", 1)
            async with serve(app, port=int(url.rpartition(":")[2])):
                found = await bench.comes("json", 2)
                await told(missing)

    assert shown(first) == [as_json(before)]
    assert shown(found) == sorted(map(as_json, [before, behind]))
    assert await bench.read("dead-letter") == []


async def test_a_schema_that_nobody_knows_is_the_records_fault_in_the_end(bench: Bench, registry: Any) -> None:
    """If the registry is the right one, and does not know the id after a while either; never if it may be wrong."""
    now = 0.0
    async with Registry(RegistrySettings(url=registry.url)) as client:
        decoder = Decoder(Patient(client, f"{bench.prefix}.created-value", lambda: now))
        strange = replace(bench.record(event(1)), value=avro.frame(avro.encode_event(event(1)), 999_999))
        await bench.write(strange, event(2))
        async with bench.relaying(bench.job(decode=decoder.event)) as missing:
            await told(missing, "nor the subject")
            now = 1000.0
            await told(missing, "nor the subject")
            await client.register(f"{bench.prefix}.created-value", schema_text(avro.EVENT))
            await told(missing, "999999, yet")
            now = 2000.0
            (letter,) = await bench.comes("dead-letter", 1)
            await bench.comes("json", 1)

    assert dict(letter.headers)["dead-letter-reason"] == b"unknown_schema"


async def test_a_fault_of_our_mapping_stops_nothing(bench: Bench) -> None:
    """An event that a form fails on is a dead letter; those behind it go on."""

    async def decode(value: bytes | None) -> dict[str, Any]:
        found = await Decoder().event(value)
        return {} if found["sequence"] == 1 else found

    await bench.write(*many(3))
    async with bench.relaying(bench.job(decode=decode)):
        await bench.comes("json", 2)
        (letter,) = await bench.comes("dead-letter", 1)

    assert dict(letter.headers)["dead-letter-reason"] == b"unmappable"

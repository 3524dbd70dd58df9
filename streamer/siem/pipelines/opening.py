"""What stands on top of every configuration: what it is, what must run beside it, and which variables it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from streamer.siem.deployment import Feed

_REFERENCE: Final = re.compile(r"\$\{(?:env:)?([A-Z][A-Z0-9_]+)\}|\$([A-Z][A-Z0-9]*_[A-Z0-9_]+)")

MADE_FOR: Final = {  # the version whose source or documentation a rendering was written by
    "logstash": "Logstash with its Kafka integration 12.1.4",
    "vector": "Vector 0.58",
    "redpanda-connect": "Redpanda Connect as its source was in mid-2026",
    "kafka-connect-splunk": "Splunk Connect for Kafka 2.2.1 on Kafka Connect 4.3.1",
    "kafka-connect-elasticsearch": "Confluent's Elasticsearch sink (source of mid-2026) on Kafka Connect 4.3.1",
    "otel": "the OpenTelemetry Collector (contrib) as its source was in mid-2026",
    "filebeat": "Filebeat as its documentation was in mid-2026",
    "fluent-bit": "Fluent Bit 5.1",
    "rsyslog": "rsyslog 8.2302",
    "flink-sql": "Flink 2.3.0 with its Kafka connector 5.0.0-2.2",
}

GHOSTS: Final = "Keep one of each event_id; where two have one sequence, the later is the one that was committed."
COPIES: Final = "The relay writes such a record again, with the same event_id: keep one of each."


def opening(command: str, feeds: Iterable[Feed], body: str, *, committed: bool = True) -> list[str]:
    """The first comment lines of a configuration.

    Args:
        command: that made it.
        feeds: what it reads.
        body: the rest of the configuration; the variables it refers to are listed.
        committed: False where the collector has no setting for it.
    """
    feeds = list(feeds)
    topics = ", ".join(topic for feed in feeds for topic in feed.topics)
    lines = [f"Made by `streamer siem {command}` for {MADE_FOR[command.split(maxsplit=1)[0]]}. Reads {topics}."]
    if committed:
        lines.append("read_committed: what an aborted transaction left behind is no event.")
    else:
        lines.append(
            "This collector has no setting for read_committed: it shows what an aborted transaction left, too."
        )
        lines.append(GHOSTS if any(not feed.relay for feed in feeds) else COPIES)
    if relays := sorted({feed.relay for feed in feeds if feed.relay}):
        lines.append(f"The topics are filled by `{'`, `'.join(relays)}`, which must be running.")
    if names := variables(body):
        lines.append(f"Variables it reads: {', '.join(names)}.")
    return lines


def variables(body: str) -> list[str]:
    """The variables that a configuration refers to, in order of their first use."""
    return list(dict.fromkeys(found[1] or found[2] for found in _REFERENCE.finditer(body)))

"""Splunk Connect for Kafka, to HTTP Event Collector.

Question: the connector's `time` is the Kafka record's (detected_at) or what a pattern finds; how does it become the
event's own? Choice: a converter turns `event_time` (reports: `finished_at`) into the RFC 3339 text of our JSON form,
and the pattern finds it. It stands in front of every text that somebody else chose, so nobody moves an event in time
by a name. OCSF's time is a number, which the same pattern cannot take: OCSF goes by `otel`. Rejected: the record's own
timestamp alone; it stays where the pattern finds nothing.

Question: when is an event sent? The sink sends 500 at once, or what it has once its window has passed, and looks only
when records come or the worker commits (`offset.flush.interval.ms`, a minute). Choice: a window of 1 s, its least: the
first records of a poll go at once, and what comes right behind them with the worker's next commit or the next poll's
report. Its default of 30 s would hold back every event for up to a minute.

Question: acknowledged or not? Choice: `splunk.hec.ack.enabled`, so that offsets move only when Splunk has indexed; the
HEC token must have indexer acknowledgement on. What is sent twice after a crash has the same `event_id`.
"""

from __future__ import annotations

from streamer.siem.deployment import REPORT, Deployment
from streamer.siem.pipelines import kafka_connect
from streamer.siem.pipelines.kafka_connect import STRINGS, refer
from streamer.siem.pipelines.otel import REPORTS, SOURCETYPES

FORMS = ("json", "ecs")
PATTERN = '(?:%s|%s)"?[=:]"?(?<time>[0-9T:.-]+Z)'
FLUSH_S = "1"
LAYOUT = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"


def render(deployment: Deployment, form: str = FORMS[0]) -> str:
    """The connector, as `POST /connectors` takes it."""
    events, reports = kafka_connect.feeds(deployment, form)
    topics = events.topics + reports.topics
    sourcetypes = [SOURCETYPES[form]] * len(events.topics) + [REPORTS] * len(reports.topics)
    values = kafka_connect.avro_values(deployment) if events.encoding == "confluent" else {}
    settings = {
        "connector.class": "com.splunk.kafka.connect.SplunkSinkConnector",
        "tasks.max": "1",
        "topics": ",".join(topics),
        "splunk.sourcetypes": ",".join(sourcetypes),
        "splunk.sources": ",".join(topics),
        "splunk.hec.uri": refer("SPLUNK_HEC_URL"),
        "splunk.hec.token": refer("SPLUNK_HEC_TOKEN"),
        "splunk.hec.ack.enabled": "true",
        "splunk.hec.raw": "false",
        "splunk.flush.window": FLUSH_S,
        "splunk.hec.use.record.timestamp": "true",
        "enable.timestamp.extraction": "true",
        "timestamp.regex": PATTERN % (events.form.time, REPORT.time),
        "timestamp.format": LAYOUT,
        "timestamp.timezone": "UTC",
        **(values or {"value.converter": STRINGS}),
    }
    if values:
        for name, field in (("eventTime", events.form.time), ("reportTime", REPORT.time)):
            settings |= {
                f"transforms.{name}.type": "org.apache.kafka.connect.transforms.TimestampConverter$Value",
                f"transforms.{name}.field": field,
                f"transforms.{name}.target.type": "string",
                f"transforms.{name}.format": LAYOUT,
            }
        settings["transforms"] = "eventTime,reportTime"
    return kafka_connect.connector(deployment, "splunk" if form == "json" else f"splunk-{form}", settings)

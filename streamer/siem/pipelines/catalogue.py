"""Which collectors there are: what each rendering is called, what it is for, and what may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from streamer.siem.pipelines import (
    elasticsearch_template,
    filebeat,
    flink_sql,
    fluent_bit,
    kafka_connect,
    kafka_connect_elasticsearch,
    kafka_connect_splunk,
    logstash,
    otel,
    redpanda_connect,
    rsyslog,
    sentinel_table,
    splunk_props,
    vector,
)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One rendering.

    Attributes:
        render: makes the text; takes `to` and `form` where there is a choice.
        what: one sentence.
        file: a name for the text, as examples show it.
        to: destinations, the default first; none if there is one only.
        forms: of the events, the default first; none if there is one only.
        notes: what to say beside a text that has no place for comments.
    """

    render: Callable[..., str]
    what: str
    file: str
    to: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    notes: Callable[..., list[str]] | None = None


PIPELINES: Final[Mapping[str, Pipeline]] = {
    "logstash": Pipeline(
        logstash.render, "Logstash: Avro to a search index or Sentinel.", "tokens.conf", logstash.TO, logstash.FORMS
    ),
    "vector": Pipeline(vector.render, "Vector: Avro to a search index, Splunk or SecOps.", "vector.yaml", vector.TO),
    "redpanda-connect": Pipeline(
        redpanda_connect.render, "Redpanda Connect: Avro to Elasticsearch.", "redpanda-connect.yaml"
    ),
    "kafka-connect-splunk": Pipeline(
        kafka_connect_splunk.render,
        "Splunk Connect for Kafka: Avro to HEC.",
        "splunk-sink.json",
        forms=kafka_connect_splunk.FORMS,
        notes=partial(kafka_connect.notes, "kafka-connect-splunk"),
    ),
    "kafka-connect-elasticsearch": Pipeline(
        kafka_connect_elasticsearch.render,
        "Elasticsearch sink for Kafka Connect.",
        "elasticsearch-sink.json",
        notes=partial(kafka_connect.notes, "kafka-connect-elasticsearch"),
    ),
    "otel": Pipeline(
        otel.render, "OpenTelemetry Collector (SOC4Kafka): JSON to Splunk HEC.", "otel.yaml", forms=otel.FORMS
    ),
    "filebeat": Pipeline(
        filebeat.render, "Filebeat or Elastic Agent: ECS to Elasticsearch.", "filebeat.yml", forms=filebeat.FORMS
    ),
    "fluent-bit": Pipeline(
        fluent_bit.render, "Fluent Bit: JSON to a search index.", "fluent-bit.yaml", fluent_bit.TO, fluent_bit.FORMS
    ),
    "rsyslog": Pipeline(
        rsyslog.render, "rsyslog: JSON to a syslog receiver such as QRadar.", "tokens.conf", forms=rsyslog.FORMS
    ),
    "flink-sql": Pipeline(flink_sql.render, "Flink SQL: tables of events and reports.", "tables.sql"),
    "elasticsearch-template": Pipeline(
        elasticsearch_template.render,
        "Index template for Elasticsearch and OpenSearch.",
        "template.json",
        forms=elasticsearch_template.FORMS,
    ),
    "sentinel-table": Pipeline(
        sentinel_table.render,
        "Sentinel's tables and data collection rule, as an ARM template.",
        "sentinel.json",
        notes=sentinel_table.notes,
    ),
    "splunk-props": Pipeline(splunk_props.render, "props.conf for Splunk, with CIM's Change fields.", "props.conf"),
}

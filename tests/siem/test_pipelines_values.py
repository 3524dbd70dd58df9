"""Renderings, one by one: that what stands in them fits the records that the service writes."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime
from typing import Any

import fastavro
import pytest
import yaml

from streamer import avro
from streamer.siem.forms import FORMS
from streamer.siem.pipelines.catalogue import PIPELINES
from streamer.wire import avsc
from tests.golden.cases import CASES
from tests.siem import logstash, read
from tests.siem.renderings import BEARER, REGISTRY, SCRAM, TLS, deployment

SPLUNK = "cisco:intersight:oauth_token"
P = "cisco.intersight.oauth-token"
SCHEMAS = {"events": "oauth_token_event", "snapshots": "snapshot_report"}
LARGEST_EVENT = 3 * 2**19  # bytes
EVENT_CASES = [case for case in CASES if case.schema == "oauth_token_event"]
REPORT_CASES = [case for case in CASES if case.schema == "snapshot_report"]


def rendering(name: str, kafka: dict[str, Any] | None = None, **chosen: str) -> Any:
    """A rendering, read."""
    text = PIPELINES[name].render(deployment(kafka), **chosen)
    return read.reader(name, PIPELINES[name].file)(text)


# Vector ...


@pytest.mark.parametrize("case", EVENT_CASES + REPORT_CASES, ids=lambda case: case.name)
def test_vector_s_schema_decodes_every_record(case: Any) -> None:
    """The static schema in the configuration reads our bytes to the same values as the schema itself."""
    kind = "events" if case.schema == SCHEMAS["events"] else "snapshots"
    codec = rendering("vector")["sources"][kind]["decoding"]["avro"]
    schema = avsc.without_logical_types(json.loads(codec["schema"]))

    assert fastavro.schemaless_reader(io.BytesIO(case.avro), schema, None) == avro.decode(case.schema, case.avro)
    assert codec["strip_schema_id_prefix"] is True


def test_vector_strips_no_prefix_that_is_not_there() -> None:
    """Bare Avro has no id in front; five bytes less would be another event."""
    assert (
        rendering("vector", {"value_format": "avro"})["sources"]["events"]["decoding"]["avro"]["strip_schema_id_prefix"]
        is False
    )


@pytest.mark.parametrize(
    ("value_format", "call"), [("confluent", "from_unix_timestamp!"), ("json", "parse_timestamp!")]
)
def test_vector_s_time_is_the_event_s(value_format: str, call: str) -> None:
    """An integer from Avro, text from JSON, of the field that is the event's time, or the report's."""
    tree = rendering("vector", {"value_format": value_format})["transforms"]

    assert tree["events_timed"]["source"].startswith(f".timestamp = {call}(.event_time,")
    assert tree["snapshots_timed"]["source"].startswith(f".timestamp = {call}(.finished_at,")


def test_vector_commits_what_was_delivered() -> None:
    """Offsets move with acknowledgements, whatever the destination."""
    for to in PIPELINES["vector"].to:
        assert all(sink["acknowledgements"]["enabled"] for sink in rendering("vector", to=to)["sinks"].values())


# One document for each event ...


def test_documents_are_named_by_the_event() -> None:
    """Every writer of documents uses event_id (snapshot_id for reports), and writes over what is there already."""
    outputs = [options for _, options in rendering("logstash")["output"]]
    sinks = rendering("vector")["sinks"]
    connect = rendering("kafka-connect-elasticsearch")["config"]
    inputs = rendering("filebeat")["filebeat.inputs"]

    assert [o["document_id"] for o in outputs] == ["%{[event_id]}", "%{[snapshot_id]}"]
    assert [o["action"] for o in outputs] == ["index", "index"]
    assert [sinks[f"{kind}_out"]["id_key"] for kind in SCHEMAS] == ["event_id", "snapshot_id"]
    assert [connect[f"transforms.{name}Key.field"] for name in ("event", "report")] == ["event_id", "snapshot_id"]
    assert connect["key.ignore"] == "false"
    assert [i["processors"][0]["copy_fields"]["fields"][0]["from"] for i in inputs] == ["event.id", "snapshot_id"]
    assert [o["id_key"] for o in rendering("fluent-bit")["pipeline"]["outputs"]] == ["event_id", "snapshot_id"]
    assert rendering("fluent-bit", form="ecs")["pipeline"]["outputs"][0]["id_key"] == "$event['id']"
    assert rendering("redpanda-connect")["output"]["switch"]["cases"][1]["output"]["elasticsearch_v8"]["id"] == (
        "${! @document }"
    )


@pytest.mark.parametrize(("topic", "name"), [(f"{P}.created", "event"), (f"{P}.snapshots", "report")])
def test_connect_s_predicate_tells_reports_from_events(topic: str, name: str) -> None:
    """Exactly the transforms of a record's kind apply to its topic."""
    config = rendering("kafka-connect-elasticsearch")["config"]
    is_report = re.fullmatch(config["predicates.isReport.pattern"], topic) is not None
    applied = [
        one
        for one in config["transforms"].split(",")
        if is_report != (config.get(f"transforms.{one}.negate") == "true")
    ]

    assert applied == [f"{name}Id", f"{name}Key"]


# Splunk ...


@pytest.mark.parametrize("case", EVENT_CASES + REPORT_CASES, ids=lambda case: case.name)
def test_connect_finds_the_time_of_splunk_s_event(case: Any) -> None:
    """The pattern finds the record's own time in its line and in Connect's text of it, whatever names stand behind."""
    config = rendering("kafka-connect-splunk")["config"]
    pattern = re.compile(config["timestamp.regex"].replace("?<time>", "?P<time>"))
    values = json.loads(case.json)
    wanted = values["event_time" if case.schema == SCHEMAS["events"] else "finished_at"]
    struct = "Struct{" + ",".join(f"{name}={value}" for name, value in values.items() if value is not None) + "}"

    for text in (case.json.decode(), struct):
        found = pattern.search(text)
        assert found is not None
        assert found["time"] == wanted


def test_every_topic_has_its_source_type() -> None:
    """Splunk's connector takes lists of one length, in one order."""
    for kafka in ({}, {"all_topic": True}, {"value_format": "avro"}):
        config = rendering("kafka-connect-splunk", kafka)["config"]
        pairs = list(zip(config["topics"].split(","), config["splunk.sourcetypes"].split(","), strict=True))

        assert [kind.endswith(":snapshot") for _, kind in pairs] == [".snapshots" in topic for topic, _ in pairs]


def test_props_cover_the_source_types() -> None:
    """The index side knows the source types that renderings send, with their times and their longest event."""
    props = rendering("splunk-props")
    sent = set(rendering("kafka-connect-splunk", form="ecs")["config"]["splunk.sourcetypes"].split(","))
    for form in PIPELINES["otel"].forms:
        sent |= {one["sourcetype"] for one in rendering("otel", form=form)["exporters"].values()}
    sent |= {one["sourcetype"] for one in rendering("vector", to="splunk")["sinks"].values()}

    assert set(props) == sent
    assert all(int(stanza["TRUNCATE"]) > LARGEST_EVENT for stanza in props.values())
    event = avro.decode_event(EVENT_CASES[1].avro)
    lines = {f"{SPLUNK}:{form}": make(event) for form, make in FORMS.items()}
    lines |= {SPLUNK: lines.pop(f"{SPLUNK}:json"), f"{SPLUNK}:snapshot": REPORT_CASES[0].json}
    for name, stanza in props.items():
        found = re.search(stanza["TIME_PREFIX"], lines[name].decode())
        assert found is not None
        text = re.match(r'[^,"]+', lines[name].decode()[found.end() :])
        assert text is not None
        if stanza["TIME_FORMAT"] == "%s%3N":
            assert int(text[0]) == event["event_time"]
        else:
            assert datetime.strptime(text[0], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() > 0


def test_otel_has_one_topic_a_receiver() -> None:
    """SOC4Kafka's way: each receiver reads one topic, and every receiver is in a pipeline."""
    tree = rendering("otel", {"value_format": "json"})
    used = [name for pipeline in tree["service"]["pipelines"].values() for name in pipeline["receivers"]]

    assert all(len(receiver["logs"]["topics"]) == 1 for receiver in tree["receivers"].values())
    assert sorted(used) == sorted(tree["receivers"])


def test_otel_fetches_tokens_through_its_extension() -> None:
    """OAUTHBEARER names an extension, which is there and started."""
    tree = rendering("otel", {**BEARER})
    source = tree["receivers"]["kafka/events_0"]["auth"]["sasl"]["oauthbearer_token_source"]

    assert source in tree["extensions"]
    assert tree["service"]["extensions"] == [source]


# Being let in ...


def test_tls_files_reach_every_collector() -> None:
    """The authorities and the client's certificate are named where each collector takes them."""
    for name in set(PIPELINES) - read.NO_TOPICS:
        text = PIPELINES[name].render(deployment({**SCRAM, **TLS}))

        assert "/etc/streamer/ca.pem" in text
        assert "/etc/streamer/client.pem" in text or "KAFKA_KEYSTORE" in text


def test_registries_credentials_reach_every_collector_that_asks_one() -> None:
    """User, a reference to the password, and TLS stand beside the registry's URL."""
    for name in ("logstash", "redpanda-connect", "kafka-connect-splunk", "kafka-connect-elasticsearch", "flink-sql"):
        text = PIPELINES[name].render(deployment(None, REGISTRY))

        assert REGISTRY["url"] in text
        assert "REGISTRY_PASSWORD}" in text
        for part in ("TRUSTSTORE", "KEYSTORE"):
            place = rf"ssl[._]{part.lower()}[._]location\W+(env:)?REGISTRY_{part}\}}"
            assert re.search(place, text) or "root_cas_file" in text


def test_names_that_need_not_match_are_said_so() -> None:
    """`ssl_check_hostname: false` is a setting of its own wherever authorities can be trusted without names."""
    kafka = {**SCRAM, **TLS, "ssl_check_hostname": False}

    assert rendering("filebeat", kafka)["filebeat.inputs"][0]["ssl"]["verification_mode"] == "certificate"
    assert (
        rendering("vector", kafka)["sources"]["events"]["librdkafka_options"]["ssl.endpoint.identification.algorithm"]
        == "none"
    )
    assert "ssl.endpoint.identification.algorithm=none" in rendering("rsyslog", kafka)["confParam"]
    assert rendering("logstash", kafka)["input"][0][1]["ssl_endpoint_identification_algorithm"] == ""


def test_what_an_old_librdkafka_cannot_do_is_said() -> None:
    """SCRAM with Kafka 4, and OAUTHBEARER, fail there in ways that look like a wrong password or a wrong setting."""
    for name in ("rsyslog", "fluent-bit"):
        assert "librdkafka 2.6.1" in PIPELINES[name].render(deployment({**SCRAM}))
        assert "libcurl" in PIPELINES[name].render(deployment({**BEARER}))
        assert "librdkafka" not in PIPELINES[name].render(deployment())


def test_logstash_sends_ecs_to_the_data_stream() -> None:
    """ECS events go where Elastic's templates and rules look, once each; no registry is asked for lines of JSON."""
    text = PIPELINES["logstash"].render(deployment({}, {"bearer_token": "t"}), form="ecs")
    ((_, options), (_, reports)) = logstash.read(text)["output"]

    assert "schema_registry" not in text
    assert [options[f"data_stream_{part}"] for part in ("type", "dataset", "namespace")] == [
        "logs",
        "cisco_intersight.oauth_token",
        "default",
    ]
    assert options["document_id"] == "%{[event][id]}"
    assert options["action"] == "create"
    assert reports["index"] == f"{P}.snapshots"


def test_logstash_reads_bare_avro_by_the_schema_s_file() -> None:
    """Without a registry the codec gets bytes, not their base64, and a file that `streamer schemas show` writes."""
    text = PIPELINES["logstash"].render(deployment({"value_format": "avro"}))
    codec, options = logstash.read(text)["input"][0][1]["codec"]

    assert codec == "avro"
    assert options["encoding"] == "binary"
    assert f"streamer schemas show oauth_token_event > {options['schema_uri']}" in text


def test_yaml_says_switches_as_texts() -> None:
    """`on` and `off` are no booleans to Fluent Bit: they are written so that every YAML reader sees text."""
    text = PIPELINES["fluent-bit"].render(deployment())

    assert yaml.safe_load(text)["parsers"][0]["time_keep"] == "off"

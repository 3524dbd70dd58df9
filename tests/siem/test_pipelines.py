"""Renderings of collectors' configurations: what all of them promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamer.config import load
from streamer.errors import Misconfigured
from streamer.siem.deployment import Deployment
from streamer.siem.pipelines.catalogue import PIPELINES
from tests.siem import read
from tests.siem.renderings import (
    BEARER,
    DEPLOYMENTS,
    FOLDER,
    REGISTRY,
    SCRAM,
    SECRETS,
    TLS,
    calls,
    deployment,
    file_of,
    rendered,
)

CALLS = list(calls())
EACH = pytest.mark.parametrize(("name", "chosen"), CALLS, ids=["-".join((n, *c.values())) for n, c in CALLS])
KINDS = pytest.mark.parametrize("kind", DEPLOYMENTS)
COLLECTORS = [name for name in PIPELINES if name not in read.NO_TOPICS]
P = "cisco.intersight.oauth-token"

# How a collector writes a reference to a variable.
REFERENCE = re.compile(r"\$\{(?:env:)?[A-Z][A-Z0-9_]*\}|`echo [^`$]*\$[A-Z][A-Z0-9_]*`")


@KINDS
@EACH
def test_rendering_is_the_one_that_was_looked_at(kind: str, name: str, chosen: dict[str, str]) -> None:
    """A change of a rendering is a change of what people run: it is seen, or it did not happen."""
    assert file_of(kind, name, chosen).read_text(encoding="utf-8") == rendered(kind, name, chosen)


def test_every_kept_rendering_is_made() -> None:
    """Nothing is kept that no code makes any more."""
    made = {file_of(kind, name, chosen) for kind in DEPLOYMENTS for name, chosen in CALLS}

    assert {path for path in FOLDER.rglob("*") if path.is_file()} == made


@KINDS
@EACH
def test_rendering_is_read_by_its_own_format(kind: str, name: str, chosen: dict[str, str]) -> None:
    """Every rendering is YAML, JSON, SQL, props or Logstash's language, whole, and holds something."""
    assert read.reader(name, PIPELINES[name].file)(rendered(kind, name, chosen))


@pytest.mark.parametrize("name", COLLECTORS)
@pytest.mark.parametrize(
    ("kafka", "wanted"),
    [
        ({}, [f"{P}.created", f"{P}.modified", f"{P}.deleted", f"{P}.snapshots"]),
        ({"all_topic": True}, [f"{P}.all", f"{P}.snapshots"]),
    ],
)
def test_every_event_is_read_once(name: str, kafka: dict[str, object], wanted: list[str]) -> None:
    """The topics hold each event once: the three or `P.all`, or one that the relay fills, and the reports."""
    tree = read.reader(name, PIPELINES[name].file)(PIPELINES[name].render(deployment(kafka)))
    form = "ecs" if name == "filebeat" else "json"

    assert read.topics(tree) in (wanted, [f"{P}.{form}", f"{P}.snapshots.json"])


@pytest.mark.parametrize("name", COLLECTORS)
def test_json_on_the_wire_needs_no_relay(name: str) -> None:
    """Where values are JSON already, whoever reads that form reads the service's own topics."""
    chosen = {"form": "json"} if PIPELINES[name].forms else {}
    text = PIPELINES[name].render(deployment({"value_format": "json"}), **chosen)
    tree = read.reader(name, PIPELINES[name].file)(text)

    assert read.topics(tree) == [f"{P}.created", f"{P}.modified", f"{P}.deleted", f"{P}.snapshots"]
    assert "relay" not in text
    assert "avro" not in text.lower()


@pytest.mark.parametrize("name", COLLECTORS)
def test_what_decodes_no_bare_avro_reads_the_relay(name: str) -> None:
    """Bare Avro carries no id: only a collector with the schema in its hands reads it, the others read JSON."""
    tree = read.reader(name, PIPELINES[name].file)(PIPELINES[name].render(deployment({"value_format": "avro"})))
    static = name in {"logstash", "vector", "flink-sql"}

    assert (f"{P}.created" in read.topics(tree)) == static
    assert not any("registry" in text for text in read.texts(tree))


@KINDS
@EACH
def test_what_must_run_beside_it_is_told(kind: str, name: str, chosen: dict[str, str]) -> None:
    """A rendering that reads the relay's topics names the command that fills them (JSON has no place to say so)."""
    text = rendered(kind, name, chosen)
    relayed = [
        t for t in read.topics(read.reader(name, PIPELINES[name].file)(text)) if re.search(r"(json|ecs|ocsf)$", t)
    ]

    if relayed and not PIPELINES[name].file.endswith(".json"):
        assert re.search(r"`streamer relay --format (json|ecs|ocsf)`", text)


@KINDS
@EACH
def test_aborted_events_are_kept_out(kind: str, name: str, chosen: dict[str, str]) -> None:
    """read_committed is a setting of every collector that has one, once for each of its inputs."""
    text = rendered(kind, name, chosen)
    told = [text for text in read.texts(read.reader(name, PIPELINES[name].file)(text)) if "read_committed" in text]
    inputs = {"redpanda-connect": 1, "kafka-connect-splunk": 1, "kafka-connect-elasticsearch": 1}

    if name in read.NO_TOPICS:
        assert told == []
    elif name == "otel":
        assert "no setting for read_committed" in text
    else:
        assert len(told) == inputs.get(name, 2)


@pytest.mark.parametrize("extra", [{}, {"ssl_key_password": SECRETS["ssl_key_password"]}, {"bearer": True}])
@EACH
def test_no_secret_is_rendered(name: str, chosen: dict[str, str], extra: dict[str, object]) -> None:
    """Whatever secrets the configuration holds, none is in a rendering, and a reference stands where each goes."""
    kafka = {**(BEARER if "bearer" in extra else SCRAM), **TLS, **{k: v for k, v in extra.items() if k != "bearer"}}
    registry = {k: v for k, v in REGISTRY.items() if k not in {"username", "password"}}
    registry |= {"bearer_token": SECRETS["bearer_token"]} if "bearer" in extra else REGISTRY
    try:
        text = PIPELINES[name].render(deployment(kafka, registry), **chosen)
    except Misconfigured as refusal:
        text = f"{refusal} {refusal.hint}"
    else:
        assert name in read.NO_TOPICS or REFERENCE.search(text)

    assert "planted" not in text


def test_no_file_of_a_secret_is_opened(tmp_path: Path) -> None:
    """A rendering needs no secret's file to be there: it is made on any machine that has the configuration."""
    (tmp_path / "streamer.yaml").write_text(
        f"kafka: {{security_protocol: SASL_SSL, sasl_mechanism: PLAIN, sasl_username: u, "
        f"sasl_password_file: {tmp_path}/none, ssl_ca_file: {tmp_path}/none}}\n"
        f"registry: {{username: u, password_file: {tmp_path}/none}}\n"
    )
    found = Deployment.of(load(tmp_path / "streamer.yaml", {}, reader=True))

    for name, chosen in CALLS:
        assert PIPELINES[name].render(found, **chosen)


@EACH
def test_variables_are_listed(name: str, chosen: dict[str, str]) -> None:
    """Whoever runs a rendering finds in its first lines all variables that it refers to."""
    text = rendered("secured", name, chosen)
    head, _, body = text.partition("Variables it reads: ")
    used = set(re.findall(r"\$\{?(?:env:)?([A-Z][A-Z0-9]*_[A-Z0-9_]+)", body.partition("input")[2]))

    if head != text:
        listed = re.sub(r"\n(#|--) ", " ", body).partition(".\n")[0].partition(". ")[0]
        assert used <= set(re.split(r"[,\s]+", listed))


REFUSALS = [
    *((name, BEARER, {}, "OAUTHBEARER") for name in ("vector", "redpanda-connect", "filebeat")),
    *((name, {}, {"bearer_token": "t"}, "bearer_token") for name in ("logstash", "redpanda-connect")),
    ("otel", {**SCRAM, **TLS, "ssl_key_password": "x"}, {}, "ssl_key_password"),
    *(
        (name, {**SCRAM, "ssl_check_hostname": False}, {}, "ssl_check_hostname")
        for name in ("otel", "redpanda-connect")
    ),
]


@pytest.mark.parametrize(("name", "kafka", "registry", "key"), REFUSALS)
def test_what_cannot_work_is_refused(
    name: str, kafka: dict[str, object], registry: dict[str, object], key: str
) -> None:
    """A collector that cannot do what the deployment wants gets no configuration but a sentence and a way out."""
    with pytest.raises(Misconfigured) as refusal:
        PIPELINES[name].render(deployment(kafka, registry))

    assert name in str(refusal.value)
    assert key in str(refusal.value)
    assert refusal.value.hint


def test_the_others_take_bearer_tokens() -> None:
    """OAUTHBEARER reaches every other collector as its own setting, with the token server and a reference."""
    for name in ("logstash", "kafka-connect-splunk", "kafka-connect-elasticsearch", "otel", "fluent-bit", "rsyslog"):
        text = PIPELINES[name].render(deployment({**BEARER}))

        assert "https://login.example.com/token" in text
        assert "KAFKA_CLIENT_SECRET" in text

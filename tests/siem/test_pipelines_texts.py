"""Texts that an operator chose, however odd, reach the collector as they are, or the rendering is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from streamer.errors import Misconfigured
from streamer.siem.pipelines.catalogue import PIPELINES
from tests.siem import read
from tests.siem.renderings import SCRAM, deployment

ODD = [
    "siem",
    "$ConnectionString",
    "a: b #c",
    "O'Brien",
    'say "hi"',
    "${HOME}",
    "back\\slash",
    "line\nbreak",
    "é`x`",
    "$SECRET",
]


def _jaas(text: str) -> str:
    """The user name of a line of JAAS, as its tokenizer takes it."""
    found = re.search(r'username="((?:\\.|[^"\\])*)"', text, re.DOTALL)
    assert found is not None
    return re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL)


def _doubled(text: str) -> str:
    """What a collector that replaces `$NAME` takes `$$` for."""
    assert "$" not in text.replace("$$", "")
    return text.replace("$$", "$")


def _literal(text: object) -> str:
    """What a collector that replaces `${NAME}` leaves alone."""
    assert "${" not in str(text)
    return str(text)


def _of_rsyslog(tree: dict[str, list[str]]) -> str:
    return next(text.partition("=")[2] for text in tree["confParam"] if text.startswith("sasl.username="))


USERS: dict[str, Callable[[Any], str]] = {
    "logstash": lambda tree: _literal(_jaas(tree["input"][0][1]["sasl_jaas_config"])),
    "vector": lambda tree: _doubled(tree["sources"]["events"]["sasl"]["username"]),
    "redpanda-connect": lambda tree: _literal(tree["input"]["redpanda"]["sasl"][0]["username"]),
    "kafka-connect-splunk": lambda tree: _jaas(tree["config"]["consumer.override.sasl.jaas.config"]),
    "kafka-connect-elasticsearch": lambda tree: _jaas(tree["config"]["consumer.override.sasl.jaas.config"]),
    "otel": lambda tree: _doubled(tree["receivers"]["kafka/events_0"]["auth"]["sasl"]["username"]),
    "filebeat": lambda tree: _literal(tree["filebeat.inputs"][0]["username"]),
    "fluent-bit": lambda tree: _literal(tree["pipeline"]["inputs"][0]["rdkafka.sasl.username"]),
    "rsyslog": _of_rsyslog,
    "flink-sql": lambda tree: _jaas(tree["oauth_token_events"]["properties.sasl.jaas.config"]),
}


@pytest.mark.parametrize("user", ODD)
@pytest.mark.parametrize("name", USERS)
def test_a_user_name_is_taken_as_it_is_or_refused(name: str, user: str) -> None:
    """No user name ends a string, starts a comment or becomes a variable."""
    try:
        text = PIPELINES[name].render(deployment({**SCRAM, "sasl_username": user}))
    except Misconfigured:
        assert user not in {"siem", "$ConnectionString"}
        return

    assert USERS[name](read.reader(name, PIPELINES[name].file)(text)) == user


def test_every_collector_is_asked() -> None:
    """A new collector is held to this too."""
    assert set(USERS) == set(PIPELINES) - read.NO_TOPICS

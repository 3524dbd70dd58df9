"""Each rendering, read by its own format, and what a collector would take out of it: topics, brokers, users."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from tests.siem import logstash

TOPICS = ("topics", "topic")
NO_TOPICS = {"elasticsearch-template", "sentinel-table", "splunk-props"}


def _props(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=True, comment_prefixes="#", delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def _rainer(text: str) -> dict[str, list[str]]:
    """Parameters of rsyslog by name; the real parser reads it where rsyslog is installed."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert body.count("(") == body.count(")")
    found: dict[str, list[str]] = {}
    for name, array, plain in re.findall(r'\b(\w[\w.]*)=(?:\[([^\]]*)\]|("[^"]*"|`[^`]*`))', body):
        found.setdefault(name, []).extend(re.findall(r'["`]([^"`]*)["`]', array or plain))
    return found


def _sql(text: str) -> dict[str, dict[str, str]]:
    """The options of each table; the real parser is Flink's."""
    tables = re.findall(r"CREATE TABLE `(\w+)` \(\n(.*?)\n\) WITH \(\n(.*?)\n\);", text, re.DOTALL)
    pair = re.compile(r"^  '((?:[^']|'')*)' = '((?:[^']|'')*)',?$", re.MULTILINE)
    return {
        name: {key: value.replace("''", "'") for key, value in pair.findall(options)} for name, _, options in tables
    }


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # the fast one where it was built


READERS: Mapping[str, Callable[[str], Any]] = {
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": json.loads,
    ".sql": _sql,
}
READERS_OF: Mapping[str, Callable[[str], Any]] = {"logstash": logstash.read, "rsyslog": _rainer, "splunk-props": _props}


def reader(name: str, file: str) -> Callable[[str], Any]:
    """What reads the renderings of a collector."""
    return READERS_OF.get(name) or READERS[file[file.rindex(".") :]]


def topics(tree: Any) -> list[str]:
    """Every topic that a configuration names, wherever and however it does, in order."""
    if isinstance(tree, Mapping):
        found: list[str] = []
        for key, value in tree.items():
            if key in TOPICS and isinstance(value, str | list):
                found += re.split("[,;]", value) if isinstance(value, str) else value
            else:
                found += topics(value)
        return found
    return [topic for part in tree for topic in topics(part)] if isinstance(tree, list | tuple) else []


def texts(tree: Any) -> list[str]:
    """Every text of a configuration."""
    if isinstance(tree, Mapping):
        return [text for value in tree.values() for text in texts(value)]
    if isinstance(tree, list | tuple):
        return [text for part in tree for text in texts(part)]
    return [tree] if isinstance(tree, str) else []

"""The lines a consumer may be given: our own JSON form, OCSF, ECS. `follow` and `relay` use this table only.

A line is UTF-8 JSON without a newline in it or after it, whatever an event holds; never a lone surrogate, never NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from streamer import avro
from streamer.siem.ecs import ecs
from streamer.siem.ocsf import ocsf
from streamer.wire import jsonform

Form = Callable[[Mapping[str, Any]], bytes]


def _json(event: Mapping[str, Any]) -> bytes:
    return avro.json_line(event, avro.EVENT)


def _ocsf(event: Mapping[str, Any]) -> bytes:
    return jsonform.line(ocsf(event))


def _ecs(event: Mapping[str, Any]) -> bytes:
    return jsonform.line(ecs(event))


FORMS: Final[Mapping[str, Form]] = {"json": _json, "ocsf": _ocsf, "ecs": _ecs}

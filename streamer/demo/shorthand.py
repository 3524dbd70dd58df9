"""Faults in a short form, for the command line and for people: `html:0.05`, `lag=3s:0.2`, `hidden=0.3,by_moid=403`.

    NAME[=VALUE][,PARAMETER=VALUE...][:PROBABILITY]

The first value is the fault's main parameter. A value is a number, a duration (`500ms`, `3s`, `5m`, `1h`: as seconds),
`true` or `false`, a list `A+B` where the parameter is one, or else text.
"""

from __future__ import annotations

import re
from typing import Any, Final, get_origin

import msgspec

from streamer.demo.faults import FAULTS, SETS, AnyFault

_PROBABILITY: Final = re.compile(r"(.*):(0|1|0?\.\d+|1\.0+)", re.DOTALL | re.ASCII)
_DURATION: Final = re.compile(r"([+-]?\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,18}(?:\.\d+)?", re.ASCII)
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORDS: Final = {"true": True, "false": False}


def read_fault(text: str) -> AnyFault:
    """The fault that `text` means; ValueError says what is wrong with it."""
    rest, probability = _split(text)
    first, *more = rest.split(",")
    name, equals, value = first.partition("=")
    if name not in FAULTS:
        raise ValueError(f"{name!r} is no fault: it is one of {', '.join(FAULTS)}")
    main = FAULTS[name].main
    if equals and main is None:
        raise ValueError(f"{name} takes no value of its own, as in {first!r}")
    given = [(str(main), value)] if equals else []
    given += [_pair(part, text) for part in more]
    values = {key: _value(name, key, value) for key, value in given}
    return _made({"fault": name, **values, **probability}, text)


def read_set(text: str) -> list[AnyFault]:
    """All faults of a set, each in its variants, as in `all:0.02`; ValueError says what is wrong with `text`."""
    name, probability = _split(text)
    if name not in SETS:
        raise ValueError(f"{name!r} is no set of faults: it is one of {', '.join(SETS)}, such as all:0.02")
    return [
        _made({"fault": kind.__struct_config__.tag, **variant, **probability}, text)
        for kind in SETS[name]
        for variant in kind.variants
    ]


def _split(text: str) -> tuple[str, dict[str, float]]:
    match = _PROBABILITY.fullmatch(text)
    return (match[1], {"probability": float(match[2])}) if match else (text, {})


def _pair(part: str, text: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals:
        raise ValueError(f"{part!r} in {text!r} is not of the form PARAMETER=VALUE")
    return key, value


def _value(name: str, key: str, text: str) -> Any:
    types = {field.name: field.type for field in msgspec.structs.fields(FAULTS[name])}
    if get_origin(types.get(key)) is tuple:
        return text.split("+") if text else []
    if match := _DURATION.fullmatch(text):
        return float(match[1]) * _UNIT_S[match[2]]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return _WORDS.get(text, text)


def _made(values: dict[str, Any], text: str) -> AnyFault:
    try:
        fault: AnyFault = msgspec.convert(values, AnyFault)
    except msgspec.ValidationError as error:
        raise ValueError(f"{text!r}: {error}") from error
    return fault

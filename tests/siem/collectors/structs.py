"""How Kafka Connect prints a Struct: what its file sink writes for a record that its converter decoded.

A Struct says its fields in order and leaves null ones out; an instant, being a Connect Timestamp, prints as a Java
date. So a line is equal only if every field is there, under its name, in its place and with its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

DATE = "%a %b %d %H:%M:%S UTC %Y"


def struct(record: Mapping[str, Any], texts: Mapping[str, Callable[[datetime], str]]) -> str:
    """A record of the vendor's decoder as Connect prints it; `texts` are the instants that became texts before."""
    shown = {name: texts[name](value) if name in texts else value for name, value in record.items()}
    return f"Struct{{{','.join(f'{name}={_text(value)}' for name, value in shown.items() if value is not None)}}}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime(DATE)
    if isinstance(value, Mapping):
        return struct(value, {})
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, list) else str(value)

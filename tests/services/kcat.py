"""A real kcat, librdkafka's command, from Debian's package, which is built without Avro."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

from tests.services.jvm import Missing
from tests.services.reader import Message

LIMIT_S: Final = 60
FIELDS: Final = (
    "%t\\n%p\\n%o\\n%T\\n%h\\n%K\\n%k\\n%R%s"  # %R: the value's length in four bytes, -1 where there is none
)


def installed() -> Path:
    """The program; `Missing` if this machine has none."""
    if found := shutil.which("kcat"):
        return Path(found)
    raise Missing("This needs kcat: install it (Debian: kcat), or set WITHOUT_KCAT=true.")


def read(program: Path, *arguments: str) -> list[Message]:
    """The records of a topic from its beginning to its end, in its order; arguments as kcat takes them."""
    done = subprocess.run(
        [program, *arguments, "-C", "-e", "-q", "-o", "beginning", "-f", FIELDS],
        capture_output=True,
        check=True,
        timeout=LIMIT_S,
    )
    found, rest = [], done.stdout
    while rest:
        topic, partition, offset, time, headers, length, rest = rest.split(b"\n", 6)
        key, rest = rest[: int(length)], rest[int(length) + 1 :]
        (size,) = struct.unpack(">i", rest[:4])
        value, rest = rest[4 : 4 + size], rest[4 + size :]
        pairs = (pair.partition(b"=")[::2] for pair in headers.split(b",") if pair)
        told = tuple((name.decode(), text) for name, text in pairs)
        found.append(Message(topic.decode(), int(partition), int(offset), key, value, int(time), told))
    return found

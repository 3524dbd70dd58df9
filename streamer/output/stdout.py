"""Standard output as programs want it: whole lines of bytes, flushed, and a clean end when nobody reads any more."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator


def put(made: Iterable[bytes]) -> None:
    """Write lines, and return when they are out of our hands."""
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in made))
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def until_nobody_reads() -> Iterator[None]:
    """A closed pipe is the reader's way to say that it has enough: a clean end, with nothing left to flush."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

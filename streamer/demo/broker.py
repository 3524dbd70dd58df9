"""A Kafka-protocol broker for the demo that pip alone installs: librdkafka's mock cluster in a child process.

It is no evidence for the promises: aborted records are visible, nothing is fenced, nothing is compacted, no topic can
be administered, and all is gone with the process. It must never be offered to anything but the demo and its tests.

Question: why a child process? Choice: the mock cluster runs on threads of librdkafka, logs to stderr and ends only
with its process; a child gives it an end of its own. It lives as long as the pipe to its standard input: that closes
when the block ends, and also when the parent is killed, so nothing is left behind on any platform. Rejected: in our
own process (its end would hang on garbage collection), and the parent-death signal (Linux only).
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from streamer.errors import Misconfigured, Unready

_START_LIMIT_S: Final = 15  # 0.2 s on an idle machine
_STOP_LIMIT_S: Final = 3


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[str]:
    """Run the broker until the block ends; yields its bootstrap address, such as `127.0.0.1:40123`.

    Topics are made by asking for their metadata, with 4 partitions each; consumers must not check CRCs.

    Raises:
        Misconfigured: the extra `demo` is not installed.
        Unready: the child did not start; it says why on standard error.
    """
    if importlib.util.find_spec("confluent_kafka") is None:
        raise Misconfigured(
            "the embedded broker needs confluent-kafka, which is not installed",
            hint="in the folder of README: pip install -e '.[demo]'; or pip install confluent-kafka",
        )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamer.demo.broker", stdin=PIPE, stdout=PIPE, start_new_session=True
    )  # a session of its own: Ctrl-C ends us first, and us it
    try:
        yield await _address(child)
    finally:
        await _end(child)


async def _address(child: Process) -> str:
    """The one line that the child prints."""
    assert child.stdout is not None  # noqa: S101 - it is piped; only the type allows for None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), _START_LIMIT_S)
    except TimeoutError:
        raise Unready(f"the embedded broker did not start within {_START_LIMIT_S} s") from None
    if not line:
        raise Unready("the embedded broker ended while it started", hint="its own words are on standard error")
    return line.decode().strip()


async def _end(child: Process) -> None:
    """Close the pipe the child lives by; if that does not end it, kill it."""
    assert child.stdin is not None  # noqa: S101
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), _STOP_LIMIT_S)
    except TimeoutError:
        child.kill()
        await child.wait()


def main() -> None:
    """The child: start the cluster, print where it is, stay until standard input ends."""
    from confluent_kafka import Producer  # noqa: PLC0415 - an extra: only the child needs it

    owner = Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = owner.list_topics(timeout=_START_LIMIT_S).brokers.values()
    sys.stdout.write(f"{broker.host}:{broker.port}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()

"""Every error of ours, by what the caller should do about it.

::

    StreamerError                 hint: what to change; exit_code: what the process ends with
    |-- Misconfigured      (2)    the operator must change something; retrying cannot help
    |   `-- Damaged               what stands in the log cannot be read; its source stands still, and nothing else
    |-- CheckFailed        (3)    a check found something
    |-- Fenced             (4)    another writer holds the transactional id; drop all, restore, poll again
    |-- Transient          (1)    a border did not answer as it should; the same call may succeed later
    |   |-- Unready               Kafka or the registry is not there yet; wait and say so
    |   |-- Unheard               what people ordered cannot be read; do without, and ask again at the next poll
    |   `-- Doubt                 a commit's outcome is unknown or failed; restore before anything else
    `-- Rejected           (1)    this poll is void; `reason` is one stable code of the snapshot report
        `-- ApiError              the API answered with an error: status, code, messageId, traceId

Foreign errors are renamed at the doorstep of the one room that imports their library, always chained.
"""

from __future__ import annotations

from typing import ClassVar

from streamer.tokens import Walk


class StreamerError(Exception):
    """The root. `hint` is one sentence for the operator, empty where the message says it all."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Misconfigured(StreamerError):
    """A configuration, key, topic or right that cannot work: names the key, what was given, what is wanted."""

    exit_code = 2


class Damaged(Misconfigured):
    """Bytes in the log that no streamer of this version wrote; it is read again, since a person may repair it."""


class CheckFailed(StreamerError):
    """A check ran and found something."""

    exit_code = 3


class Fenced(StreamerError):
    """Another writer took the transactional id over, or our transaction timed out: brokers say both alike."""

    exit_code = 4


class Transient(StreamerError):
    """A border failed in a way that time may heal."""


class Unready(Transient):
    """Kafka or the registry cannot be used yet."""


class Unheard(Transient):
    """What people ordered cannot be read; nothing else depends on it."""


class Doubt(Transient):
    """A transaction failed or its outcome is unknown: what was committed is known only after a restore."""


class Rejected(StreamerError):
    """A poll that must not be believed.

    `reason` is the stable code of `SnapshotReport.reason`; the message becomes its `detail`. `walk` tells how far the
    reading came; whoever reads pages sets it before the error leaves that room.
    """

    def __init__(self, reason: str, message: str, *, hint: str = "", trace_id: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.trace_id = trace_id
        self.walk = Walk()


class ApiError(Rejected):
    """The API answered with an error body: `{code, message, messageId, messageParams, traceId}`.

    Args:
        reason: the report's code, such as `unauthorized`, `throttled` or `unavailable`.
        message: one line with all of the below.
        status: the HTTP status.
        code: the body's `code`, such as `NotFound`; None where the body was not the API's own.
        message_id: the body's `messageId`.
        trace_id: the body's `traceId`, else the `X-Starship-Traceid` header.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        status: int,
        code: str | None = None,
        message_id: str | None = None,
        trace_id: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(reason, message, hint=hint, trace_id=trace_id)
        self.status = status
        self.code = code
        self.message_id = message_id

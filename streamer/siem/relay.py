"""What becomes of a record on its way to a collector that cannot decode Avro: a line of JSON, or a dead letter.

Nothing here knows Kafka. It must never let one record stop those behind it (whatever is the record's own fault ends as
a dead letter, with the reason beside it), and never call a record bad for what is not its fault: while the registry is
away, or is the wrong one, everybody waits.

Question: is a record whose schema the registry does not know the record's fault? Choice: only if the registry answers,
knows the subject that these records are registered under, and still does not know the id half a minute later: a
registry of several nodes may be asked at one that has not heard of it yet. Rejected: to end at once, as a person's
reader does (any foreign record would stop the relay for good); to give it up at once.

Question: and one that our own mapping fails on? Choice: a dead letter too, `unmappable`. It is a fault of ours and
ends up where somebody looks, with every byte of it; the events behind it go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from streamer.errors import StreamerError, Unready
from streamer.registry import UnknownSchema
from streamer.wire.decoding import Schemas, Undecodable

JSON: Final = b"application/json"
CONTENT_TYPE: Final = "content-type"
MARK: Final = "dead-letter-"  # the beginning of the headers that a dead letter gets
LONGEST_DETAIL: Final = 1_000  # characters
PATIENCE_S: Final = 30.0  # for a schema id that nobody knows
REMEMBERED: Final = 1_000  # unknown ids

Headers = tuple[tuple[str, bytes | None], ...]
Convert = Callable[[bytes | None], Awaitable[bytes]]
_BUGS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what a mapping may raise


class Undeliverable(StreamerError):
    """A record that ends as a dead letter.

    `reason` is a stable code: `undecodable` (no event in any of our formats), `unknown_schema` (the registry does not
    know its id), `unmappable` (a fault of our mapping), `too_large` (what it became does not fit the topic).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownId(Undecodable):
    """A schema id that the registry of these records does not know."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stood, and the relay (its consumer group) that could not pass it on."""

    topic: str
    partition: int
    offset: int
    relay: str


def converter(
    decode: Callable[[bytes | None], Awaitable[dict[str, Any]]], form: Callable[[Mapping[str, Any]], bytes]
) -> Convert:
    """From a record's value to its line of JSON.

    Args:
        decode: such as `Decoder.event`.
        form: such as `FORMS["ocsf"]`.

    Returns:
        A function that raises `Undeliverable` for what is the record's fault, or ours; `Unready` and `Misconfigured`
        for what is the registry's.
    """

    async def convert(value: bytes | None) -> bytes:
        try:
            return form(await decode(value))
        except UnknownId as error:
            raise Undeliverable("unknown_schema", str(error)) from error
        except Undecodable as error:
            raise Undeliverable("undecodable", str(error)) from error
        except _BUGS as error:
            raise Undeliverable("unmappable", repr(error)) from error

    return convert


# Headers...


def passed_on(headers: Headers) -> Headers:
    """The headers of a line of JSON: those of its record, with another content type if they tell one."""
    return tuple((name, JSON if name == CONTENT_TYPE else text) for name, text in headers)


def dead(headers: Headers, origin: Origin, fault: Undeliverable, left_out: int | None = None) -> Headers:
    """The headers of a dead letter: those of its record, then why it is one and where it comes from, as UTF-8 text.

    `left_out` is the size of a value that does not fit and stays behind, at its origin.
    """
    told = {
        "reason": fault.reason,
        "detail": str(fault)[:LONGEST_DETAIL],
        "topic": origin.topic,
        "partition": str(origin.partition),
        "offset": str(origin.offset),
        "relay": origin.relay,
    }
    if left_out is not None:
        told["value-bytes"] = str(left_out)
    own = tuple((name, text) for name, text in headers if not name.startswith(MARK))  # nobody else may say why
    return own + tuple((MARK + name, text.encode(errors="backslashreplace")) for name, text in told.items())


def letters(
    key: bytes | None, value: bytes | None, headers: Headers, origin: Origin, fault: Undeliverable
) -> Iterator[tuple[bytes | None, bytes | None, Headers]]:
    """Key, value and headers of a dead letter: whole, then with less and less of a record that is too large for it."""
    yield key, value, dead(headers, origin, fault)
    yield key, None, dead(headers, origin, fault, len(value or b""))
    yield None, None, dead((), origin, fault, len(value or b""))


# Schema ids...


class Registered(Protocol):
    """What is asked of a schema registry."""

    async def schema(self, schema_id: int) -> str:
        """The text of a schema; `UnknownSchema` if there is none."""

    async def subjects(self) -> tuple[str, ...]:
        """The names of all subjects."""


class Patient(Schemas):
    """Schemas for a `Decoder`, that tells an id nobody will ever know from one that is not known yet.

    Args:
        registry: the schema registry.
        subject: that it must know, if it is the registry of these records.
        monotonic: seconds.
    """

    def __init__(self, registry: Registered, subject: str, monotonic: Callable[[], float]) -> None:
        self._registry = registry
        self._subject = subject
        self._monotonic = monotonic
        self._first_asked: dict[int, float] = {}

    async def schema(self, schema_id: int) -> str:
        """The text of a schema.

        Raises:
            UnknownId: nobody knows it.
            Unready: the registry does not answer; or nobody knows the id yet, or the registry may be the wrong one.
            Misconfigured: the registry refuses us.
        """
        try:
            return await self._registry.schema(schema_id)
        except UnknownSchema as error:
            if self._subject not in await self._registry.subjects():
                raise Unready(f"{error}, nor the subject {self._subject}", hint=error.hint) from error
            if self._waited_s(schema_id) < PATIENCE_S:
                raise Unready(f"{error}, yet", hint=error.hint) from error
            raise UnknownId(str(error)) from error

    def _waited_s(self, schema_id: int) -> float:
        if len(self._first_asked) >= REMEMBERED:  # whoever writes so many foreign ids has to be waited for again
            self._first_asked = {schema_id: self._first_asked.get(schema_id, self._monotonic())}
        return self._monotonic() - self._first_asked.setdefault(schema_id, self._monotonic())

"""The golden cases as today's code writes them: every event, report, row and command, as bytes and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from streamer import avro
from tests.golden.kept import COMMANDS, SOURCE_ROWS, TOKEN_ROWS, USER_ROWS
from tests.golden.published import EVENTS, REPORTS


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case as today's code writes it: the bare datum, and its JSON form."""

    schema: str
    name: str
    avro: bytes

    @property
    def json(self) -> bytes:
        """The JSON form of the datum."""
        return avro.json_line(avro.decode(self.schema, self.avro), self.schema)


def _cases() -> Iterator[Case]:
    for name, event in EVENTS.items():
        yield Case("oauth_token_event", name, avro.encode_event(event))
    for name, report in REPORTS.items():
        yield Case("snapshot_report", name, avro.encode_report(report))
    for name, token_row in TOKEN_ROWS.items():
        yield Case("state_token", name, token_row.to_bytes()[1:])
    for name, source_row in SOURCE_ROWS.items():
        yield Case("state_source", name, source_row.to_bytes()[1:])
    for name, user_row in USER_ROWS.items():
        yield Case("state_user", name, user_row.to_bytes()[1:])
    for name, command in COMMANDS.items():
        yield Case("control_command", name, avro.encode("control_command", command))


CASES = tuple(_cases())

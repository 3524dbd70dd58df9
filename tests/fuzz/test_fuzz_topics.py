"""What others may write to our private topics, and what a token server for Kafka may answer.

Values of the event topics are in tests/wire/test_decoding.py, bytes of rows and of commands in tests/test_state.py and
tests/test_control.py: here they meet the worker.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from streamer.errors import StreamerError
from streamer.kafka import bearer
from streamer.kafka.bearer import Bearer
from streamer.report import Report
from streamer.state import SourceRow, TokenRow, UserRow, source_key, token_key, user_key
from tests.builders import EPOCH, token
from tests.fuzz.spoiling import JSON, documents, spoilt, tries
from tests.golden import published
from tests.held import ALL, holding, there
from tests.stage import SOURCE, Stage
from tests.test_state import SEEN, SOURCE_ROWS, TOKEN_ROWS

NUMBERS = [field.name for field in fields(Report) if field.type in ("int", "int | None")]
OPEN = st.none() | st.builds(
    lambda report, numbers: replace(report, **numbers),
    st.sampled_from(list(published.REPORTS.values())),
    st.dictionaries(st.sampled_from(NUMBERS), st.integers(-(2**63), 2**63 - 1), max_size=5),
)
GRANTED = {"access_token": "e30.eyJzdWIiOiJhIn0.x", "expires_in": 600, "token_type": "bearer"}


@given(st.data())
@tries(150)
async def test_a_worker_obeys_no_nonsense(data: st.DataObject) -> None:
    """Any bytes in place of a command, nearly right ones too: answered, passed over, and what is held stays held."""
    stage = await holding()
    command = stage.order("release", expect=4711).to_bytes()
    values = data.draw(st.lists(spoilt(command) | st.binary(max_size=100), min_size=1, max_size=3))
    stage.log.commands[SOURCE] = values

    await stage.again()

    assert [answer.outcome for answer in stage.answers] == ["refused"] * len(values)
    assert stage.row.hold is not None
    assert stage.row.hold.released_at is None
    assert stage.row.control_offset == len(values)


@given(TOKEN_ROWS, st.sampled_from(ALL), st.booleans())
@tries(150)
async def test_a_worker_survives_any_token_row(row: TokenRow, moid: str, listed: bool) -> None:  # noqa: FBT001
    """A row that no streamer would write, with instants at the ends of the world: a turn, or an error of ours."""
    await turned({token_key(SOURCE, moid): row.to_bytes()}, shown=ALL if listed else ALL.replace(moid, ""))


@given(SOURCE_ROWS, OPEN, st.integers(-(2**63), 2**63 - 1))
@example(SourceRow(EPOCH), None, 2**63 - 1)
@example(SourceRow(EPOCH), None, -1)
@tries(150)
async def test_a_worker_survives_any_source_row(row: SourceRow, unfinished: Report | None, sequence: int) -> None:
    """The same of the source's own row, with a snapshot cut off that counted impossible things."""
    row = replace(row, open=unfinished)
    for one in (row, replace(row, last_sequence=sequence)):
        await turned({source_key(SOURCE): one.to_bytes()})


@given(SEEN, SEEN, st.integers(-(2**63), 2**63 - 1))
@tries(50)
async def test_a_worker_survives_any_user_row(clients: dict[str, int], networks: dict[str, int], seen_at: int) -> None:
    """The same of a user's."""
    rows = {user_key(SOURCE, "u"): UserRow.of(seen_at, clients, networks).to_bytes()}
    await turned(rows, user_moid="u", client_id="c")


async def turned(rows: dict[bytes, bytes], shown: str = ALL, **fields: Any) -> None:
    """A turn of a worker that restores these rows beside good ones, and one after it."""
    stage = Stage()
    await stage.turn(*there(ALL, **fields))
    stage.log.rows |= rows
    stage.cycle = stage.worker()
    with suppress(StreamerError):
        await stage.turn(*there(shown, **fields), token("new"))
        await stage.turn(*there(shown, **{**fields, "client_name": "another"}))


@given(documents(GRANTED) | JSON)
@example({**GRANTED, "expires_in": float("nan")})
@example({**GRANTED, "access_token": "a\nb"})
@tries(300)
def test_a_token_server(answer: Any) -> None:
    """A token that can be sent and a time, or one of the errors that `Bearer` renames."""
    with suppress(*bearer._NO_RESPONSE):
        text, lifetime_s = bearer.granted(json.dumps(answer).encode())
        assert text.isprintable()
        assert abs(lifetime_s) < float("inf")
        with_token(text)


@given(spoilt(json.dumps(GRANTED).encode()))
@tries(300)
def test_a_token_server_that_is_none(body: bytes) -> None:
    """The same of any bytes."""
    with suppress(*bearer._NO_RESPONSE):
        with_token(bearer.granted(body)[0])


@given(st.text(max_size=60))
@tries(200)
def test_whom_a_token_names(text: str) -> None:
    """The subject of anything is a text."""
    with_token(f"e30.{text}")


def with_token(text: str) -> None:
    """Its subject can be told."""
    asked = Bearer(url="http://x", client_id="me", client_secret=lambda: "secret")
    asked._token = text
    assert isinstance(asked.subject, str)

"""State rows: what was written is restored, by one unpack and without decoding a token, whoever wrote it."""

from contextlib import suppress
from dataclasses import fields, replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro
from streamer.errors import Misconfigured
from streamer.state import (
    FIXED,
    LAST_SEQUENCE,
    NEVER,
    USER_VERSION,
    VERSION,
    Answer,
    Complete,
    Hold,
    SourceRow,
    SourceState,
    Status,
    TokenRow,
    UserRow,
    source_key,
    token_key,
    user_key,
)
from streamer.tokens import DIGEST_SIZE
from streamer.wire import avsc
from tests.golden import kept, make, published

INSTANT = st.integers(NEVER + 1, 2**63 - 1)
DIGEST = st.binary(min_size=DIGEST_SIZE, max_size=DIGEST_SIZE)
ID = st.uuids().map(str).filter(lambda text: UUID(text).int != 0)
TOKEN_ROWS = st.builds(
    TokenRow,
    status=st.sampled_from(Status),
    seen_at=INSTANT,
    raw=DIGEST,
    meaning=DIGEST,
    datum=st.just(published.datum(published.TOKEN)),
    expiration_time=st.none() | INSTANT,
    mod_time=st.none() | INSTANT,
    visible_since=st.none() | INSTANT,
    absent_since=st.none() | INSTANT,
    hold_id=st.none() | ID,
    deleted_event_id=st.none() | ID,
    deleted_at=st.none() | INSTANT,
    last_event_at=st.none() | INSTANT,
)
COUNT = st.integers(0, 2**63 - 1)
SOURCE_ROWS = st.builds(
    SourceRow,
    epoch=ID,
    last_sequence=st.integers(0, LAST_SEQUENCE - 1),
    account_moid=st.none() | st.text(),
    first_started_at=st.none() | INSTANT,
    complete=st.none() | st.builds(Complete, ID, INSTANT, INSTANT),
    open=st.none() | st.sampled_from(list(published.REPORTS.values())).map(lambda report: replace(report, detail="d")),
    hold=st.none() | st.builds(Hold, ID, INSTANT, st.text(), COUNT, st.text()),
    rights=st.none() | st.text(),
    control_offset=st.none() | COUNT,
    configuration=st.none() | st.text(),
    answer=st.none() | st.builds(Answer, ID, st.sampled_from(["done", "refused"]), st.text()),
)

SEEN = st.dictionaries(st.text(), INSTANT, max_size=5)


@given(TOKEN_ROWS)
def test_a_token_row_comes_back_undecoded(row: TokenRow) -> None:
    """Every field, to the millisecond; the token's bytes are handed on as they are."""
    before = replace(avro.counts)
    assert TokenRow.from_bytes(row.to_bytes()) == row
    assert avro.counts == before


@given(TOKEN_ROWS)
def test_a_token_row_is_avro_behind_a_version_byte(row: TokenRow) -> None:
    """The struct and the schema are two ways to read the same bytes."""
    version, datum = row.to_bytes()[0], row.to_bytes()[1:]
    record = avro.decode("state_token", datum)
    assert version == VERSION
    assert avro.encode("state_token", record) == datum
    assert record["status"] == bytes((row.status,))
    assert (record["raw"], record["meaning"]) == (row.raw, row.meaning)
    for name in (
        "seen_at",
        "expiration_time",
        "mod_time",
        "visible_since",
        "absent_since",
        "deleted_at",
        "last_event_at",
    ):
        value = getattr(row, name)
        assert int.from_bytes(record[name], signed=True) == (NEVER if value is None else value)
    for name in ("hold_id", "deleted_event_id"):
        assert record[name] == (bytes(16) if getattr(row, name) is None else UUID(getattr(row, name)).bytes)


def test_the_fixed_part_is_as_long_as_the_schema_says() -> None:
    """Were one longer than the other, the token's bytes would begin in the wrong place."""
    named: dict[str, int] = {}
    for field in avsc.schema_json("state_token")["fields"][:-1]:
        if isinstance(field["type"], dict):
            named[field["type"]["name"]] = field["type"]["size"]
    sizes = [
        named[kind["name"] if isinstance(kind, dict) else kind]
        for kind in (field["type"] for field in avsc.schema_json("state_token")["fields"][:-1])
    ]
    assert sum(sizes) == FIXED.size


@given(SOURCE_ROWS)
def test_a_source_row_comes_back(row: SourceRow) -> None:
    """With the open snapshot, the hold, the last complete snapshot and the last answer, where there are any."""
    assert SourceRow.from_bytes(row.to_bytes()) == row


@given(INSTANT, SEEN, SEEN)
def test_a_user_row_comes_back(seen_at: int, clients: dict[str, int], networks: dict[str, int]) -> None:
    """When it was written is read without decoding; what was seen, whatever it is called, when it is asked for."""
    row = UserRow.of(seen_at, clients, networks)
    value = row.to_bytes()
    assert UserRow.from_bytes(value) == row
    assert (row.seen_at, row.seen()) == (seen_at, (clients, networks))
    assert (value[0], int.from_bytes(value[1:9], signed=True)) == (USER_VERSION, seen_at)
    assert avro.decode("state_user", value[1:])["seen_at"] == value[1:9]


def test_a_user_row_says_the_same_in_any_order() -> None:
    """Equal memories are equal bytes: the values stand sorted."""
    assert UserRow.of(0, {"b": 1, "a": 2}, {}) == UserRow.of(0, {"a": 2, "b": 1}, {})


@pytest.mark.parametrize(("name", "row"), kept.TOKEN_ROWS.items())
def test_golden_token_rows_are_restored(name: str, row: TokenRow) -> None:
    """For every version ever written: rows of older workers are restored by newer ones."""
    for folder in make.versions("state_token"):
        version = bytes((min(int(folder.name), VERSION),))  # the second schema has other words only
        assert TokenRow.from_bytes(version + (folder / f"{name}.avro").read_bytes()) == row


@pytest.mark.parametrize(("name", "row"), kept.SOURCE_ROWS.items())
def test_golden_source_rows_are_restored(name: str, row: SourceRow) -> None:
    """The same of the source's own row."""
    for folder in make.versions("state_source"):
        version = bytes((int(folder.name),))
        assert SourceRow.from_bytes(version + (folder / f"{name}.avro").read_bytes()) == row


@pytest.mark.parametrize(("name", "row"), kept.USER_ROWS.items())
def test_golden_user_rows_are_restored(name: str, row: UserRow) -> None:
    """The same of a user's row: of the version that said no time of its own, the latest in it is taken."""
    for folder in make.versions("state_user"):
        version = bytes((min(int(folder.name), USER_VERSION),))  # the third schema has other words only
        found = UserRow.from_bytes(version + (folder / f"{name}.avro").read_bytes())
        assert (found.seen_at, found.seen()) == (row.seen_at, row.seen())


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x03" + bytes(300), b'{"clients"'])
def test_another_writers_user_row_is_named(value: bytes) -> None:
    """The same law as below."""
    with pytest.raises(Misconfigured, match=r"begins with byte .*, wanted 02"):
        UserRow.from_bytes(value)


@pytest.mark.parametrize("row", [TokenRow, SourceRow])
@pytest.mark.parametrize("value", [b"", b"\x00", b"\x02" + bytes(300), b'{"epoch"'])
def test_another_writers_value_is_named(row: type[TokenRow | SourceRow], value: bytes) -> None:
    """A topic shared with another program or a newer version must stop the start, not be guessed at."""
    with pytest.raises(Misconfigured, match=r"begins with byte .*, wanted 01") as caught:
        row.from_bytes(value)
    assert "topic_prefix" in caught.value.hint


@given(st.binary(max_size=300))
def test_no_bytes_behind_our_version_byte_raise_anything_else(rest: bytes) -> None:
    """Damaged rows are an error of ours that says so."""
    for version in (VERSION, USER_VERSION):
        for row in (TokenRow, SourceRow, UserRow):
            with suppress(Misconfigured):
                row.from_bytes(bytes((version,)) + rest)
        with suppress(Misconfigured):
            UserRow.from_bytes(bytes((version,)) + rest).seen()


def test_a_row_that_was_cut_is_named() -> None:
    """Not one byte may be missing from the fixed part."""
    value = kept.LIVE.to_bytes()
    with pytest.raises(Misconfigured, match=r"137 bytes is cut short, wanted at least 138"):
        TokenRow.from_bytes(value[: FIXED.size])


def test_an_unknown_status_is_named() -> None:
    """A status that this version does not know is never taken for another."""
    value = bytearray(kept.LIVE.to_bytes())
    value[1] = 4
    with pytest.raises(Misconfigured, match="status 4, wanted one of 0, 1, 2, 3"):
        TokenRow.from_bytes(bytes(value))


def test_only_a_published_deletion_makes_a_token_unknown() -> None:
    """Readers still believe in a token that is waiting or held."""
    assert [replace(kept.LIVE, status=status).known for status in Status] == [True, True, True, False]


def test_keys_are_those_of_the_contract() -> None:
    """The source's own row and the rows of its tokens and users never share a key: a source's name has no slash."""
    assert source_key("prod-us") == b"prod-us"
    assert token_key("prod-us", "6742a0") == b"prod-us/t/6742a0"
    assert user_key("prod-us", "5a3404") == b"prod-us/u/5a3404"


def test_a_source_begins_with_nothing() -> None:
    """No row, no tokens, no users: what a first start compares with; two sources share no dict."""
    assert SourceState() == SourceState(None, {}, {})
    assert SourceState().tokens is not SourceState().tokens
    assert SourceState().users is not SourceState().users
    assert {field.name for field in fields(SourceState)} == {"row", "tokens", "users"}

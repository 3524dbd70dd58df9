"""The rows of a source in memory: to everybody a mapping, whose answers are those of a dict of the same rows."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro
from streamer.errors import Misconfigured
from streamer.frozen import replace
from streamer.known import CHANGED, SAME, Known, Marked, checked, ends_of, of_token, packed
from streamer.state import Status, TokenRow
from streamer.tokens import DIGEST_SIZE
from tests.builders import row, token
from tests.test_state import TOKEN_ROWS

MOIDS = st.text("ab1-_", min_size=1, max_size=3) | st.sampled_from(["x" * 63, "x" * 64, "y" * 128])
NOW = st.integers(-(2**62), 2**62)


def of(moid: str, like: TokenRow) -> TokenRow:
    """The row of this token, otherwise like another one; digests are its own."""
    datum = row(token(moid)).datum
    digest = [blake2b(datum + tag, digest_size=DIGEST_SIZE).digest() for tag in (b"raw", b"meaning")]
    return replace(like, datum=datum, raw=digest[0], meaning=digest[1])


ROWS = st.dictionaries(MOIDS, TOKEN_ROWS, max_size=8).map(lambda rows: {m: of(m, like) for m, like in rows.items()})


@given(ROWS)
def test_it_is_the_mapping_it_was_made_of(rows: dict[str, TokenRow]) -> None:
    """Every field of every row, whatever it says, and nothing is decoded of the token."""
    before = avro.counts.tokens_decoded
    known = Known.of(rows)

    assert known == rows
    assert {moid: known[moid] for moid in rows} == dict(known.items()) == rows
    assert (len(known), sorted(known)) == (len(rows), sorted(rows))
    assert sorted(known.values(), key=repr) == sorted(rows.values(), key=repr)
    assert "none" not in known
    assert Known.of(known) is known
    assert avro.counts.tokens_decoded == before


@given(ROWS, ROWS, st.sets(MOIDS))
def test_what_was_written_is_known_and_what_was_before_stays(
    rows: dict[str, TokenRow], written: dict[str, TokenRow], ended: set[str]
) -> None:
    """As a dict is updated; the rows before are those of before."""
    known = Known.of(rows)
    made = [of_token(one, moid) for moid, one in written.items() if moid not in ended]

    assert known.after(made, ended) == {m: r for m, r in (rows | written).items() if m not in ended}
    assert known == rows


@given(ROWS, NOW)
def test_what_is_asked_of_all_rows_is_what_each_would_say(rows: dict[str, TokenRow], now: int) -> None:
    """Who is absent, deleted, over, there at all, and has some bytes in it."""
    known = Known.of(rows)
    there = {moid: one for moid, one in rows.items() if one.known}
    over = {m for m, one in there.items() if one.expiration_time is not None and one.expiration_time <= now}

    assert known.absent() == {m: r for m, r in rows.items() if r.status in (Status.WAITING, Status.HELD)}
    assert known.deleted() == {m: r for m, r in rows.items() if r.status is Status.DELETED}
    assert known.existing() == len(there)
    assert set(known.over(now)) == over
    assert {one.raw for one in known.naming(b"a")} == {one.raw for one in there.values() if b"a" in one.datum}


@given(ROWS)
def test_a_digest_is_known_where_it_stands(rows: dict[str, TokenRow]) -> None:
    """Both of a token that exists, neither of one that was deleted, and none behind the last."""
    known = Known.of(rows)
    for moid, one in rows.items():
        place = known.place(moid)

        assert place is not None
        assert (known.moid(place), known.row(place)) == (moid, one)
        assert (known.status(place), known.mod_time(place)) == (one.status, one.mod_time)
        assert [known.says(place, digest) for digest in (one.raw, one.meaning)] == [one.known] * 2
        assert not known.says(place, bytes(DIGEST_SIZE))
    assert not known.says(len(rows), bytes(DIGEST_SIZE))


@given(ROWS, st.data())
def test_marks_are_a_set(rows: dict[str, TokenRow], data: st.DataObject) -> None:
    """Of the Moids whose rows are the same; the others are all that have no mark, whatever was seen of the rest."""
    known = Known.of(rows)
    marked, changed = (data.draw(st.sets(st.sampled_from(sorted(rows)))) if rows else set() for _ in "ab")
    marks = bytearray(SAME if moid in marked else CHANGED if moid in changed else 0 for moid in known)
    seen = Marked(known, marks)

    assert set(seen) == marked
    assert [moid in seen for moid in rows] == [moid in marked for moid in rows]
    assert (len(seen), "none" in seen) == (len(marked), False)
    assert set(known.others(frozenset(marked))) == rows.keys() - marked
    assert set(known.others(seen)) == rows.keys() - marked - changed
    if len({len(moid) for moid in marked}) == 1:
        assert set(ends_of(seen)) == set(ends_of(marked)) == {min(marked), max(marked)}
    assert bool(ends_of(seen)) is bool(marked)


def test_a_stretch_is_of_those_that_exist() -> None:
    """From one to another, both known; the digests stand in the order of the places."""
    rows = {m: of(m, row(token(m), Status.DELETED if m == "c" else Status.LIVE)) for m in "abcde"}
    known = Known.of(rows)

    assert known.stretch("b", "d") == ([1, 3], rows["b"].raw + rows["d"].raw)
    assert known.stretch("a", "b") == (range(2), rows["a"].raw + rows["b"].raw)
    assert known.stretch("a", "none") == known.stretch("none", "a") == ((), b"")


@given(TOKEN_ROWS)
def test_a_row_of_the_log_is_checked_and_not_decoded(like: TokenRow) -> None:
    """Another version, status or token, or half a row, is no row."""
    value = of("a", like).to_bytes()
    known = Known([checked(packed(value), "a")])

    assert known["a"].to_bytes() == value
    for wrong in (b"\x07" + value[1:], value[:1] + b"\x07" + value[2:], value[:100], b""):
        with pytest.raises(Misconfigured):
            packed(wrong)
    with pytest.raises(Misconfigured, match="token b holds another token"):
        checked(packed(value), "b")

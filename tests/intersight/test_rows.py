"""Pages to rows: known bytes cost a digest and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from streamer import avro
from streamer.errors import Rejected
from streamer.intersight.rows import Page, Spellings, Unread, read_row
from streamer.known import Known
from streamer.tokens import Sighting, Token
from tests.builders import known_of
from tests.fuzz.spoiling import DEEP
from tests.intersight.stage import listed, row

ROWS = [row(moid, ClientName=f"client {moid}") for moid in ("a", "b", "c")]


def _read(body: bytes, known: Known | None = None) -> Page:
    return Unread(body, 7, "trace", Spellings()).read(known or Known())


def _known(body: bytes, *more: Sighting) -> Known:
    return known_of(*_read(body).rows, *more)


def test_a_page_tells_its_rows_in_order() -> None:
    """A page has the server's Count, all Moids in order, and a sighting of each row with the reply's time and trace."""
    page = _read(listed(ROWS, count=9))

    assert (page.count, page.moids, page.unknown) == (9, ("a", "b", "c"), 0)
    for seen in page.rows:
        compared, extras = avro.encode_token(seen.token)
        assert (seen.datum, seen.meaning) == (compared + extras, avro.digest(compared))
        assert (seen.arrived_at, seen.trace_id) == (7, "trace")


def test_an_unchanged_page_decodes_and_encodes_nothing() -> None:
    """Rows known by their bytes are named by the state alone: no token is decoded, none encoded, none made."""
    body = listed(ROWS)
    known = _known(body)
    before = (avro.counts.tokens_encoded, avro.counts.tokens_decoded)
    page = _read(body, known)

    assert (page.moids, page.rows) == (("a", "b", "c"), ())
    assert (avro.counts.tokens_encoded, avro.counts.tokens_decoded) == before


def test_a_known_row_is_not_even_looked_into() -> None:
    """The state's word for a digest is taken: bytes that could not be read as a row are, if they are known."""
    body = listed([{"Moid": "a bad one"}])
    (seen,) = _read(listed([row("x")])).rows
    known = known_of(replace(seen, raw=avro.digest(b'{"Moid": "a bad one"}')))

    assert _read(body, known).moids == ("x",)


def test_only_what_changed_is_decoded() -> None:
    """One changed row among known ones is one decoding; the bytes of the others decide, not their place."""
    known = _known(listed(ROWS))
    changed = [ROWS[2], row("b", ClientName="renamed"), ROWS[0]]
    before = avro.counts.tokens_encoded
    page = _read(listed(changed), known)

    assert (page.moids, [seen.token.moid for seen in page.rows]) == (("c", "b", "a"), ["b"])
    assert avro.counts.tokens_encoded == before + 1


def test_null_results_are_no_results() -> None:
    """`Results: null` is an empty page."""
    assert _read(listed(None)) == Page(0, (), (), 0, arrived_at=7)


def test_unknown_properties_are_counted_over_the_page() -> None:
    """The page's number of unknown properties is the sum of its decoded rows'; unknown ones beside it do not count."""
    assert _read(listed([row("a", X=1, Y=2), row("b", X=1)], Future=[1])).unknown == 3


def test_one_lone_surrogate_does_not_touch_its_neighbours() -> None:
    """A page with a lone surrogate is read; rows beside the damaged one keep their digests, and it is known again."""
    hostile = [ROWS[0], row("x", ClientName="\ud800"), ROWS[2]]
    clean = _known(listed(ROWS))
    page = _read(listed(hostile), clean)
    again = _read(listed(hostile), _known(listed(ROWS), *page.rows))

    assert [seen.token.client_name for seen in page.rows] == ["\ufffd"]
    assert (page.rows[0].damaged, page.moids) == (1, ("a", "x", "c"))
    assert (again.moids, again.rows) == (("a", "x", "c"), ())


def test_invalid_utf_8_does_not_touch_its_neighbours() -> None:
    """The same for bytes that are no UTF-8."""
    page = _read(listed(ROWS).replace(b"client b", b"client \xff"), _known(listed(ROWS)))

    assert [(seen.token.client_name, seen.damaged) for seen in page.rows] == [("client \ufffd", 1)]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_does_not_touch_its_neighbours(word: str) -> None:
    """Nor the rest of its row: the property is null, its text is kept, and the row is known again by its bytes."""
    body = listed([ROWS[0], row("x", ClientName="it is NaN", LastLoginTime=0), ROWS[2]]).replace(
        b" 0", b" " + word.encode()
    )
    clean = _known(listed(ROWS))
    page = _read(body, clean)
    (seen,) = page.rows

    assert (page.moids, seen.damaged) == (("a", "x", "c"), 1)
    assert (seen.token.client_name, seen.token.last_login_time) == ("it is NaN", None)
    assert [(extra.name, extra.json) for extra in seen.token.extras] == [("LastLoginTime", f'[["{word}"]]')]
    assert _read(body, _known(listed(ROWS), seen)).rows == ()


@pytest.mark.parametrize(
    "name", ["ClientName", "ExpirationTime", "User", "UserMeta", "Owners", "PermissionResources", "Tags"]
)
def test_what_is_no_number_is_no_value_of_any_property(name: str) -> None:
    """Whatever it stands for, it is null and told as damaged; as an identity it rejects the poll."""
    seen = read_row(b'{"Moid": "a", "' + name.encode() + b'": NaN}', 7, None)

    assert (seen.damaged, [extra.name for extra in seen.token.extras]) == (1, [name])
    assert replace(seen.token, extras=()) == Token("a")
    with pytest.raises(Rejected) as caught:
        read_row(b'{"Moid": NaN}', 7, None)
    assert caught.value.reason == "bad_moid"


def test_a_row_by_itself_reads_like_a_row_of_a_page() -> None:
    """The same bytes give the same digest, datum and meaning, in a list or alone."""
    text = json.dumps(ROWS[0]).encode()

    assert read_row(b" " + text + b"\n", 7, "trace") == _read(listed(ROWS)).rows[0]


BAD_PAGES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not_json"),
    "HTML": (b"<!DOCTYPE html><html><body>Please log in</body></html>", "not_json"),
    "cut": (listed(ROWS)[:-1], "not_json"),
    "cut inside a row": (listed(ROWS)[:150], "not_json"),
    "cut after a lone surrogate": (listed([row("a", X="\ud800")])[:-1], "not_json"),
    "cut after a NaN": (listed([row("a", X=float("nan"))])[:-1], "not_json"),
    "a Count that is no number": (listed(ROWS, Count=float("nan")), "not_a_list"),
    "only NaN": (b"NaN", "not_a_list"),
    "two bodies": (listed(ROWS) * 2, "not_json"),
    "nested without end": (b'{"Results":' + b"[" * 100_000, "not_json"),
    "nested too deep": (listed([row("a")]).replace(b'"a"', b"[" * DEEP + b"]" * DEEP), "not_json"),
    "UTF-16": (listed(ROWS).decode().encode("utf-16"), "not_json"),
    "null": (b"null", "not_a_list"),
    "a bare array": (json.dumps(ROWS).encode(), "not_a_list"),
    "a bare row": (json.dumps(ROWS[0]).encode(), "not_a_list"),
    "an error in a 200": (b'{"code": "InternalServerError", "message": "x"}', "not_a_list"),
    "a count": (b'{"ObjectType": "mo.DocumentCount", "Count": 3}', "not_a_list"),
    "an aggregate": (listed(ROWS, ObjectType="mo.AggregateTransform"), "not_a_list"),
    "a tag summary": (listed([], ObjectType="mo.TagSummary"), "not_a_list"),
    "another list": (listed(ROWS, ObjectType="iam.User.List"), "not_a_list"),
    "no Results": (b'{"ObjectType": "iam.OAuthToken.List", "Count": 0}', "not_a_list"),
    "Results is an object": (listed([], Results={"Moid": "a"}), "not_a_list"),
    "Count is text": (listed(ROWS, Count="3"), "not_a_list"),
    "Count is a fraction": (listed(ROWS, Count=3.5), "not_a_list"),
    "Count is true": (listed(ROWS, Count=True), "not_a_list"),
    "a null row": (listed([None]), "row_without_moid"),
    "a row that is text": (listed(["a"]), "row_without_moid"),
    "a row without a Moid": (listed([*ROWS, {"ClientName": "x"}]), "row_without_moid"),
    "a row with an empty Moid": (listed([row("")]), "row_without_moid"),
    "a Moid with a slash": (listed([row("a/b")]), "bad_moid"),
    "a Moid that is a number": (listed([{"Moid": 7}]), "bad_moid"),
}


@pytest.mark.parametrize("name", BAD_PAGES)
def test_a_bad_page_is_named(name: str) -> None:
    """Whatever is not a page of the list is `Rejected` with its own reason, never a page with fewer rows."""
    body, reason = BAD_PAGES[name]
    with pytest.raises(Rejected) as caught:
        _read(body)

    assert caught.value.reason == reason
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_string_without_an_end_is_read_once() -> None:
    """A body that ends inside a long string of quotes costs no more than its length."""
    with pytest.raises(Rejected):
        _read(b'{"Results": ["' + rb"\"" * 2_000_000)


def test_every_cut_of_a_page_is_an_error() -> None:
    """However early a body ends, it is never a page."""
    body = listed([row("a", ClientName="é"), row("b")], count=2)
    for length in range(len(body)):
        with pytest.raises(Rejected):
            _read(body[:length])


def _spaced(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode()


def test_white_space_inside_a_row_is_other_bytes_of_the_same_meaning() -> None:
    """Bytes that differ are decoded; the meaning does not change with them."""
    plain, spaced = read_row(json.dumps(ROWS[0]).encode(), 0, None), read_row(_spaced(ROWS[0]), 0, None)

    assert plain.raw != spaced.raw
    assert (plain.meaning, plain.datum) == (spaced.meaning, spaced.datum)

"""Noise: other bytes of the same meaning are settled before anything is made of them, and are known the next time."""

from __future__ import annotations

from streamer import avro
from streamer.intersight.rows import Page, Spellings, Unread
from streamer.known import Known
from tests.builders import known_of
from tests.intersight.stage import listed, row

PLAIN = row("a", ClientName="x", Owners=["1", "2"])
NOISY = dict(reversed(row("a", ClientName="x", Owners=["2", "1"], Future=1).items()))
OTHER = row("a", ClientName="y", Owners=["2", "1"])


def _read(known: Known, *rows: object, spellings: Spellings | None = None) -> Page:
    return Unread(listed(rows), 7, None, spellings or Spellings()).read(known)


def _known() -> Known:
    return known_of(*_read(Known(), PLAIN).rows)


def test_noise_means_nothing_new() -> None:
    """Arrays and properties in another order, and one nobody knows, are the row that is known."""
    page = _read(_known(), NOISY)

    assert (page.moids, page.rows) == (("a",), ())


def test_noise_that_comes_again_is_not_even_decoded() -> None:
    """Its bytes are remembered with what they mean."""
    spellings, known = Spellings(), _known()
    _read(known, NOISY, spellings=spellings)
    before = avro.counts.tokens_encoded
    page = _read(known, NOISY, spellings=spellings)

    assert (page.moids, page.rows, avro.counts.tokens_encoded) == (("a",), (), before)


def test_what_bytes_mean_says_nothing_of_what_is_known() -> None:
    """A spelling that was noise once is a change where the state moved on meanwhile."""
    spellings = Spellings()
    known = _known()
    _read(known, NOISY, spellings=spellings)
    (moved,) = _read(known, OTHER, spellings=spellings).rows
    page = _read(known_of(moved), NOISY, spellings=spellings)

    assert [seen.token.client_name for seen in page.rows] == ["x"]


def test_a_change_is_no_noise() -> None:
    """Where the meaning differs the row is a sighting, with its extras."""
    page = _read(_known(), OTHER | {"Future": 1})

    assert [(seen.token.client_name, len(seen.token.extras)) for seen in page.rows] == [("y", 1)]
    assert page.unknown == 1


def test_spellings_are_bounded_and_the_young_ones_stay() -> None:
    """Of a generation of `most` the last one is always remembered, and never more than two generations."""
    spellings = Spellings()
    names = [bytes((n,)) for n in range(100)]
    for name in names:
        spellings.note(name, b"meaning", 10)

    remembered = [name for name in names if spellings.meaning(name)]
    assert remembered == names[-len(remembered) :]
    assert 10 <= len(remembered) <= 20


# Pages...


def test_a_page_without_anything_new_is_not_split_again() -> None:
    """It says the same as when it was split, its `Count` too; any other page is, and says what is new."""
    spellings, known = Spellings(), known_of(*_read(Known(), row("a"), row("b")).rows)
    first = _read(known, row("a"), row("b"), spellings=spellings)
    assert spellings.met(listed((row("a"), row("b")))) is not None

    assert first.count == 2
    assert _read(known, row("a"), row("b"), spellings=spellings) == first
    assert [seen.token.moid for seen in _read(known, row("a"), row("b", ClientName="z"), spellings=spellings).rows] == [
        "b"
    ]


def test_a_page_is_worth_what_the_state_holds() -> None:
    """Its bytes may be those of an earlier poll: each row that the state does not hold any more is new."""
    spellings, known = Spellings(), known_of(*_read(Known(), row("a"), row("b")).rows)
    _read(known, row("a"), row("b"), spellings=spellings)
    renamed = known_of(*_read(Known(), row("a"), row("b", ClientName="z")).rows)
    for moved in (known.after((), ["b"]), renamed):
        page = _read(moved, row("a"), row("b"), spellings=spellings)

        assert (page.moids, [seen.token.moid for seen in page.rows]) == (("a", "b"), ["b"])


def test_a_page_with_anything_new_or_noisy_is_not_remembered() -> None:
    """It would cost a digest in every poll, and is another one the next time."""
    spellings = Spellings()
    for shown in ((NOISY,), (OTHER,)):
        _read(_known(), *shown, spellings=spellings)

        assert spellings.met(listed(shown)) is None

"""What goes into a filter and what comes out of a list: whole, bounded, and of the right form."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from streamer.intersight.canonical import MOID
from streamer.intersight.lists import AT_ONCE, LONGEST_FILTER, SHORT, among, batches, is_damaged, short

ANY = st.one_of(st.from_regex(MOID, fullmatch=True), st.text(max_size=5))


@given(st.lists(ANY, max_size=300))
@example([f"{i:0128d}" for i in range(100)])
def test_batches_hold_every_moid_once(moids: list[str]) -> None:
    """Each Moid stands in one batch, nothing else in any; no batch is empty, too long, or too many."""
    made = list(batches(moids))

    assert sorted(moid for batch in made for moid in batch) == sorted({m for m in moids if MOID.fullmatch(m)})
    for batch in made:
        assert 1 <= len(batch) <= AT_ONCE
        assert len(among("", batch)) <= LONGEST_FILTER + len(" in ()")


def test_a_filter_names_its_moids_in_quotes() -> None:
    """As other clients write it."""
    assert among("Moid", ["a", "b"]) == "Moid in ('a','b')"


@given(st.text(max_size=3000))
@example("ü" * 600)
def test_a_short_text_is_kept_and_a_long_one_cut(text: str) -> None:
    """At most 1 KiB of UTF-8, whole letters, with a mark where something is missing; nothing is None."""
    told = short(text)

    if not text:
        assert told is None
    elif len(text.encode()) <= SHORT:
        assert told == text
    else:
        assert told is not None
        assert SHORT - 6 < len(told.encode()) <= SHORT
        assert text.startswith(told[:-1])
        assert told.endswith("…")


@given(st.text(max_size=3000))
@example("ü" * 513)
def test_a_text_that_is_cut_is_damaged(text: str) -> None:
    """And no other one; an absent value is as good as an empty one."""
    assert is_damaged(text) is (short(text) not in {text, None})
    assert not is_damaged(None)


def test_what_is_no_text_is_nothing() -> None:
    """Whatever else JSON can hold; that is damage, too."""
    assert [short(value) for value in (None, 7, True, ["x"], {"x": "y"}, 1.5)] == [None] * 6
    assert all(map(is_damaged, (7, True, ["x"], {"x": "y"}, 1.5)))

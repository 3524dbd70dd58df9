"""What a group may say it has read: everything before the first record that is not written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.kafka.unwritten import Unwritten


def test_the_first_unwritten_record_holds_the_offset() -> None:
    """Written out of order, the offset moves only when the first is written; lanes do not know each other."""
    unwritten = Unwritten()
    for offset in (5, 7, 8):
        unwritten.add("a", offset)
    unwritten.add("b", 5)

    unwritten.remove("a", 7)
    assert (unwritten.first("a"), unwritten.count("a")) == (5, 3)
    unwritten.remove("a", 5)
    assert (unwritten.first("a"), unwritten.count("a")) == (8, 1)
    unwritten.remove("a", 8)
    assert (unwritten.first("a"), unwritten.count("a"), unwritten.first("b")) == (None, 0, 5)


def test_what_is_not_known_is_ignored() -> None:
    """A record written after a rebalance took its partition away changes nothing, now or later."""
    unwritten = Unwritten()
    unwritten.add("a", 5)
    unwritten.clear()
    unwritten.remove("a", 5)
    unwritten.add("a", 6)
    unwritten.remove("a", 5)
    assert (unwritten.first("a"), unwritten.count("a")) == (6, 1)


@given(st.permutations(range(12)), st.integers(0, 12))
def test_first_is_the_lowest_that_was_not_removed(order: list[int], written: int) -> None:
    """Whatever order lines are written in."""
    unwritten = Unwritten()
    for offset in range(12):
        unwritten.add("a", offset)
    for offset in order[:written]:
        unwritten.remove("a", offset)
    assert unwritten.first("a") == min(order[written:], default=None)

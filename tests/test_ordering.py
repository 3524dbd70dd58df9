"""The order of several partitions, put together again: nothing dropped, nothing invented, gaps said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.ordering import Ordered, Ordering

WINDOW = 10
HISTORY = ("prod", "epoch-1")
A, B = "created-0", "modified-0"


def _drain(ordering: Ordering[int], *, a: int | None = None, b: int | None = None) -> list[Ordered[int]]:
    """All that may go, with lane A last known to be read to its end at `a`, lane B at `b`."""
    taken = []
    while (found := ordering.take(read={A: a, B: b})) is not None:
        taken.append(found)
    return taken


def _add(ordering: Ordering[int], *sequences: int, lane: str = A, now: int = 0) -> None:
    for sequence in sequences:
        ordering.add(HISTORY, sequence, sequence, lane=lane, now=now)


def test_the_next_in_sequence_goes_at_once() -> None:
    """A history that begins at 1 needs no wait; 3 waits for 2 and both go the moment 2 is there."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 3)
    assert _drain(ordering) == [Ordered(1)]
    _add(ordering, 2, lane=B)
    assert _drain(ordering) == [Ordered(2), Ordered(3)]
    assert len(ordering) == 0


def test_a_beginning_in_the_middle_is_no_gap() -> None:
    """A history met at 8, then 7, starts at 7 after one window, and nothing is said to be missing before it."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 8)
    _add(ordering, 7, lane="deleted-0", now=1)
    assert _drain(ordering, b=WINDOW - 1) == []
    assert _drain(ordering, b=WINDOW) == [Ordered(7), Ordered(8)]


def test_age_alone_is_no_beginning() -> None:
    """However long 8 waits, a lane that was not read to its end may hold what comes before it, and does."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 8)
    assert _drain(ordering, a=10**6) == []
    _add(ordering, 1, lane=B, now=10**6)
    assert _drain(ordering, a=10**6) == [Ordered(1)]


def test_a_beginning_needs_no_wait_once_every_lane_has_passed_it() -> None:
    """With 7 from one lane and 8 from the other, nothing below 7 can come: it begins at once."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 7, 9)
    _add(ordering, 8, lane=B)
    assert _drain(ordering) == [Ordered(7), Ordered(8), Ordered(9)]


def test_age_alone_is_no_gap() -> None:
    """However old 4 is, 2 and 3 are missing only when lane B was read to its end a window after 4 became visible."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 4)
    assert _drain(ordering, a=10**6, b=WINDOW - 1) == [Ordered(1)]
    assert _drain(ordering, a=None, b=WINDOW) == [Ordered(4, range(2, 4))]


def test_a_lane_that_passed_a_sequence_will_not_bring_it() -> None:
    """In a backlog, where no lane was read to its end yet, higher sequences of all lanes prove the gap."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 4, 6)
    assert _drain(ordering) == [Ordered(1)]
    _add(ordering, 7, lane=B)
    assert _drain(ordering) == [Ordered(4, range(2, 4)), Ordered(6, range(5, 6)), Ordered(7)]


def test_another_history_in_a_lane_proves_nothing() -> None:
    """Lane B having brought sequence 99 of another epoch says nothing of this one."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 4)
    ordering.add(("prod", "epoch-2"), 99, 99, lane=B, now=0)
    assert _drain(ordering) == [Ordered(1)]


def test_whoever_was_visible_first_proves_for_all_before() -> None:
    """9 is visible since 0, so 5, come at 5, need not wait for 4 longer than 9 does; 11 still waits for 10."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 9)
    _add(ordering, 5, lane=B, now=5)
    _add(ordering, 11, now=5)
    assert _drain(ordering, a=WINDOW, b=WINDOW) == [Ordered(1), Ordered(5, range(2, 5)), Ordered(9, range(6, 9))]
    assert _drain(ordering, a=WINDOW + 5, b=WINDOW + 5) == [Ordered(11, range(10, 11))]


def test_what_comes_after_its_gap_was_told_is_late_and_goes_at_once() -> None:
    """So does a repeated sequence: it is shown, not hidden."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 3)
    _drain(ordering, a=WINDOW, b=WINDOW)
    _add(ordering, 2, 3, lane=B)
    assert _drain(ordering) == [Ordered(2, late=True), Ordered(3, late=True)]


def test_a_repeat_among_the_waiting_is_late() -> None:
    """Two items of one sequence both go; the second is marked."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 2, 2, 1)
    assert _drain(ordering) == [Ordered(1), Ordered(2), Ordered(2, late=True)]


def test_a_new_epoch_is_a_history_of_its_own() -> None:
    """Sources and epochs do not wait for each other."""
    ordering = Ordering[int](WINDOW)
    ordering.add(("prod", "epoch-1"), 5, 5, lane=A, now=0)
    ordering.add(("prod", "epoch-2"), 1, 1, lane=A, now=0)
    ordering.add(("lab", "epoch-1"), 1, 100, lane=A, now=0)
    assert [found.item for found in _drain(ordering)] == [1, 100]


def test_hurry_lets_the_first_of_each_history_go() -> None:
    """The caller is out of room: the first goes, with what is missing before it and what follows it."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 4, 5, 9)
    ordering.add(("lab", "e"), 7, 70, lane=A, now=0)
    ordering.hurry()
    assert _drain(ordering) == [Ordered(1), Ordered(4, range(2, 4)), Ordered(5), Ordered(70)]
    assert len(ordering) == 1


def test_lacks_names_the_holes_only() -> None:
    """A hole is between what went out and what waits; neither past nor future is one."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 4)
    assert [s for s in range(7) if ordering.lacks(HISTORY, s)] == [2, 3]
    assert not ordering.lacks(("lab", "e"), 2)


def test_clear_forgets() -> None:
    """After `clear` the same items are new."""
    ordering = Ordering[int](WINDOW)
    _add(ordering, 1, 3)
    ordering.clear()
    assert (len(ordering), _drain(ordering, a=99, b=99)) == (0, [])
    _add(ordering, 1)
    assert _drain(ordering) == [Ordered(1)]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.sampled_from([1, 2, 70]), st.data())
def test_lanes_read_in_any_order_come_out_sorted(lanes: list[str], first: int, data: st.DataObject) -> None:
    """However far one lane is read ahead, and however slowly, a history comes out whole and in order."""
    unread = {lane: [number for number, its in enumerate(lanes, start=first) if its == lane] for lane in "abc"}
    ordering, out, now = Ordering[int](WINDOW), [], 0
    while any(unread.values()):
        lane = data.draw(st.sampled_from([lane for lane, rest in unread.items() if rest]))
        now += data.draw(st.integers(0, 3 * WINDOW))
        ordering.add(HISTORY, *[unread[lane].pop(0)] * 2, lane=lane, now=now)
        read = {its: None if rest else now for its, rest in unread.items()}
        while found := ordering.take(read=read):
            out.append(found)
    while found := ordering.take(read=dict.fromkeys(unread, now + WINDOW)):
        out.append(found)
    assert out == [Ordered(number) for number in range(first, first + len(lanes))]


Arrival = tuple[int, int, str, int]  # history, sequence, lane, time since the arrival before


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 25), st.sampled_from("ab"), st.integers(0, 4))),
    st.lists(st.integers(0, 30), min_size=1),
    st.integers(0, 5),
)
def test_nothing_is_dropped_repeated_or_left_unsaid(arrivals: list[Arrival], behind: list[int], hurries: int) -> None:
    """All items go out, and per history the missing and the timely ones tile one range, each sequence once."""
    ordering, now, out = Ordering[tuple[int, int]](WINDOW), 0, []
    for number, (history, sequence, lane, wait) in enumerate(arrivals):
        now += wait
        ordering.add(history, sequence, (history, sequence), lane=lane, now=now)
        if number % 7 < hurries - 3:
            ordering.hurry()
        while found := ordering.take(read={"a": now - behind[number % len(behind)], "b": now}):
            out.append(found)
    while found := ordering.take(read={"a": now + WINDOW, "b": now + WINDOW}):
        out.append(found)

    assert len(ordering) == 0
    assert sorted(f.item for f in out) == sorted((history, sequence) for history, sequence, *_ in arrivals)
    for history in range(3):
        told = [s for f in out if f.item[0] == history and not f.late for s in (*f.missing, f.item[1])]
        assert told == list(range(told[0], told[0] + len(told))) if told else True
        late = {f.item[1] for f in out if f.item[0] == history and f.late}
        assert all(sequence <= told[-1] for sequence in late)

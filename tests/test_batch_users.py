"""What a transaction writes besides: the rows of users, and each event once more in the topic of all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import avro, batch
from streamer.avro import Values
from streamer.batch import ALL, GROWTH, STATE, Form
from streamer.judging.steps import Step, UserStep
from streamer.state import SourceState, UserRow
from tests.builders import FORM, NOON, fold
from tests.planning import created, planned, size_of


def user_row(count: int) -> UserRow:
    """The row of a user with so many clients."""
    return UserRow.of(NOON, dict.fromkeys(map("client {:03}".format, range(count)), NOON), {})


def test_of_a_user_the_last_row_stands_behind_all_events() -> None:
    """However many of their tokens changed; the row is part of the state after it."""
    made: list[Step | UserStep] = [
        *(replace(step, user=UserStep("u", user_row(n))) for n, step in enumerate(created("a", "b", "c"))),
        UserStep("gone", None),
    ]

    (part,) = planned(made)

    assert [r.key for r in part.records if r.topic == STATE] == [
        *(b"prod/t/a", b"prod/t/b", b"prod/t/c", b"prod/u/u", b"prod/u/gone", b"prod")
    ]
    assert [r.value for r in part.records[-4:-2]] == [user_row(2).to_bytes(), None]
    assert part.users == {"u": user_row(2), "gone": None}
    state = fold(SourceState(users={"gone": user_row(7), "other": user_row(8)}), part)
    assert state.users == {"u": user_row(2), "other": user_row(8)}


def test_with_a_topic_of_all_each_event_is_two_records() -> None:
    """The same key, headers and bytes, but for the schema's id where another one stands under that topic."""
    form = Form(Values("confluent", {"created": 7, "all": 9, "snapshots": 8}), all_topic=True)

    (part,) = planned(created("a", "b"), form)

    first, copy, token_row = part.records[:3]
    assert (first.topic, copy.topic, token_row.topic) == ("created", ALL, STATE)
    assert (first.key, first.headers) == (copy.key, copy.headers)
    assert [avro.unframe(record.value or b"")[0] for record in (first, copy)] == [7, 9]
    assert avro.unframe(first.value or b"")[1] == avro.unframe(copy.value or b"")[1]
    assert part.report is not None
    assert part.report.created == 2


@pytest.mark.parametrize("records", [1, 5, 6, 7, 8, 9, 20])
def test_users_and_copies_count(records: int) -> None:
    """The bound is on all records: an event, its copy, its token's row, and the rows of users, each once."""
    made = [replace(step, user=UserStep("uv"[n % 2], user_row(n))) for n, step in enumerate(created(*"abcdefgh"))]

    parts = planned(made, replace(FORM, records=records, all_topic=True))

    alone = 4 + batch.RESERVED_RECORDS
    assert all(len(part.records) <= max(records, alone) for part in parts)
    assert [moid for part in parts for moid in part.tokens] == list("abcdefgh")
    full = [3 * len(part.tokens) + len(part.users) + 1 for part in parts[:-1]]
    assert [len(part.records) for part in parts[:-1]] == full
    assert all(count + 1 + 4 > records for count in full)


@settings(deadline=None)
@given(st.integers(1, 20_000), st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 60)), max_size=12))
def test_the_bytes_of_users_count(size: int, users: list[tuple[str, int]]) -> None:
    """A row that grows within a transaction counts as it is written, once."""
    made = [
        replace(s, user=UserStep(user, user_row(count)))
        for n, (user, count) in enumerate(users)
        for s in created(f"{n:02}")
    ]

    parts = planned(made, replace(FORM, size=size))

    assert all(size_of(part) <= size or len(part.tokens) <= 1 for part in parts)
    assert [moid for part in parts for moid in part.tokens] == [f"{n:02}" for n in range(len(users))]


def test_a_transaction_is_filled_whoever_its_tokens_belong_to() -> None:
    """The row of a user takes its room once, however many of their tokens stand there."""
    made = [replace(s, user=UserStep("u", user_row(60))) for n in range(50) for s in created(f"{n:03}")]

    parts = planned(made, replace(FORM, size=8000))

    needed = sum(record.size for record in parts[-1].records[-2:])
    step = max(sum(record.size for record in part.records[:2]) for part in parts)
    assert len(parts) > 2
    assert all(size_of(part) + needed + GROWTH + step > 8000 for part in parts[:-1])

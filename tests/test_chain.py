"""The whole chain over random days: whatever the API does, readers of the events know exactly what the state knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer import avro
from streamer.absence import Guard, in_hold, is_discarded
from streamer.errors import Rejected
from streamer.events import UserInfo
from streamer.judging.judgement import Policy
from streamer.report import Report
from streamer.state import SourceState, Status
from streamer.tokens import AuditRecord, Token
from tests import laws
from tests.builders import FORM, NOON, SECOND, token
from tests.fakes import Log
from tests.stage import SOURCE, Stage

TOKENS = st.builds(
    token,
    st.sampled_from("abcdef"),
    client_name=st.sampled_from([None, "portal"]),
    access_expiration_time=st.sampled_from([None, NOON, NOON + 60 * SECOND]),
    expiration_time=st.sampled_from([None, NOON, NOON + 3600 * SECOND]),
    create_time=st.sampled_from([None, NOON - 3600 * SECOND, NOON + 90 * SECOND]),
    mod_time=st.sampled_from([None, NOON - 3599 * SECOND, NOON - 60 * SECOND, NOON]),
    user_moid=st.sampled_from([None, "u1"]),
    client_id=st.sampled_from([None, "c1", "c2", "c3"]),
)
MOIDS = st.frozensets(st.sampled_from("abcdef"), max_size=3)


@dataclass(frozen=True)
class Hour:
    """What the API does until the next poll.

    Attributes:
        tokens: those there are.
        hidden: the list lacks them.
        unsure: a look-up learns nothing of them.
        noise: other bytes of the same meaning.
        wait_s: since the poll before; a clock may be set back.
        restarts: the worker is another process.
        fails: no list is had.
        rights: what we may see; None: nobody tells.
        audit: what the audit tells of all tokens; None: nothing just now; "unreadable": it may not be read.
        order: what a person orders about what is held.
    """

    tokens: tuple[Token, ...]
    hidden: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    noise: str = ""
    wait_s: int = 60
    restarts: bool = False
    fails: bool = False
    rights: str | None = "all"
    audit: str | None = ""
    order: str | None = None


HOURS = st.builds(
    Hour,
    st.lists(TOKENS, unique_by=lambda one: one.moid).map(tuple),
    hidden=MOIDS,
    unsure=MOIDS,
    noise=st.sampled_from(["", "link"]),
    wait_s=st.sampled_from([60, 60, 60, -30, 8 * 86_400]),
    restarts=st.booleans(),
    fails=st.sampled_from([False, False, False, True]),
    rights=st.sampled_from(["all", "all", "all", "less", None]),
    audit=st.sampled_from(["", "Deleted", "Created", "Logout", "unreadable", None]),
    order=st.sampled_from([None, None, "release", "discard", "forget", "garbage"]),
)
CALM = Hour((token("a"), token("b", access_expiration_time=NOON)))


KINDS = {"Deleted": "iam.OAuthToken", "Created": "iam.OAuthToken", "Logout": "iam.User"}
MOST = 2  # deletions at once, or within ten minutes


def set_up(stage: Stage, hour: Hour) -> None:
    """The account of such an hour."""
    account = stage.account
    account.show(hour.tokens, hidden=hour.hidden, unsure=hour.unsure)
    account.noise, account.rights_seen = hour.noise, hour.rights
    account.error = Rejected("unavailable", "503") if hour.fails else None
    account.readable, account.records = hour.audit != "unreadable", None
    account.people = {"u1": UserInfo("u1", "Ann")}
    if hour.audit in KINDS:
        about = ["u1"] if hour.audit == "Logout" else list("abcdef")
        account.records = tuple(
            AuditRecord(f"r{n}", hour.audit, KINDS[hour.audit], moid, "u1", "ann", None, stage.clock())
            for n, moid in enumerate(about)
        )
    elif hour.audit is not None:
        account.records = ()


def order(stage: Stage, hour: Hour) -> None:
    """What a person orders, who has seen what is held."""
    if hour.order == "garbage":
        stage.log.commands.setdefault(SOURCE, []).append(b"?")
    elif hour.order:
        stage.order(hour.order)


async def poll(stage: Stage, hour: Hour) -> None:
    """One poll of such an hour, and what must hold of any."""
    stage.clock.now += hour.wait_s * SECOND
    set_up(stage, hour)
    if hour.restarts:
        stage.cycle = stage.worker()
    await stage.cycle.prepare()
    order(stage, hour)
    await stage.cycle.obey()
    before, told_before = stage.log.state(SOURCE), len(stage.events)
    look = await stage.cycle.look()
    shown = set(look.snapshot.unchanged) | set(look.snapshot.rows) if look.snapshot else set()
    work = replace(avro.counts)
    told = await stage.cycle.settle(look)

    assert avro.counts.tokens_encoded == work.tokens_encoded
    if look.snapshot is None:
        assert (told.verdict, told.first_sequence) == ("rejected", None)
        assert avro.counts == work
        assert stage.log.state(SOURCE) == before
        return
    check_work(stage, told, len(look.snapshot.rows), avro.counts.tokens_decoded - work.tokens_decoded)
    check_counts(stage, shown, told)
    check_deletions(stage, before, stage.events[told_before:])


def check_work(stage: Stage, told: Report, new: int, decoded: int) -> None:
    """Only rows that say something new are decoded, to be told of, with what they are compared with, and what is gone.

    What differs once more where a change may be one that is not published.
    """
    quiet = len(stage.cycle._memory.suppressed)
    decoded -= told.deleted
    assert told.created + 2 * (told.modified + quiet) <= decoded
    assert decoded <= 2 * new + 2 * stage.policy.suppress * (told.modified + quiet)


def check_counts(stage: Stage, shown: AbstractSet[str], told: Report) -> None:
    """Every row is counted once, every absence too; the hold says what its rows say."""
    rows = told.created + told.modified + told.unchanged + told.suppressed + told.stale
    assert rows == len(shown) or stage.policy.silent
    state = stage.log.state(SOURCE)
    assert state.row is not None
    missing = {moid: row for moid, row in state.tokens.items() if row.known and moid not in shown}
    held = {moid for moid, row in state.tokens.items() if in_hold(state.row, row)}
    assert told.held == len(held) == (state.row.hold.count if state.row.hold else 0)
    assert told.waiting == len(missing.keys() - held)
    assert all(row.status in {Status.WAITING, Status.HELD} for row in missing.values())
    assert told.hold_id == (state.row.hold.hold_id if state.row.hold else None)


def check_deletions(stage: Stage, before: SourceState, made: Sequence[laws.Read]) -> None:
    """Each was proven by asking, none against a person's word, and never too many at once."""
    assert before.row is not None
    ended = [event for event in made if event["event_type"] == "deleted"]
    for event in ended:
        row, proof = before.tokens[event["moid"]], event["delete_evidence"]
        assert (event["moid"], proof["checked_at"]) in stage.account.gone
        expired = row.expiration_time is not None and row.expiration_time <= proof["checked_at"]
        assert expired or not is_discarded(before.row, row)
        assert not in_hold(before.row, row) or (before.row.hold is not None and before.row.hold.released)
        assert proof["audit_event"] in {None, "Deleted", "Logout"}
        assert (event["delete_cause"] in {"revoked", "logout"}) is (proof["audit_record_moid"] is not None)
        assert event["user"] is None or event["user"]["moid"] == "u1"
    lately = [
        row
        for row in stage.tokens.values()
        if not row.known
        and row.hold_id is None
        and (row.deleted_at or 0) >= stage.clock() - 600 * SECOND
        and not (row.expiration_time is not None and row.expiration_time <= (row.deleted_at or 0))
    ]
    assert len(lately) <= MOST or not ended


async def live(day: Sequence[Hour], stage: Stage) -> None:
    """All polls of a day, then what must hold of its log, as it is and after each of its transactions."""
    for hour in day:
        await poll(stage, hour)
    log = Log()
    for source, part in stage.log.batches:
        log.append(source, part)
        laws.check_cut(log.records, log.state(SOURCE))
    stage.check()


@settings(deadline=None, max_examples=100)
@given(
    day=st.lists(HOURS, min_size=1, max_size=7),
    policy=st.builds(
        Policy,
        st.just(SOURCE),
        st.builds(
            replace,
            st.just(FORM),
            records=st.sampled_from([4, 5, 8, 100]),
            size=st.sampled_from([1, 3000, 10**9]),
            all_topic=st.booleans(),
        ),
        guard=st.sampled_from([Guard(10, MOST, MOST), Guard(0, 0, 0)]),
        suppress=st.booleans(),
        silent=st.booleans(),
        replica_lag_ms=st.sampled_from([0, 30 * SECOND, 120 * SECOND]),
        audit_wait=st.sampled_from([None, 0, 1]),
        users=st.booleans(),
    ),
)
@example(
    day=[CALM, replace(CALM, tokens=()), CALM], policy=Policy(SOURCE, replace(FORM, records=4, size=1), suppress=True)
)
def test_readers_know_what_the_state_knows(day: list[Hour], policy: Policy) -> None:
    """Replaying the events gives the state's known tokens, at every transaction, however small those are."""
    asyncio.run(live(day, Stage(policy=policy)))


def test_a_day_of_every_kind_is_had() -> None:
    """Held, joined, released in part, discarded, returned: else the law above would be about nothing."""
    six = tuple(map(token, "abcdef"))
    day = [
        Hour(six),
        Hour(six[:2]),
        Hour(six[:3], order="release", unsure=frozenset("d")),
        Hour(six[:3]),
        Hour((), rights="less"),
        Hour(six[:1], order="discard"),
        Hour(six),
    ]
    stage = Stage(policy=Policy(SOURCE, FORM, guard=Guard(10, MOST, MOST)))

    asyncio.run(live(day, stage))

    told = laws.reports(stage.log.records)
    assert [(one["held"], one["waiting"], one["deleted"]) for one in told] == [
        (0, 0, 0),
        (4, 0, 0),
        (1, 0, 2),
        (0, 0, 1),
        (3, 0, 0),
        (0, 2, 0),
        (0, 0, 0),
    ]

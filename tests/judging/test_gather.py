"""What one poll asks, and what it does not: nobody is asked before the missing are weighed, nothing is asked twice."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.absence import Guard
from streamer.errors import Rejected
from streamer.judging.gather import Gatherer, agree
from streamer.judging.judgement import Look, Memory, Policy
from streamer.known import Known
from streamer.state import Hold, SourceRow, SourceState, Status, TokenRow
from streamer.tokens import AuditRecord, Gone, ServerClock, Snapshot, Token
from tests.builders import ACCOUNT, EPOCH, FORM, NOON, SECOND, row, token
from tests.fakes import Account, Clock

HOLD = "9c0a2f8e-7d41-4b9e-8a55-1f2e3d4c5b6a"
KNOWN = SourceRow(EPOCH, account_moid=ACCOUNT, first_started_at=NOON - 600 * SECOND, rights="all")
HOLDING = replace(KNOWN, hold=Hold(HOLD, NOON, "threshold", 1, ""))
ELSEWHERE = "0" * 24
LIST, RIGHTS, LOOK_UP = "source answers with a list", "source tells our rights", "source answers by Moid"
DEEDS, USERS = "source tells of deeds", "source tells of users"
POLICY = Policy("prod", FORM, guard=Guard(10, 3, 3))


class Asked:
    """An account, and what it was asked in one poll."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.account = Account(Clock())
        self.gatherer = Gatherer(policy, self.account, Clock())

    async def look(
        self,
        known: dict[str, TokenRow],
        *tokens: Token,
        source: SourceRow = KNOWN,
        memory: Memory | None = None,
        **shown: Any,
    ) -> Look:
        """One poll, with these tokens in the account."""
        self.account.show(tokens, **shown)
        return await self.gatherer.look(SourceState(source, known), source, memory or Memory())

    @property
    def gates(self) -> list[str]:
        """What was asked, in order."""
        return self.account._gates.passed


def live(moids: str, status: Status = Status.LIVE, **fields: Any) -> dict[str, TokenRow]:
    """Known tokens."""
    return {moid: row(token(moid, user_moid=f"user of {moid}"), status, **fields) for moid in moids}


def there(moids: str) -> list[Token]:
    """The same, in the account."""
    return [token(moid, user_moid=f"user of {moid}") for moid in moids]


async def test_the_source_is_told_what_it_need_not_look_at() -> None:
    """Every row of the state, as it is in this poll; see `test_known` for what that says."""
    told: list[Known] = []

    class Told(Account):
        async def snapshot(self, known: Known) -> Snapshot:
            told.append(known)
            return await super().snapshot(known)

    gatherer = Gatherer(POLICY, Told(Clock()), Clock())
    for rows in (live(moids) | live("c", Status.DELETED) for moids in ("ab", "b")):
        await gatherer.look(SourceState(KNOWN, rows), KNOWN, Memory())
        assert told[-1] == rows


# The order...


async def test_nothing_missing_asks_for_a_list_and_nothing_else() -> None:
    """Equal or changed, no request goes beyond the pages."""
    asked = Asked()

    look = await asked.look(live("ab"), token("a", client_name="x"), *there("b"))

    assert (asked.gates, look.rights, look.requests) == ([LIST], None, 1)


async def test_the_account_is_pinned_before_the_first_list() -> None:
    """Whom the API takes us for comes first; a list of another account is not believed even then."""
    asked = Asked()
    asked.account.account_moid = ELSEWHERE

    look = await asked.look({}, *there("a"), source=SourceRow(EPOCH))

    assert (asked.gates, asked.account.rights_known) == ([RIGHTS, LIST], [None])
    assert look.rejected is not None
    assert (look.rejected.reason, look.rejected.walk.pages) == ("wrong_account", 1)


async def test_without_our_rights_there_is_no_first_list() -> None:
    """The poll is rejected, with the reason that the API gave."""
    asked = Asked()
    asked.account.rights_seen = None

    look = await asked.look({}, *there("a"), source=SourceRow(EPOCH))

    assert asked.gates == [RIGHTS]
    assert look.rejected is not None
    assert look.rejected.reason == "unavailable"


async def test_the_order_is_the_contracts() -> None:
    """A list, our rights, look-ups, deeds, users."""
    asked = Asked(replace(POLICY, audit_wait=1, users=True))

    await asked.look(live("ab"), *there("b"))

    assert (asked.gates, asked.account.rights_known) == ([LIST, RIGHTS, LOOK_UP, DEEDS, USERS], ["all"])


# Look-ups...


async def test_what_is_missing_is_looked_up_and_what_is_found_is_as_good_as_listed() -> None:
    """Merged into the snapshot with its own arrival time."""
    asked = Asked()
    asked.account.arrived_at = NOON + 7

    look = await asked.look(live("abc"), *there("ab"), hidden="b")

    assert asked.account.asked == ["b", "c"]
    assert look.snapshot is not None
    assert (sorted(look.snapshot.rows), look.snapshot.rows["b"].arrived_at) == (["b"], NOON + 7)
    assert look.findings["c"] == Gone("c", NOON + 7, trace_id="trace of c")
    assert (look.requests, look.trace_ids) == (4, ("trace", "trace of c"))


async def test_a_token_of_another_account_is_not_found() -> None:
    """It is a finding, but no row of ours."""
    asked = Asked()

    look = await asked.look(live("ab"), *there("a"), token("b", account_moid=ELSEWHERE), hidden="b")

    assert look.snapshot is not None
    assert "b" not in look.snapshot
    assert not isinstance(look.findings["b"], Gone)


@pytest.mark.parametrize("why", ["threshold", "emptied", "rights_changed"])
async def test_nobody_is_asked_for_what_is_held(why: str) -> None:
    """Judged before any look-up."""
    asked = Asked()
    if why == "rights_changed":
        asked.account.rights_seen = "less"
    known, shown = {"threshold": ("abcdefgh", "abcd"), "emptied": ("abcde", ""), "rights_changed": ("ab", "a")}[why]

    look = await asked.look(live(known), *there(shown))

    assert (look.weighed.reason, set(look.weighed.held)) == (why, set(known) - set(shown))
    assert asked.account.asked == []


async def test_nobody_is_asked_while_our_rights_are_unknown() -> None:
    """What is missing waits; what is too much is held all the same."""
    asked = Asked()
    asked.account.rights_seen = None

    few = await asked.look(live("abcde"), *there("abcd"))
    many = await asked.look(live("abcdefgh"), *there("abcd"))

    assert asked.account.asked == []
    assert (few.rejected, few.weighed.held, few.findings) == (None, frozenset(), {})
    assert (set(many.weighed.held), many.weighed.reason) == (set("efgh"), "threshold")


async def test_another_account_is_found_out_by_our_rights_too() -> None:
    """Its list may be empty and name no account: nothing of the poll is believed, nothing is held for it."""
    asked = Asked()
    asked.account.known_as = ELSEWHERE

    look = await asked.look(live("a"))

    assert look.rejected is not None
    assert (look.rejected.reason, look.snapshot) == ("wrong_account", None)
    assert asked.account.asked == []


async def test_a_held_token_costs_nothing() -> None:
    """Poll by poll: neither look-ups nor our rights."""
    asked = Asked()
    known = live("abc") | live("de", Status.HELD, hold_id=HOLD)

    look = await asked.look(known, *there("abc"), source=HOLDING)

    assert asked.gates == [LIST]
    assert look.weighed.held == {"d", "e"}


async def test_a_young_token_costs_nothing() -> None:
    """It waits until it is old enough to be asked for."""
    asked = Asked()

    await asked.look({"a": row(token("a", create_time=NOON - 5 * SECOND))})

    assert asked.gates == [LIST]


async def test_a_released_token_is_looked_up_again() -> None:
    """A person knows of our rights; they are not asked for again."""
    asked = Asked()
    source = replace(HOLDING, hold=Hold(HOLD, NOON, "rights_changed", 5, "", released_at=NOON))
    known = live("abc") | live("defgh", Status.HELD, hold_id=HOLD)

    look = await asked.look(known, *there("abcd"), hidden="d", source=source)

    assert asked.gates == [LIST, LOOK_UP]
    assert asked.account.asked == list("defgh")
    assert look.snapshot is not None
    assert "d" in look.snapshot


async def test_a_proven_absence_is_not_asked_for_again() -> None:
    """While a record of why is waited for; only the record is."""
    asked = Asked(replace(POLICY, audit_wait=3))
    proof = Gone("a", NOON - 60 * SECOND)

    look = await asked.look(live("ab"), *there("b"), memory=Memory(proven={"a": proof}))

    assert asked.gates == [LIST, DEEDS]
    assert look.findings == {"a": proof}
    assert (await asked.look(live("ab"), *there("ab"), memory=Memory(proven={"a": proof}))).findings == {}


@settings(deadline=None)
@given(
    known=st.sets(st.sampled_from("abcdefgh")).map("".join),
    shown=st.sets(st.sampled_from("abcdefgh")).map("".join),
    hidden=st.sets(st.sampled_from("abcdefgh")),
)
async def test_a_candidate_costs_at_most_three_requests(known: str, shown: str, hidden: set[str]) -> None:
    """Beyond the pages, whatever is missing: its look-up, and our rights once."""
    asked = Asked()

    look = await asked.look(live(known), *there(shown), hidden=hidden)

    missing = set(known) - (set(shown) - hidden)
    candidates = missing - look.weighed.held
    beyond = asked.gates.count(RIGHTS) + len(asked.account.asked)
    assert set(asked.account.asked) == candidates
    assert beyond <= 3 * len(candidates) or look.weighed.held


# Deeds...


async def test_the_audit_is_asked_about_the_tokens_that_are_gone_and_their_users() -> None:
    """From a lag before the earliest was last shown, up to the last proof, by the server's clock."""
    asked = Asked(replace(POLICY, audit_wait=1))
    asked.account.server = ServerClock(5 * SECOND, 6 * SECOND)
    known = live("ab", seen_at=NOON - 60 * SECOND) | live("c", Status.WAITING, absent_since=NOON - 900 * SECOND)

    look = await asked.look(known, *there("a"))

    assert asked.account.audited == [
        (("b", "c"), ("user of b", "user of c"), NOON - 900 * SECOND - 120 * SECOND, NOON + 6 * SECOND)
    ]
    assert look.owners == {"b": "user of b", "c": "user of c"}


@pytest.mark.parametrize("policy", [POLICY, replace(POLICY, audit_wait=1)])
async def test_the_audit_is_asked_only_where_it_is_wanted(policy: Policy) -> None:
    """Switched off, or nothing is gone: nobody asks."""
    asked = Asked(policy)

    assert (await asked.look(live("ab"), *there("a"), unsure="b")).audit is None
    gone = await asked.look(live("ab"), *there("a"))

    assert (gone.audit is None) is (policy.audit_wait is None)


async def test_an_audit_that_fails_is_as_if_the_record_were_late() -> None:
    """It is waited for so many polls, no longer."""
    asked = Asked(replace(POLICY, audit_wait=1))
    asked.account.records = None

    look = await asked.look(live("ab"), *there("a"))

    assert look.audit is not None
    assert (look.audit.readable, look.audit.records) == (True, ())


async def test_an_audit_that_may_not_be_read_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """One warning, until it can be read and then no more."""
    asked = Asked(replace(POLICY, audit_wait=1))
    record = AuditRecord("r", "Deleted", "iam.OAuthToken", "b", None, None, None, NOON)
    asked.account.records = (record,)
    said = []

    for readable in (False, False, True, True, False):
        asked.account.readable = readable
        look = await asked.look(live("ab"), *there("a"))
        assert look.audit is not None
        assert (look.audit.readable, look.audit.records) == (readable, (record,) if readable else ())
        said.append(sum(one.getMessage() == "audit.unreadable" for one in caplog.records))

    assert said == [1, 1, 1, 1, 2]
    assert {one.levelno for one in caplog.records} == {logging.WARNING}


# What is counted...


async def test_damaged_values_are_counted() -> None:
    """Of the rows that were decoded, and of users and records in this poll."""
    asked = Asked()
    asked.account.damaged = 5
    asked.account.on_list = lambda: setattr(asked.account, "damaged", 7)
    asked.account.spoilt = 3

    assert (await asked.look({}, token("a", client_name="x"))).damaged == 2 + 3
    assert (await asked.look(live("a"), *there("a"))).damaged == 0


# Failures...


async def test_a_list_that_is_rejected_is_the_end_of_a_poll() -> None:
    """With its own reason; nothing else is asked."""
    asked = Asked()
    asked.account.error = error = Rejected("torn", "Count changed")

    look = await asked.look(live("ab"))

    assert (look.rejected, look.snapshot, look.started_at) == (error, None, NOON)
    assert asked.gates == [LIST]


@pytest.mark.parametrize(
    ("ours", "shown", "may"),
    [(None, None, True), (None, "x", True), ("x", None, True), ("x", "x", True), ("x", "y", False)],
)
def test_an_account_that_is_not_named_is_no_other_one(ours: str | None, shown: str | None, *, may: bool) -> None:
    """Null is unknown."""
    assert agree(ours, shown) is may

"""The laws of the world and its ledger: what the streamer is measured with must itself be beyond doubt."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.demo.credentials import Credentials
from streamer.demo.life import ACTS, Life, Rates
from streamer.demo.shapes import ZERO_TIME, instant, rfc3339
from streamer.demo.world import HOUR_MS, Customs, World
from tests.demo.stage import START, Clock, still

BUSY = Rates(per_second=20)
LONG_MS = 40_000


def _lived(seed: int, stops: list[int], *, tokens: int = 30) -> Life:
    """A busy world that was looked at, at these moments (ms after the start) and at the end."""
    clock = Clock()
    world = Life(clock, seed=seed, tokens=tokens, rates=BUSY)
    for stop in [*sorted(stops), LONG_MS]:
        clock.now = START + stop
        world.tick()
    return world


@given(st.integers(0, 1000), st.lists(st.integers(0, LONG_MS), max_size=12))
@settings(max_examples=30, deadline=None)
def test_history_does_not_depend_on_who_looks(seed: int, stops: list[int]) -> None:
    """The same seed and start make the same ledger, however often and whenever the world is looked at."""
    assert _lived(seed, stops).truth.entries == _lived(seed, []).truth.entries


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_ledger_replayed_is_the_world(seed: int) -> None:
    """Replaying the ledger from nothing gives exactly the tokens, each entry begins where the last one ended."""
    world = _lived(seed, [])
    last: dict[str, object] = {}
    for number, entry in enumerate(world.truth, 1):
        assert entry.number == number
        assert entry.before == last.get(entry.moid)
        assert (
            entry.what
            == {(True, False): "created", (False, True): "deleted", (False, False): "modified"}[
                entry.before is None, entry.after is None
            ]
        )
        last[entry.moid] = entry.after

    assert world.truth.state() == dict(world.tokens)
    assert list(world.moids) == sorted(world.tokens)


@given(st.integers(0, 1000), st.integers(0, LONG_MS))
@settings(max_examples=30, deadline=None)
def test_the_ledger_tells_every_moment_of_the_past(seed: int, moment: int) -> None:
    """The state at t, read from the ledger later, is what the API showed at t; entries stand in the order of time."""
    world = _lived(seed, [])

    then = _lived_until(seed, moment)

    assert world.truth.state(START + moment) == dict(then.tokens)
    assert all(a.at <= b.at for a, b in pairwise(world.truth))


def _lived_until(seed: int, moment: int) -> Life:
    clock = Clock()
    world = Life(clock, seed=seed, tokens=30, rates=BUSY)
    clock.now = START + moment
    world.tick()
    return world


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_change_names_what_changed_and_moves_mod_time(seed: int) -> None:
    """`changed` is exactly what differs, ModTime is in it and grows, and identity never changes."""
    for entry in _lived(seed, []).truth:
        if entry.before is not None and entry.after is not None:
            differing = {name for name in entry.after if entry.after[name] != entry.before[name]}
            assert set(entry.changed) == differing >= {"ModTime"}
            assert (instant(entry.after["ModTime"]) or 0) > (instant(entry.before["ModTime"]) or 0)
            assert not differing & {"Moid", "CreateTime", "User", "ClientId", "AccountMoid", "TokenId"}


def test_chance_does_everything_and_keeps_the_number() -> None:
    """Random life does each act, tokens also expire, and about as many are there at the end as at the beginning."""
    clock = Clock()
    world = Life(clock, tokens=500, rates=Rates(per_second=50))

    clock.now += 600_000
    world.tick()

    assert set(world.truth.counts) == {"created", "modified", "deleted", "seed", "expire", *ACTS}
    assert 350 < len(world.tokens) < 650


def test_a_settled_world_stands_still() -> None:
    """After `settle`, nothing dies or changes by itself, even tokens long past their time; acts on cue still work."""
    clock = Clock()
    world = Life(clock, tokens=50, rates=Rates(per_second=5))
    clock.now += 10_000
    world.settle()
    lived, rows = len(world.truth), dict(world.tokens)

    clock.now += 400 * 86_400_000
    world.tick()

    assert (len(world.truth), world.tokens) == (lived, rows)
    assert world.truth.counts["login"] > 0
    world.vanish(world.moids[0])
    assert len(world.truth) == lived + 1


def test_a_settled_world_goes_on_from_now() -> None:
    """What did not happen while it stood still is not made up for: whoever looked meanwhile saw all there was."""
    clock = Clock()
    world = Life(clock, tokens=50, rates=Rates(per_second=5))
    rates = world.rates
    world.settle()
    lived = len(world.truth)
    clock.now += 60_000
    world.go_on(rates)
    resumed = clock.now
    clock.now += 60_000
    world.tick()

    assert len(world.truth) > lived
    assert all(entry.at >= resumed for entry in world.truth.entries[lived:])


def test_who_calls_does_not_change_history() -> None:
    """A world for given credentials has the history of its seed; only account and admin are others."""
    credentials = Credentials.new()
    own, given_ = still(50), still(50, account=credentials.account, admin=credentials.admin)

    assert [e.moid for e in own.truth] == [e.moid for e in given_.truth]
    assert {row["AccountMoid"] for row in given_.tokens.values()} == {credentials.account.moid}
    assert given_.people()[0]["Moid"] == credentials.admin.moid


def test_a_token_is_reaped_after_it_lingered() -> None:
    """A token past its ExpirationTime is still listed for `linger_ms`; it goes then, whenever somebody looks."""
    clock = Clock()
    world = still(clock=clock, customs=Customs(linger_ms=500))
    moid = world.login(world.users[0], world.clients[0], session_ms=1000)

    clock.now += 1499
    world.tick()
    assert moid in world.tokens
    world.tick(START + 10_000)

    assert moid not in world.tokens
    assert (world.truth.entries[-1].cause, world.truth.entries[-1].at) == ("expire", START + 1500)


def test_a_changed_expiry_moves_the_reaper() -> None:
    """A token whose ExpirationTime was moved dies at the new one, not at the old one; without one it lives on."""
    clock = Clock()
    world = still(clock=clock, customs=Customs(linger_ms=0))
    longer, forever = (world.login(world.users[0], world.clients[0], session_ms=1000) for _ in range(2))
    world.edit(longer, "edit", ExpirationTime=rfc3339(START + 5000))
    world.edit(forever, "edit", ExpirationTime=ZERO_TIME)

    world.tick(START + 4999)
    assert {longer, forever} <= set(world.tokens)
    world.tick(START + 5000)
    assert set(world.tokens) == {forever}


def test_the_reaper_cannot_be_hurried() -> None:
    """`expire` takes a token that lingers, and refuses one whose time is to come."""
    clock = Clock()
    world = still(clock=clock)
    moid = world.login(world.users[0], world.clients[0], session_ms=1000)
    with pytest.raises(ValueError, match="short session_ms"):
        world.expire(moid)
    clock.now += 1000
    world.expire(moid)

    assert moid not in world.tokens


def test_a_relogin_touches_all_tokens_of_the_user() -> None:
    """LastLogin* belong to the user: all of their tokens change at once, nobody else's do."""
    world = still(40)
    user = max(world.users, key=lambda u: len(world.owned_by(u)))
    others = {m: row for m, row in world.tokens.items() if m not in world.owned_by(user)}

    world.relogin(user, "203.0.113.9")

    assert len(world.owned_by(user)) > 1
    assert {world.tokens[m]["LastLoginClient"] for m in world.owned_by(user)} == {"203.0.113.9"}
    assert all(world.tokens[m] is row for m, row in others.items())


def test_deeds_are_on_record_and_expiry_is_not() -> None:
    """Logout and removal write audit records, seen after the lag; vanishing and expiry write none."""
    clock = Clock()
    world = still(clock=clock, customs=Customs(audit_lag_ms=100))
    a, b, c = (world.login(world.users[n], world.clients[n]) for n in range(3))
    world.logout(world.users[0])
    world.remove(b)
    world.vanish(c)
    assert (a in world.tokens, world.records()) == (False, [])

    clock.now += 100

    assert [(r["Event"], r["ObjectMoid"], r["Email"]) for r in world.records()] == [
        ("Logout", world.users[0].moid, world.users[0].email),
        ("Deleted iam.OAuthToken", b, world.admin.email),
    ]


def test_an_edit_that_changes_nothing_did_not_happen() -> None:
    """Setting what is already set writes no entry and moves no ModTime."""
    world = still()
    moid = world.login(world.users[0], world.clients[0])
    row = world.tokens[moid]

    world.edit(moid, "edit", SharedScope="")

    assert world.tokens[moid] is row
    assert len(world.truth) == 1


def test_a_row_that_was_shown_never_changes() -> None:
    """Whoever kept a row has it as it was: a change makes another one."""
    world = still()
    moid = world.login(world.users[0], world.clients[0])
    kept, copy = world.tokens[moid], dict(world.tokens[moid])

    world.widen(moid)
    world.tag(moid, "owner", "netops")
    world.rename(world.clients[0], "other")

    assert kept == copy
    assert [e.cause for e in world.truth] == ["login", "widen", "tag", "rename"]


def test_a_rename_goes_on_counting() -> None:
    """Random life numbers an application's versions, whatever a person called it before."""
    clock = Clock()
    world = Life(clock, rates=Rates(per_second=10, **dict.fromkeys(set(ACTS) - {"rename", "login"}, 0), rename=1))
    for client in world.clients:
        world.rename(client, "backup v vNext")

    clock.now += 20_000
    world.tick()

    assert {"backup v vNext v2", "backup v vNext v3"} <= {e.after["ClientName"] for e in world.truth if e.after}


def test_the_index_follows_few_and_many() -> None:
    """The sorted Moids are right after one act, after very many at once, and after none."""
    world = still(300)
    assert list(world.moids) == sorted(world.tokens)
    world.vanish(world.moids[7])
    world.login(world.users[0])
    assert list(world.moids) == sorted(world.tokens)
    for moid in list(world.moids)[:150]:
        world.vanish(moid)

    assert list(world.moids) == list(world.moids) == sorted(world.tokens)


def test_what_is_there_at_the_start() -> None:
    """Tokens from before the play are up to 12 hours old, none past its time, each in the ledger as `seed`."""
    world = World(Clock(), tokens=400)

    created = [instant(row["CreateTime"]) or 0 for row in world.tokens.values()]
    ends = [instant(row["ExpirationTime"]) for row in world.tokens.values() if row["ExpirationTime"] != ZERO_TIME]
    assert len(created) == 400
    assert START - 12 * HOUR_MS <= min(created) <= max(created) < START
    assert all(end and end >= START for end in ends)
    assert set(world.truth.counts) == {"created", "seed"}


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_are_trimmed_and_read_back(ms: int) -> None:
    """A time is written without trailing zeros in its fraction, and read back to the same ms."""
    text = rfc3339(ms)

    assert instant(text) == ms
    fraction = text.partition(".")[2]
    assert fraction == "" or (fraction.endswith("Z") and fraction[-2] != "0")


@pytest.mark.parametrize(
    "text", ["", "2026-11-20", "2026-11-31T00:00:00Z", "2026-11-20T08:14:05", "x2026-11-20T00:00:00Z"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    """Anything but an RFC 3339 time reads as None."""
    assert instant(text) is None

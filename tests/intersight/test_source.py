"""One account: what it shows of itself, by any credential; and the whole border against the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from streamer.config import ApiKey, OAuth, SourceSettings
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.errors import Misconfigured, Rejected
from streamer.events import UserInfo
from streamer.intersight.lookup import ONE_BY_ONE
from streamer.intersight.source import IntersightSource
from streamer.known import Known
from streamer.serving import serve
from streamer.tokens import Audit, Gone, Sighting, Unsure
from tests.builders import known_of
from tests.intersight.account import Account, moids
from tests.intersight.stage import ACCOUNT, GOLDEN, KEY_ID, NOW, Naps, Script, fault, said

MOID = "6b00014d7564613301d4f7aa"


def _settings(url: str, **others: Any) -> SourceSettings:
    given = {"name": "prod-us", "url": url, "api_key": ApiKey(id=KEY_ID, file=GOLDEN / "v3.pem"), **others}
    return SourceSettings(**given)


def _source(url: str, **others: Any) -> IntersightSource:
    return IntersightSource(_settings(url, **others), clock=lambda: NOW, sleep=Naps())


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_reads_all_tokens_with_either_key(version: str) -> None:
    """With a v2 or a v3 key a source reads its account's tokens by pages of the size configured."""
    app = Account(set(moids(5)))
    async with serve(app) as url:
        key = ApiKey(id=KEY_ID, file=GOLDEN / f"{version}.pem")
        async with _source(url, api_key=key, page_size=2) as source:
            seen = await source.snapshot(Known())

    assert (source.name, len(seen), seen.walk.pages, seen.account_moid) == ("prod-us", 5, 3, ACCOUNT)


async def test_reads_all_tokens_as_an_oauth_client() -> None:
    """With OAuth credentials a source fetches one token for all its requests."""
    pages, fetched = Account(set(moids(5))), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/iam/token":
            fetched.append(scope["path"])
            await said(200, {"access_token": "t", "expires_in": 600})(scope, receive, send)
        else:
            assert Request(scope).headers["authorization"] == "Bearer t"
            await pages(scope, receive, send)

    client = OAuth(client_id="id", client_secret=SecretStr("secret"))
    async with serve(app) as url, _source(url, api_key=None, oauth=client, page_size=2) as source:
        assert len(await source.snapshot(Known())) == 5

    assert len(fetched) == 1


async def test_witnesses_are_of_the_last_snapshot() -> None:
    """Whoever is asked about what is missing is asked for the first and the last token that was shown just now."""
    account = Account(set(moids(9)))
    missing = [f"x{i:03d}" for i in range(ONE_BY_ONE + 1)]
    async with serve(account) as url, _source(url) as source:
        await source.snapshot(Known())
        account.moids -= set(moids(2))
        await source.snapshot(Known())
        few = await source.look_up(missing[:2])
        many = await source.look_up(missing)

    assert account.asked_for[:2] == missing[:2]
    assert account.asked_for[2] in {"m0002", "m0008"}
    assert {(asked.named[0], asked.named[-1]) for asked in account.asked if asked.named} == {("m0002", "m0008")}
    assert {*map(type, few.values()), *map(type, many.values())} == {Gone}


async def test_an_empty_account_has_no_witnesses() -> None:
    """Where nothing is listed, the missing alone are asked for."""
    account = Account(set())
    async with serve(account) as url, _source(url) as source:
        await source.snapshot(Known())
        found = await source.look_up(moids(20))

    assert sorted(account.asked_for) == moids(20)
    assert set(map(type, found.values())) == {Gone}


# The simulator...


def _world(tokens: int) -> Life:
    return Life(lambda: NOW, rates=Rates(per_second=0), tokens=tokens)


def _credential(simulator: Simulator, kind: str) -> dict[str, Any]:
    keys = simulator.credentials
    pems = {
        "v2": (keys.rsa.id, keys.rsa.pem),
        "v3": (keys.ec.id, keys.ec.pem),
        "v3 as PKCS8": (keys.ec.id, keys.ec.pkcs8),
    }
    if kind == "oauth":
        client = OAuth(client_id=keys.client_id, client_secret=SecretStr(keys.client_secret))
        return {"api_key": None, "oauth": client}
    key_id, pem = pems[kind]
    return {"api_key": ApiKey(id=key_id, pem=SecretStr(pem))}


@pytest.mark.parametrize("credential", ["v2", "v3", "v3 as PKCS8", "oauth"])
async def test_the_simulator_and_the_source_understand_each_other(credential: str) -> None:
    """The simulator, which shares no code with this room, takes every credential, and both see the same account."""
    world = _world(25)
    simulator = Simulator(world)
    async with (
        serve(simulator.app) as url,
        _source(url, page_size=10, **_credential(simulator, credential)) as source,
    ):
        rights = await source.rights()
        begun = source.requests
        seen = await source.snapshot(Known())
        first = source.requests
        again = await source.snapshot(known_of(*seen.rows.values()))
        second = source.requests
        found = await source.look_up([min(seen.rows), MOID])

    assert rights.account_moid == seen.account_moid == world.account.moid
    assert ("Account Administrator" in rights.seen) is (credential == "oauth")
    assert (len(seen), seen.walk.paging, seen.walk.pages, seen.unknown) == (25, "keyset", 3, 0)
    assert (first - begun, second - first) == (4, 3)
    assert {moid: row.meaning for moid, row in again.rows.items()}.items() <= {
        moid: row.meaning for moid, row in seen.rows.items()
    }.items()
    assert [type(found[moid]) for moid in (min(seen.rows), MOID)] == [Sighting, Gone]


async def test_the_simulator_knows_who_did_it() -> None:
    """A token deleted by hand, a logout, and the users behind them, as the simulator's own records tell them."""
    world = _world(40)
    simulator = Simulator(world)
    user = max(world.users, key=lambda each: len(world.owned_by(each)))
    theirs = world.owned_by(user)
    removed = next(moid for moid in world.tokens if moid not in theirs)
    async with serve(simulator.app) as url, _source(url, **_credential(simulator, "v3")) as source:
        await source.snapshot(Known())
        world.remove(removed)
        world.logout(user)
        gone = [removed, *theirs, *(f"{n:024x}" for n in range(20))]
        found = await source.look_up([*gone, *world.moids])
        audit = await source.audit(gone, [user.moid], NOW - 1000, NOW + 1000)
        earlier = await source.audit(gone, [user.moid], NOW - 2000, NOW - 1000)
        people = await source.users([user.moid, world.admin.moid, MOID])

    assert {moid for moid, each in found.items() if isinstance(each, Gone)} == set(gone)
    assert {moid for moid, each in found.items() if isinstance(each, Sighting)} == set(world.moids)
    told = {(r.event, r.object_type, r.object_moid, r.user_moid, r.actor) for r in audit.records}
    assert told == {
        ("Deleted iam.OAuthToken", "iam.OAuthToken", removed, world.admin.moid, world.admin.email),
        ("Logout", "iam.User", user.moid, user.moid, user.email),
    }
    assert earlier == Audit((), readable=True)
    assert people == {each.moid: UserInfo(each.moid, each.name, each.email, each.email) for each in (user, world.admin)}


# Errors...


async def test_a_refused_oauth_client_proves_nothing() -> None:
    """A token endpoint that answers 404 and `NotFound` has not been asked for the token's Moid."""
    client = OAuth(client_id="id", client_secret=SecretStr("secret"))
    async with (
        serve(Script(fault(404, "NotFound"))) as url,
        _source(url, api_key=None, oauth=client) as source,
    ):
        found = (await source.look_up([MOID]))[MOID]

    assert isinstance(found, Unsure)
    assert "/iam/token" in found.why


def test_a_source_that_cannot_work_says_so_at_once(tmp_path: Path) -> None:
    """An unusable key, CA file or proxy is `Misconfigured` before any request, and names the source's own key."""
    (tmp_path / "bad.pem").write_text("no key")
    bad: dict[str, dict[str, Any]] = {
        r"sources\.prod-us\.api_key holds no PEM": {"api_key": ApiKey(id=KEY_ID, file=tmp_path / "bad.pem")},
        r"sources\.prod-us\.ca_file": {"ca_file": tmp_path / "bad.pem"},
        r"missing\.pem": {"api_key": ApiKey(id=KEY_ID, file=tmp_path / "missing.pem")},
    }
    for told, others in bad.items():
        with pytest.raises(Misconfigured, match=told):
            _source("https://intersight.com", **others)


async def test_a_clock_that_is_set_while_it_is_read_voids_what_is_read() -> None:
    """Stamps of two clocks prove nothing: the snapshot is rejected, a look-up unsure; the next ones are as ever."""
    utc, passed = NOW, 0
    app = Account(set(moids(5)))

    async def setting(scope: Any, receive: Any, send: Any) -> None:
        nonlocal utc
        await app(scope, receive, send)
        utc += step

    async with serve(setting) as url:
        step = 0
        source = IntersightSource(_settings(url), clock=lambda: utc, elapsed=lambda: passed, sleep=Naps())
        async with source:
            utc += 90_000  # between two polls it may be set
            before = await source.snapshot(Known())
            step = -3_600_000
            with pytest.raises(Rejected, match="was set by -") as caught:
                await source.snapshot(Known())
            unsure = await source.look_up([MOID])
            step = 0
            utc = NOW
            after = await source.snapshot(Known())
            gone = await source.look_up([MOID])

    assert (caught.value.reason, caught.value.walk.rows) == ("clock_set", 5)
    assert isinstance(unsure[MOID], Unsure)
    assert isinstance(gone[MOID], Gone)
    assert after.clock.lowest - before.clock.lowest == 90_000

"""Lies of what the server knows or lets one see: consistent answers that are not the truth."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from streamer.demo.credentials import Credentials
from streamer.serving import serve
from tests.demo.lies.liar import COUNTED, Liar, lying
from tests.demo.stage import START, TOKENS, Clock

ACCOUNTS, AUDIT, USERS = "/api/v1/iam/Accounts", "/api/v1/aaa/AuditRecords", "/api/v1/iam/Users"


async def _some_life(liar: Liar) -> tuple[str, str, str]:
    """At START + 10 s a token goes, one comes, one changes; it is 2 s later then. Their Moids."""
    gone, changed = liar.moids[3], liar.moids[4]
    liar.clock.now = START + 10_000
    liar.world.vanish(gone)
    come = liar.world.login(liar.world.users[0])
    liar.world.tag(changed, "owner", "soc")
    liar.clock.now = START + 12_000
    return gone, come, changed


@pytest.mark.parametrize(
    ("lag", "now"),
    [("lag=3s", False), ("lag=2s", True), ("lag=2001ms", False), ("lag=0", True)],
)
async def test_a_replica_that_is_behind(credentials: Credentials, clock: Clock, lag: str, now: bool) -> None:  # noqa: FBT001
    """List, Count, filter and look-up by Moid are all of the moment that the replica has come to."""
    async with lying(credentials, clock, lag, honest=False) as liar:
        before, moids = dict(liar.world.tokens), liar.moids
        gone, come, changed = await _some_life(liar)
        page = await liar.page()
        filtered = await liar.seen(filter=f"Moid in ('{gone}','{come}')")
        statuses = [await liar.by_moid(gone), await liar.by_moid(come)]
        shown = (await liar.client.get(f"{TOKENS}/{changed}")).json()

    then = {row["Moid"]: row for row in (liar.rows if now else [before[moid] for moid in moids])}
    assert {row["Moid"]: row for row in page["Results"]} == then
    assert page["Count"] == len(then) == 30
    assert (filtered, statuses) == (([come], [404, 200]) if now else ([gone], [200, 404]))
    assert shown == then[changed]
    assert liar.world.truth.entries[-1].moid == changed


async def test_the_list_alone_may_be_behind(credentials: Credentials, clock: Clock) -> None:
    """Tied to a kind of request, list, filter and look-up by Moid come from different replicas."""
    asked = []
    async with lying(credentials, clock, honest=False) as liar:
        gone, _, _ = await _some_life(liar)
        for kind in ("list", "filter", "moid"):
            liar.simulator.faults.clear()
            liar.arm(f"lag,on={kind}")
            listed, filtered = await liar.seen(), await liar.seen(filter=f"Moid eq '{gone}'")
            asked.append([gone in listed, gone in filtered, await liar.by_moid(gone) == 200])

    assert asked == [[True, False, False], [False, True, False], [False, False, True]]


async def test_several_replicas(credentials: Credentials, clock: Clock) -> None:
    """Of three replicas one is up to date, one half as far behind as the last; each request gets one by chance."""
    async with lying(credentials, clock, "lag=10s,replicas=3", honest=False) as liar:
        moids = liar.moids[:2]
        for seconds, moid in ((2, moids[0]), (4, moids[1])):
            liar.clock.now = START + 1000 * seconds
            liar.world.vanish(moid)
        liar.clock.now = START + 8000
        seen = [tuple(moid in page for moid in moids) for page in [await liar.seen() for _ in range(30)]]

    assert set(seen) == {(False, False), (False, True), (True, True)}


async def test_a_replica_for_each_connection(credentials: Credentials, clock: Clock) -> None:
    """`each=connection`: whoever keeps a connection keeps a replica; another connection may get another."""
    async with lying(credentials, clock, "lag=10s,replicas=2,each=connection", honest=False) as liar:
        moid = liar.moids[0]
        liar.clock.now = START + 5000
        liar.world.vanish(moid)
        seen = []
        for _ in range(12):
            async with httpx.AsyncClient(base_url=liar.client.base_url, auth=liar.client.auth) as client:
                pages = [(await client.get(TOKENS, params=COUNTED)).json()["Count"] for _ in range(3)]
                seen.append(set(pages))

    assert all(len(counts) == 1 for counts in seen)
    assert set.union(*seen) == {29, 30}


@pytest.mark.parametrize(
    ("fault", "by_moid", "hidden"),
    [
        ("hidden", 404, range(5, 26)),
        ("hidden,by_moid=403", 403, range(5, 26)),
        ("hidden,by_moid=visible", 200, range(5, 26)),
        ("hidden=0.1", 404, range(1, 10)),
        ("hidden=1", 404, [30]),
        ("hidden=1,by_moid=403,path=/api/v1/", 403, [30]),
        ("hidden=0", 404, [0]),
    ],
)
async def test_a_lost_privilege(credentials: Credentials, clock: Clock, fault: str, by_moid: int, hidden: Any) -> None:
    """A share of the tokens is not listed nor counted, always the same; by Moid they are 404, 403 or there."""
    async with lying(credentials, clock, fault) as liar:
        pages = [await liar.page() for _ in range(2)]
        seen = {row["Moid"] for row in pages[0]["Results"]}
        unseen = set(liar.moids) - seen
        filtered = await liar.seen(filter=f"Moid in ({','.join(repr(moid) for moid in liar.moids)})")
        statuses = {moid: await liar.by_moid(moid) for moid in liar.moids}
        users = await liar.status(f"{USERS}/{liar.world.users[0].moid}")

    assert pages[0] == pages[1]
    assert pages[0]["Count"] == len(seen) == 30 - len(unseen)
    assert len(unseen) in hidden
    assert filtered == sorted(seen)
    assert statuses == dict.fromkeys(seen, 200) | dict.fromkeys(unseen, by_moid)
    assert users == 200


async def test_a_privilege_comes_back(credentials: Credentials, clock: Clock) -> None:
    """Disarmed, everything is there again; armed anew, another share is hidden."""
    async with lying(credentials, clock, "hidden") as liar:
        first = await liar.seen()
        liar.simulator.faults.clear()
        between = await liar.seen()
        liar.arm("hidden")
        second = await liar.seen()

    assert between == liar.moids
    assert first != second


async def test_a_list_that_is_forbidden(credentials: Credentials, clock: Clock) -> None:
    """`status=403,on=list`: the list is forbidden, single objects are not."""
    async with lying(credentials, clock, f"status=403,on=list,path={TOKENS}") as liar:
        listed, alone = await liar.client.get(TOKENS), await liar.by_moid(liar.moids[0])

    assert (listed.status_code, listed.json()["code"], alone) == (403, "UnauthorizedOperation", 200)


async def test_another_account(credentials: Credentials, clock: Clock) -> None:
    """`account`: other tokens of another account, whose list of accounts agrees; ours are not found."""
    async with lying(credentials, clock, "account") as liar:
        page = await liar.page()
        (account,) = (await liar.client.get(ACCOUNTS)).json()["Results"]
        statuses = [await liar.by_moid(liar.moids[0]), await liar.by_moid(page["Results"][0]["Moid"])]

    moids = [row["Moid"] for row in page["Results"]]
    other = credentials.account.moid[::-1]
    assert page["Count"] == len(moids) == 30
    assert (moids, set(moids) & set(liar.moids)) == (sorted(moids), set())
    assert {(row["AccountMoid"], row["Owners"][0]) for row in page["Results"]} == {(other, other)}
    assert (account["Moid"], statuses) == (other, [404, 200])


async def test_some_rows_of_another_account(credentials: Credentials, clock: Clock) -> None:
    """A share of rows may be another's under their own Moids; then the list of accounts is ours."""
    async with lying(credentials, clock, "account=0.3,moids=same") as liar:
        page = await liar.page()
        (account,) = (await liar.client.get(ACCOUNTS)).json()["Results"]

    ours, other = credentials.account.moid, credentials.account.moid[::-1]
    accounts = [row["AccountMoid"] for row in page["Results"]]
    assert [row["Moid"] for row in page["Results"]] == liar.moids
    assert set(accounts) == {ours, other}
    assert 2 <= accounts.count(other) <= 18
    assert account["Moid"] == ours


@pytest.mark.parametrize(
    ("fault", "ours", "count"),
    [("accounts", True, 2), ("accounts=none", False, 0), ("accounts=other", False, 1)],
)
async def test_the_list_of_accounts(
    credentials: Credentials,
    clock: Clock,
    fault: str,
    ours: bool,  # noqa: FBT001
    count: int,
) -> None:
    """Another account is listed beside ours, or in its place, or none is; the tokens are ours."""
    async with lying(credentials, clock, fault) as liar:
        listed = (await liar.client.get(ACCOUNTS, params={"$inlinecount": "allpages"})).json()
        seen = await liar.seen()

    moids = {row["Moid"] for row in listed["Results"]}
    assert (credentials.account.moid in moids, listed["Count"], len(moids)) == (ours, count, count)
    assert seen == liar.moids


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("claims", {"roles": ["Read-Only"], "role_ids": ["5f3a1ca07564612d30c1ffff"]}),
        ("claims=A+B,role_ids=x", {"roles": ["A", "B"], "role_ids": ["x"]}),
        ("claims=,role_ids=,account=1234a", {"roles": [], "role_ids": [], "account_id": "1234a"}),
    ],
)
async def test_other_claims(credentials: Credentials, clock: Clock, fault: str, changed: dict[str, Any]) -> None:
    """A new access token claims other roles, and opens the API as ever; the next one is right again."""
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
    }
    async with (
        lying(credentials, clock, f"{fault},times=1") as liar,
        serve(liar.simulator.app) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        tokens = [(await client.post("/iam/token", data=form)).json()["access_token"] for _ in range(2)]
        opened = await client.get(TOKENS, headers={"authorization": f"Bearer {tokens[0]}"})

    lie, truth = map(_claims, tokens)
    assert set(truth) == {"account_id", "account_name", "domaingroup_id", "region", "role_ids", "roles"}
    assert truth["account_id"] == credentials.account.moid
    assert truth["roles"] == ["Account Administrator"]
    assert lie == truth | changed
    assert opened.status_code == 200


def _claims(token: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["intersight"]


async def test_late_audit_records(credentials: Credentials, clock: Clock) -> None:
    """`audit`: a record can be read so many seconds after it could be; or none may be read at all."""
    counts = []
    async with lying(credentials, clock, "audit=5s", honest=False) as liar:
        liar.world.remove(liar.moids[0])
        for seconds in (0, 4.999, 5):
            clock.now = START + round(1000 * seconds)
            counts.append(len((await liar.client.get(AUDIT)).json()["Results"]))
        liar.arm("audit,forbidden=true")
        refused, tokens = await liar.client.get(AUDIT), await liar.status(TOKENS)

    assert counts == [0, 0, 1]
    assert (refused.status_code, refused.json()["code"], tokens) == (403, "UnauthorizedOperation", 200)


@pytest.mark.parametrize("how", ["refused", "ignored", "ge"])
async def test_a_filter_that_is_not_understood(credentials: Credentials, clock: Clock, how: str) -> None:
    """`Moid gt` is refused, matches every Moid, or means `ge`; its Count is of what it is taken for."""
    async with lying(credentials, clock, f"keyset={how}") as liar:
        after = liar.moids[9]
        filtered = await liar.client.get(TOKENS, params={**COUNTED, "$filter": f"Moid gt '{after}'"})
        within = await liar.client.get(
            TOKENS, params={**COUNTED, "$filter": f"Moid gt '{after}' and Moid lt '{liar.moids[12]}'"}
        )
        others = [await liar.seen(filter=f"Moid eq '{after}'"), await liar.seen(skip=28), await liar.seen()]

    if how == "refused":
        assert [(r.status_code, r.json()["code"]) for r in (filtered, within)] == [(400, "InvalidRequest")] * 2
    else:
        first = 0 if how == "ignored" else 9
        assert [row["Moid"] for row in filtered.json()["Results"]] == liar.moids[first:]
        assert [row["Moid"] for row in within.json()["Results"]] == liar.moids[first:12]
        assert filtered.json()["Count"] == 30 - first
    assert others == [[after], liar.moids[28:], liar.moids]


@pytest.mark.parametrize("paging", ["skip", "keyset"])
@pytest.mark.parametrize(("where", "gone"), [("shown", range(10)), ("coming", range(10, 30)), ("any", range(30))])
async def test_acts_between_pages(credentials: Credentials, clock: Clock, paging: str, where: str, gone: range) -> None:
    """Before a later page is read, tokens go and come for good: of those shown, of those to come, or of any."""
    async with lying(credentials, clock, f"between=2,inserts=3,where={where},times=1", honest=False) as liar:
        before = liar.moids
        first = await liar.seen(top=10)
        entries = len(liar.world.truth)
        later = {"skip": 10} if paging == "skip" else {"filter": f"Moid gt '{first[-1]}'"}
        page = await liar.page(top=10, **later)
        news = liar.world.truth.entries[entries:]

    assert (first, entries) == (before[:10], 30)
    assert [entry.what for entry in news] == ["deleted"] * 2 + ["created"] * 3
    assert {entry.moid for entry in news[:2]} <= {before[n] for n in gone}
    due = liar.moids[10:20] if paging == "skip" else [moid for moid in liar.moids if moid > first[-1]][:10]
    assert [row["Moid"] for row in page["Results"]] == due


async def test_any_acts_between_pages(credentials: Credentials, clock: Clock) -> None:
    """Any acts can be had between two pages; what cannot be done is left out, and what is asked for is not refused."""
    async with lying(credentials, clock, honest=False) as liar:
        moid = liar.moids[5]
        acts = [{"act": "tag", "moid": moid, "key": "a", "value": "b"}, {"act": "vanish", "moid": "x"}]
        await liar.client.post(
            "/-/faults", json={"fault": "between", "deletes": 0, "inserts": 0, "acts": [*acts, {"act": "login"}]}
        )
        await liar.seen(skip=10)

    assert [entry.cause for entry in liar.world.truth.entries[30:]] == ["tag", "login"]


@pytest.mark.parametrize(
    ("options", "acts"),
    [
        ({}, 0),
        ({"skip": 0}, 0),
        ({"filter": "Moid gt ''"}, 0),
        ({"filter": "Moid eq 'x'"}, 0),
        ({"skip": 1}, 2),
        ({"filter": "Moid gt 'x'"}, 2),
    ],
)
async def test_nothing_happens_before_a_first_page(
    credentials: Credentials, clock: Clock, options: dict[str, Any], acts: int
) -> None:
    """A first page, a look-up and a page of something else are no place for acts."""
    async with lying(credentials, clock, "between", honest=False) as liar:
        await liar.seen(**options)
        await liar.by_moid(liar.moids[0])
        await liar.client.get(USERS, params={"$skip": 5})

    assert len(liar.world.truth) == 30 + acts


async def test_the_chance_of_acts_is_its_own(credentials: Credentials, clock: Clock) -> None:
    """Which token goes between two pages is the seed's choice, whatever else is armed."""
    gone = []
    for others in ((), ("slow:0.5", "unsorted:0.5")):
        async with lying(credentials, clock, "between,inserts=0", *others, honest=False) as liar:
            for _ in range(5):
                await liar.page(skip=10)
            gone.append([entry.moid for entry in liar.world.truth.entries[30:]])

    assert gone[0] == gone[1]
    assert len(set(gone[0])) == 5

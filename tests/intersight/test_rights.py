"""Whom the API takes us for: the account and what we may see of it, steady against single odd answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import Rejected
from streamer.intersight.oauth import ClientCredentials
from streamer.intersight.rights import AGREE, LONGEST, RightsReader
from streamer.serving import serve
from streamer.tokens import Rights
from tests.intersight.stage import ACCOUNT, KEY_ID, NOW, Script, client_of, fault, said

OTHER = "5f3a1c9e7564612d30c1a2ff"


def accounts(*moids: str, **others: Any) -> Response:
    """The answer of `iam/Accounts`."""
    rows = [{"ClassId": "iam.Account", "Moid": moid, "Name": "acme"} for moid in moids]
    return said(200, {"Count": len(rows), "ObjectType": "iam.Account.List", "Results": rows, **others})


async def _read(
    *answers: Any, key_id: str | None = KEY_ID, times: int = 1, known: str | None = None
) -> tuple[list[Rights], Script]:
    """So many readings of one process; it remembers `known` from an earlier one."""
    script = Script(*answers)
    async with serve(script) as url, client_of(url) as client:
        reader = RightsReader(client, key_id, None)
        return [await reader.read(known) for _ in range(times)], script


async def _unsteady(*answers: Any, known: str | None = None) -> Script:
    """A reading that comes to nothing, and what it asked."""
    script = Script(*answers)
    async with serve(script) as url, client_of(url) as client:
        with pytest.raises(Rejected) as caught:
            await RightsReader(client, KEY_ID, None).read(known)
    assert caught.value.reason == "rights_unsteady"
    return script


async def _usual() -> str:
    """What is remembered of an account that is as ever."""
    return (await _read(accounts(ACCOUNT)))[0][0].seen


async def test_the_listed_account_is_ours() -> None:
    """Its list, of Moids and names, tells the account; a new name of it is no other right, and costs one request."""
    (rights, again), script = await _read(*[accounts(ACCOUNT)] * AGREE, accounts(ACCOUNT, Future=1), times=2)

    assert rights == again
    assert (rights.account_moid, len(script.asked)) == (ACCOUNT, AGREE + 1)
    assert script.asked[0].url.path == "/api/v1/iam/Accounts"
    assert script.asked[0].query_params["$select"] == "Moid,Name"
    assert ACCOUNT in rights.seen


@pytest.mark.parametrize(
    ("listed", "key_id", "account"),
    [
        ([OTHER], KEY_ID, OTHER),
        ([OTHER, ACCOUNT], KEY_ID, ACCOUNT),
        ([OTHER, "x"], KEY_ID, ACCOUNT),
        ([], KEY_ID, ACCOUNT),
        ([OTHER, ACCOUNT], "no-account", None),
        ([OTHER, ACCOUNT], None, None),
        ([OTHER], None, OTHER),
        ([], None, None),
    ],
)
async def test_which_account_is_ours(listed: list[str], key_id: str | None, account: str | None) -> None:
    """The only one listed; else the one the key's id begins with; else nobody knows."""
    (rights,), _ = await _read(accounts(*listed), key_id=key_id)
    assert rights.account_moid == account


async def test_the_order_of_the_list_does_not_matter() -> None:
    """What may be seen is a set."""
    (one, other), _ = await _read(*[accounts(ACCOUNT, OTHER)] * AGREE, accounts(OTHER, ACCOUNT), times=2)
    assert one == other


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_role_that_may_not_list_accounts_is_a_right_too(status: int) -> None:
    """The API's own refusal is remembered as such, once it has said so three times; the key tells the account."""
    (rights, again), script = await _read(fault(status, "UnauthorizedOperation"), times=2)

    assert rights == again
    assert (rights.account_moid, len(script.asked)) == (ACCOUNT, AGREE + 1)
    assert rights.seen != (await _read(accounts(ACCOUNT)))[0][0].seen


ODD: dict[str, Response] = {
    "403": fault(403, "UnauthorizedOperation"),
    "403 of a gateway": said(403, b"<html>", content_type="text/html"),
    "404 of a gateway": said(404, b"<html>", content_type="text/html"),
    "no account": accounts(),
    "another account": accounts(OTHER),
    "one more": accounts(ACCOUNT, OTHER),
}


async def test_what_was_so_before_is_believed_at_once() -> None:
    """Also by the first reading of a process, which has it from the one before: one request."""
    (rights,), script = await _read(accounts(ACCOUNT), known=await _usual())

    assert (rights.account_moid, len(script.asked)) == (ACCOUNT, 1)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("times", [1, 2])
async def test_an_odd_answer_is_no_change_of_rights(name: str, times: int) -> None:
    """What is said once or twice and then no more is no answer, be it the first one of a process; the next is."""
    script = await _unsteady(*[ODD[name]] * times, accounts(ACCOUNT), known=await _usual())
    first = await _unsteady(*[ODD[name]] * times, accounts(ACCOUNT))

    assert len(script.asked) == len(first.asked) == times + 1


@pytest.mark.parametrize("name", ODD)
async def test_a_change_of_rights_is_believed_when_it_stays(name: str) -> None:
    """Three answers in a row are the new state of affairs; the next reading takes one request again."""
    (after, last), script = await _read(ODD[name], times=2, known=await _usual())

    assert after.seen != await _usual()
    assert after == last
    assert len(script.asked) == AGREE + 1


async def test_a_change_that_is_taken_back_is_believed_at_once() -> None:
    """What is remembered stays what it was, whatever was believed meanwhile."""
    (changed, back), script = await _read(*[accounts()] * AGREE, accounts(ACCOUNT), times=2, known=await _usual())

    assert (changed.seen != back.seen, back.seen) == (True, await _usual())
    assert len(script.asked) == AGREE + 1


async def test_an_api_that_never_says_the_same_is_no_answer() -> None:
    """Nothing is believed, and no more is asked than it takes to see that."""
    assert len((await _unsteady(*(accounts(ACCOUNT, f"x{i}") for i in range(9)))).asked) == 2


BAD: dict[str, tuple[Response, str]] = {
    "401": (fault(401, "AuthenticationFailure"), "unauthorized"),
    "503": (fault(503), "unavailable"),
    "HTML": (said(200, b"<html>"), "not_json"),
    "no Count": (accounts(ACCOUNT, Count=None), "count_mismatch"),
    "another Count": (accounts(ACCOUNT, Count=2), "count_mismatch"),
    "twice": (accounts(ACCOUNT, ACCOUNT), "duplicate_moid"),
    "no Moid": (accounts(""), "row_without_moid"),
    "a list of something else": (accounts(ACCOUNT, ObjectType="iam.User.List"), "not_a_list"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_failure_is_no_right(name: str) -> None:
    """Whatever else goes wrong says nothing about rights; the caller is told."""
    answer, reason = BAD[name]
    with pytest.raises(Rejected) as caught:
        await _read(answer)
    assert caught.value.reason == reason


# As an OAuth client...


def jwt(**claims: Any) -> str:
    """An access token with these claims, signed by nobody."""
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + ".c2ln"


async def _as_client(*tokens: str, listed: Response | None = None) -> list[Rights]:
    """What each of these access tokens tells, one after the other ran out; what one says, the first answer says."""
    granted = iter(tokens)
    answer = listed or accounts(ACCOUNT, OTHER)

    def app(request: Request) -> Response:
        if request.url.path == "/iam/token":
            return said(200, {"access_token": next(granted), "expires_in": 600})
        return answer

    read = []
    now = [NOW]
    async with serve(Script(app)) as url:
        credential = ClientCredentials(url, "id", lambda: "secret", clock=lambda: now[0])
        async with client_of(url, credential) as client:
            reader = RightsReader(client, None, credential)
            for _ in tokens:
                read.append(await reader.read())
                now[0] += 600_000
    return read


CLAIMS = {"account_id": ACCOUNT, "roles": ["Read-Only", "Audit"], "role_ids": ["r2", "r1"], "region": "us-east-1"}


async def test_claims_tell_the_account_and_the_roles() -> None:
    """Of several accounts the claim `account_id` names ours; a new token of the same rights is no change."""
    again = CLAIMS | {"roles": ["Audit", "Read-Only"], "account_name": "renamed"}
    one, other = await _as_client(jwt(intersight=CLAIMS, jti="1", exp=1), jwt(intersight=again, jti="2", exp=2))

    assert one == other
    assert one.account_moid == ACCOUNT
    assert "Read-Only" in one.seen


async def test_one_odd_token_is_no_change_of_rights() -> None:
    """Each answer that is asked for again comes under a new access token, as one says the same as long as it lives."""
    (usual,) = await _as_client(jwt(intersight=CLAIMS))
    odd, right = jwt(intersight=CLAIMS | {"roles": []}), jwt(intersight=CLAIMS)

    assert await _granted(usual.seen, odd, right) == (2, ["rights_unsteady", usual])
    assert await _granted(usual.seen, odd, odd, right) == (3, ["rights_unsteady", usual])
    number, (changed, again) = await _granted(usual.seen, odd, odd, odd)
    assert (number, changed) == (3, again)
    assert changed != usual


async def _granted(known: str, *tokens: str) -> tuple[int, list[Any]]:
    """How many of these access tokens two readings took, and what each told."""
    granted = list(tokens)

    def app(request: Request) -> Response:
        if request.url.path == "/iam/token":
            return said(200, {"access_token": granted.pop(0), "expires_in": 600})
        return accounts(ACCOUNT, OTHER)

    read: list[Any] = []
    async with serve(Script(app)) as url:
        credential = ClientCredentials(url, "id", lambda: "secret", clock=lambda: NOW)
        async with client_of(url, credential) as client:
            reader = RightsReader(client, None, credential)
            for _ in range(2):
                try:
                    read.append(await reader.read(known))
                except Rejected as rejected:
                    read.append(rejected.reason)
    return len(tokens) - len(granted), read


async def test_claims_may_stand_flat() -> None:
    """`intersight.roles` as one name says the same as `roles` within `intersight`."""
    flat = {f"intersight.{name}": value for name, value in CLAIMS.items()}
    assert await _as_client(jwt(**flat)) == await _as_client(jwt(intersight=CLAIMS))


@pytest.mark.parametrize("changed", [{"roles": ["Audit"]}, {"role_ids": ["r1"]}, {"account_id": OTHER}, {"scope": "x"}])
async def test_another_role_is_another_right(changed: dict[str, Any]) -> None:
    """Any claim that speaks of rights makes a difference."""
    one, other = await _as_client(jwt(intersight=CLAIMS), jwt(intersight=CLAIMS | changed))
    assert one.seen != other.seen


@pytest.mark.parametrize(
    "token", ["opaque", "a.b", "a.!!!.c", "a.bnVsbA.c", "a.W10.c", jwt(intersight=[1]), jwt(sub=1)]
)
async def test_a_token_that_says_nothing_is_no_error(token: str) -> None:
    """An access token that is no JWT, or has other claims, leaves what the list says."""
    (rights,) = await _as_client(token, listed=accounts(ACCOUNT))
    assert rights.account_moid == ACCOUNT


async def test_what_is_remembered_is_bounded() -> None:
    """Of very many roles a digest is remembered, which differs when they do."""
    many = CLAIMS | {"roles": [f"role {i}" for i in range(2000)]}
    one, other = await _as_client(jwt(intersight=many), jwt(intersight=many | {"region": "eu"}))

    assert len(one.seen) <= LONGEST
    assert one.seen != other.seen

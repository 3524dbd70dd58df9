"""Look-ups: only the API's own word that a token is gone is the proof of it; every fault is `Unsure`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from streamer.intersight.client import Client
from streamer.intersight.lists import AT_ONCE
from streamer.intersight.lookup import ONE_BY_ONE, look_up
from streamer.serving import serve
from streamer.tokens import Finding, Gone, Sighting, Unsure
from tests.intersight.account import Account, Asked, Shown, moids
from tests.intersight.stage import NOW, Script, client_of, fault, listed, row, said

MOID = "6b00014d7564613301d4f7aa"
ROW = row(MOID, ClientName="portal")
MANY = moids(12)
WITNESSES = ("a0000", "z0000")


@asynccontextmanager
async def _client(app: Any) -> AsyncIterator[Client]:
    async with serve(app) as url, client_of(url) as client:
        yield client


async def _found(app: Any, asked: Collection[str], witnesses: tuple[str, ...] = ()) -> Mapping[str, Finding]:
    async with _client(app) as client:
        return await look_up(client, asked, witnesses)


# One by one...


async def test_a_present_token_is_a_sighting() -> None:
    """A 200 with the Moid asked for is the token, as a list would have shown it."""
    script = Script(said(200, ROW, X_Starship_Traceid="t1"))
    found = (await _found(script, [MOID]))[MOID]

    assert isinstance(found, Sighting)
    assert (found.token.moid, found.token.client_name) == (MOID, "portal")
    assert (found.arrived_at, found.trace_id) == (NOW, "t1")
    assert (script.asked[0].url.path, script.asked[0].url.query) == (f"/api/v1/iam/OAuthTokens/{MOID}", "")


async def test_the_api_s_own_not_found_is_gone() -> None:
    """A 404 by Moid with the API's code `NotFound` is the proof of absence, at the moment it arrived."""
    assert await _found(Script(fault(404, "NotFound")), [MOID]) == {MOID: Gone(MOID, NOW, "lookup", "NB01")}


PROOF_OF_NOTHING: dict[str, tuple[Response, str]] = {
    "404 of a gateway": (said(404, b"<html>Not Found</html>", content_type="text/html"), "http_404"),
    "404 without a body": (said(404), "http_404"),
    "404 cut": (said(404, b'{"code": "NotFound", "message'), "http_404"),
    "404 with another code": (fault(404, "InvalidUrl"), "http_404"),
    "404 with a code that is no text": (said(404, {"code": ["NotFound"]}), "http_404"),
    "404 of a token endpoint": (said(404, {"error": "NotFound"}), "http_404"),
    "404 in an array": (said(404, b'[{"code": "NotFound"}]'), "http_404"),
    "400 with NotFound": (fault(400, "NotFound"), "http_400"),
    "401": (fault(401, "AuthenticationFailure"), "unauthorized"),
    "403": (fault(403, "NotFound"), "forbidden"),
    "410": (fault(410, "NotFound"), "http_410"),
    "429": (fault(429, "NotFound"), "throttled"),
    "503": (fault(503, "NotFound"), "unavailable"),
    "302": (said(302, Location="/"), "http_302"),
    "200 with NotFound": (fault(200, "NotFound"), "row_without_moid"),
    "another object": (said(200, row("6b00014d7564613301d4f7ab")), "wrong_moid"),
    "null": (said(200, b"null"), "row_without_moid"),
    "a list": (said(200, [ROW]), "row_without_moid"),
    "nothing": (said(200, b""), "not_json"),
    "HTML": (said(200, b"<html>", content_type="text/html"), "not_json"),
}


@pytest.mark.parametrize("name", PROOF_OF_NOTHING)
async def test_anything_else_proves_nothing(name: str) -> None:
    """Every other answer, however much it looks like an absence, is `Unsure` and says why; two tries at most."""
    answer, why = PROOF_OF_NOTHING[name]
    script = Script(answer)
    found = (await _found(script, [MOID]))[MOID]

    assert isinstance(found, Unsure)
    assert (found.moid, found.why.split(":")[0]) == (MOID, why)
    assert len(script.asked) <= 2


async def test_no_answer_proves_nothing() -> None:
    """A host that is not there is `Unsure`, not gone."""
    async with serve(Script(said(200))) as url:
        pass
    async with client_of(url) as client:
        found = (await look_up(client, [MOID]))[MOID]

    assert isinstance(found, Unsure)
    assert found.why.startswith("unavailable: ")


async def test_few_are_asked_for_one_by_one_beside_each_other() -> None:
    """Eight look-ups at once are answered each with its own, whatever becomes of the others."""

    def answer(request: Request) -> Response:
        moid = request.url.path.rsplit("/", 1)[1]
        return {"m3": fault(404, "NotFound"), "m4": fault(403)}.get(moid, said(200, row(moid)))

    asked = [f"m{i}" for i in range(ONE_BY_ONE)]
    found = await _found(Script(answer), asked)

    assert sorted(found) == asked
    assert {moid for moid, each in found.items() if isinstance(each, Sighting) and each.token.moid == moid} == {
        *asked
    } - {"m3", "m4"}
    assert isinstance(found["m3"], Gone)
    assert isinstance(found["m4"], Unsure)


async def test_nothing_is_asked_for_nobody() -> None:
    """Without Moids there is no request."""
    script = Script(fault(500))
    assert (await _found(script, []), script.asked) == ({}, [])


# Many...


async def test_many_are_asked_for_by_name() -> None:
    """More than eight make one list by name: who is in it is seen, who is not is gone, by way of the filter."""
    account = Account({*MANY[:3], *WITNESSES, "other"})
    found = await _found(account, MANY, WITNESSES)
    (asked,) = account.asked

    assert sorted(found) == MANY
    assert [moid for moid in MANY if isinstance(found[moid], Sighting)] == MANY[:3]
    assert [found[moid] for moid in MANY[3:]] == [Gone(moid, NOW, "filter") for moid in MANY[3:]]
    assert asked.named == (WITNESSES[0], *MANY, WITNESSES[1])
    assert (asked.top, asked.skip, asked.query[-1]) == (14, 0, ("$inlinecount", "allpages"))


async def test_very_many_are_asked_for_in_batches() -> None:
    """No list names over a hundred, each names the witnesses first and last, and each Moid stands in one of them."""
    asked_for = moids(450)
    account = Account({*asked_for[::2], *WITNESSES})
    found = await _found(account, asked_for, WITNESSES)

    assert [moid for moid in asked_for if isinstance(found[moid], Sighting)] == asked_for[::2]
    assert [moid for moid in asked_for if isinstance(found[moid], Gone)] == asked_for[1::2]
    named = [asked.named or () for asked in account.asked]
    assert sorted(moid for each in named for moid in each[1:-1]) == asked_for
    assert {(each[0], each[-1]) for each in named} == {WITNESSES}
    assert max(map(len, named)) == AT_ONCE


async def test_long_moids_make_small_batches() -> None:
    """The longest Moids there can be still make URLs that a gateway takes."""
    asked_for = [f"{i:0128d}" for i in range(120)]
    script = Script(said(200, listed([])))
    found = await _found(script, asked_for)

    assert all(isinstance(each, Gone) for each in found.values())
    assert len(found) == 120
    assert max(len(asked.scope["query_string"]) for asked in script.asked) < 6000


async def test_a_witness_that_is_asked_for_is_none() -> None:
    """A token that is missing itself cannot witness anything."""
    account = Account({"z0000"})
    found = await _found(account, [*MANY, "a0000"], WITNESSES)

    assert isinstance(found["a0000"], Gone)


LIES: dict[str, tuple[Any, str]] = {
    "a row twice": (lambda s: Shown([*s.moids, s.moids[1]], 5), "duplicate_moid"),
    "Count too large": (lambda s: Shown(s.moids, 6), "count_mismatch"),
    "Count too small": (lambda s: Shown(s.moids, 4), "count_mismatch"),
    "Count missing": (lambda s: Shown(s.moids, None), "count_mismatch"),
    "short": (lambda s: Shown(s.moids[:3], s.count), "count_mismatch"),
    "empty": (lambda _: Shown([], 0), "wrong_moid"),
    "empty with a Count": (lambda s: Shown([], s.count), "count_mismatch"),
    "filter ignored": (lambda _: Shown(["other"], 1), "wrong_moid"),
    "a stranger among them": (lambda s: Shown([*s.moids, "other"], 6), "wrong_moid"),
    "only the first half": (lambda s: Shown(s.moids[:2], 2), "wrong_moid"),
    "only the second half": (lambda s: Shown(s.moids[2:], 3), "wrong_moid"),
    "400": (lambda _: fault(400), "http_400"),
    "403": (lambda _: fault(403), "forbidden"),
    "404": (lambda _: fault(404, "NotFound"), "http_404"),
    "503": (lambda _: fault(503), "unavailable"),
    "HTML": (lambda _: said(200, b"<html>"), "not_json"),
    "an object": (lambda _: said(200, ROW), "not_a_list"),
    "a row without a Moid": (lambda _: said(200, listed([{}])), "row_without_moid"),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_list_that_is_not_proven_proves_nothing(name: str) -> None:
    """With any fault in the answer, all that were named are unsure, the shown ones too, and it says why."""
    lie, why = LIES[name]
    account = Account({*MANY[:3], *WITNESSES}, spoil=lambda _, shown: lie(shown))
    found = await _found(account, MANY, WITNESSES)

    assert sorted(found) == MANY
    assert {str(getattr(each, "why", each)).split(":")[0] for each in found.values()} == {why}
    assert len(account.asked) <= 2


async def test_a_batch_that_fails_fails_alone() -> None:
    """The others' answers stand."""

    def spoil(asked: Asked, shown: Shown) -> Response | Shown:
        return fault(400) if "m0000" in (asked.named or ()) else shown

    found = await _found(Account(set(WITNESSES), spoil=spoil), moids(150), WITNESSES)

    assert sum(isinstance(each, Unsure) for each in found.values()) == AT_ONCE - 2
    assert sum(isinstance(each, Gone) for each in found.values()) == 150 - AT_ONCE + 2


async def test_a_look_up_and_a_list_agree() -> None:
    """The same row found by Moid and by name has one meaning, and one raw digest where its bytes are the same."""
    one = await _found(Script(said(200, json.dumps(row(MANY[0])).encode() + b"\n")), [MANY[0]])
    many = await _found(Account({MANY[0]}), MANY)

    assert one[MANY[0]] == many[MANY[0]]

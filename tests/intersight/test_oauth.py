"""One access token, fetched once, renewed before it ends and once when it is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import ApiError, Rejected
from streamer.intersight.client import Client
from streamer.intersight.oauth import ClientCredentials
from streamer.serving import serve
from tests.intersight.stage import NOW, Naps, Script, client_of, fault, listed, said

GRANTED = {"access_token": "t1", "expires_in": 600, "token_type": "Bearer"}


class Account(Script):
    """A token endpoint that grants t1, t2, ... and an API that takes the tokens in `valid`."""

    def __init__(self, *grants: Response) -> None:
        super().__init__(self._answer)
        self.grants = list(grants)
        self.fetched = 0
        self.valid: set[str] | None = None

    def _answer(self, request: Request) -> Response:
        if request.url.path == "/iam/token":
            self.fetched += 1
            return self.grants.pop(0) if self.grants else said(200, {**GRANTED, "access_token": f"t{self.fetched}"})
        token = request.headers["authorization"].removeprefix("Bearer ")
        return said(200, listed([])) if self.valid is None or token in self.valid else fault(401)

    @property
    def used(self) -> list[str]:
        """The tokens that API requests carried."""
        return [
            r.headers["authorization"].removeprefix("Bearer ") for r in self.asked if r.url.path.startswith("/api/v1/")
        ]


async def _get(client: Client) -> int:
    return (await client.get("iam/OAuthTokens", ())).status


def _credentials(url: str, clock: Callable[[], int] = lambda: NOW) -> ClientCredentials:
    return ClientCredentials(url, "the-client", lambda: "s3cret&+", clock=clock)


async def test_asks_for_a_token_by_the_form() -> None:
    """Id and secret go into the form of `POST <url>/iam/token`, outside the API's path, and nowhere else."""
    account = Account()
    async with serve(account) as url, client_of(url, _credentials(url + "/")) as client:
        assert await _get(client) == 200

    asked, body = account.asked[0], account.bodies[0]
    assert (asked.method, asked.url.path) == ("POST", "/iam/token")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in asked.headers
    assert body == b"grant_type=client_credentials&client_id=the-client&client_secret=s3cret%26%2B"
    assert "s3cret" not in str(account.asked[1].url) + str(account.asked[1].headers)


async def test_many_requests_at_once_share_one_token() -> None:
    """Requests that start together wait for one token and use it."""
    account = Account()
    async with serve(account) as url, client_of(url, _credentials(url)) as client:
        assert await asyncio.gather(*(_get(client) for _ in range(10))) == [200] * 10

    assert (account.fetched, set(account.used)) == (1, {"t1"})


@pytest.mark.parametrize(("lifetime", "kept_ms"), [(600, 540_000), (31_536_000, 31_535_940_000), (10, 9_000)])
async def test_renews_before_the_end(lifetime: int, kept_ms: int) -> None:
    """A token is used for as long as `expires_in` says less a tenth, at most a minute, and not a moment longer."""
    account = Account(said(200, {**GRANTED, "expires_in": lifetime}))
    now = NOW
    async with serve(account) as url, client_of(url, _credentials(url, lambda: now)) as client:
        for later in (0, kept_ms - 1, kept_ms):
            now = NOW + later
            assert await _get(client) == 200

    assert account.used == ["t1", "t1", "t2"]


async def test_a_token_without_a_known_end_is_used_until_it_is_refused() -> None:
    """Where `expires_in` is missing there is nothing to renew before."""
    account = Account(said(200, {"access_token": "t1"}))
    now = NOW
    async with serve(account) as url, client_of(url, _credentials(url, lambda: now)) as client:
        for later in (0, 10**12):
            now = NOW + later
            assert await _get(client) == 200

    assert account.fetched == 1


async def test_a_refused_token_is_renewed_once() -> None:
    """A 401 fetches one new token and asks again; a second 401 is the answer."""
    account = Account()
    account.valid = {"t2"}
    async with serve(account) as url, client_of(url, _credentials(url)) as client:
        assert await _get(client) == 200
        assert account.used == ["t1", "t2"]

        account.valid = set()
        assert await _get(client) == 401
        assert account.used == ["t1", "t2", "t2", "t3"]


async def test_requests_refused_together_renew_once() -> None:
    """When a token dies under ten requests, one of them fetches the next and all use it."""
    account = Account()
    async with serve(account) as url, client_of(url, _credentials(url)) as client:
        await _get(client)
        account.valid = {"t2"}
        assert await asyncio.gather(*(_get(client) for _ in range(10))) == [200] * 10

    assert account.fetched == 2


async def test_a_busy_token_endpoint_is_asked_again() -> None:
    """429 and 5xx of the token endpoint are retried like the API's own, after the time they ask for."""
    account, naps = Account(said(503), said(429, Retry_After="7")), Naps()
    async with serve(account) as url, client_of(url, _credentials(url), sleep=naps) as client:
        assert await _get(client) == 200

    assert (account.fetched, naps.taken) == (3, [1.0, 7.0])


REFUSED: dict[str, Any] = {"error": "invalid_client", "error_description": "Client authentication failed"}
BAD_GRANTS: dict[str, tuple[Response, str, str]] = {
    "401": (said(401, REFUSED), "unauthorized", "invalid_client, Client authentication failed"),
    "400": (said(400, REFUSED), "unauthorized", "invalid_client, Client authentication failed"),
    "403 of a gateway": (said(403, b"<html>", content_type="text/html"), "forbidden", "6 bytes"),
    "404": (fault(404, "NotFound"), "http_404", "NotFound"),
    "redirect": (said(302, Location="https://elsewhere/login"), "http_302", "302"),
    "HTML": (said(200, b"<html>log in</html>"), "not_json", "without a token"),
    "no token": (said(200, {"expires_in": 600}), "not_json", "access_token"),
    "token of the wrong type": (said(200, {"access_token": 7}), "not_json", "access_token"),
    "token that breaks the header": (said(200, {"access_token": "a\r\nb: c"}), "unauthorized", "no bearer token"),
    "other kind of token": (said(200, {**GRANTED, "token_type": "mac"}), "unauthorized", "no bearer token"),
    "endless": (said(200, b" " * 100_000 + json.dumps(GRANTED).encode()), "too_large", "65536"),
}


@pytest.mark.parametrize("name", BAD_GRANTS)
async def test_a_refusal_of_the_token_endpoint_is_named(name: str) -> None:
    """What the token endpoint says reaches the error, once, without the secret; the API is not asked at all."""
    answer, reason, told = BAD_GRANTS[name]
    account, naps = Account(answer), Naps()
    async with serve(account) as url, client_of(url, _credentials(url), sleep=naps) as client:
        with pytest.raises(Rejected, match=told) as caught:
            await _get(client)

    assert caught.value.reason == reason
    assert "s3cret" not in str(caught.value)
    assert (len(account.asked), naps.taken) == (1, [])


async def test_a_404_of_the_token_endpoint_is_never_an_answer() -> None:
    """The token endpoint's `NotFound` is an error of the poll: taken for the API's, it would prove a deletion."""
    account = Account(fault(404, "NotFound"))
    async with serve(account) as url, client_of(url, _credentials(url)) as client:
        with pytest.raises(ApiError, match=r"POST .*/iam/token answered 404"):
            await client.get("iam/OAuthTokens/6b00014d7564613301d4f7aa", ())

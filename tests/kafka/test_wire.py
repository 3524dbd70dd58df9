"""Every wrong way to reach Kafka ends soon, in one error that names the cause and the key to look at.

The library raises the same for all of them; what it only logs is told by our error, and by nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from streamer.errors import Unready
from streamer.kafka.bearer import Bearer
from streamer.kafka.connection import Connection
from streamer.log import Calm
from streamer.serving import serve
from tests.kafka.conftest import USERS
from tests.kafka.granted import Deployment, status
from tests.kafka.test_connection import _jwt, brokers, connection, file
from tests.process import Process
from tests.services.kafka import Broker
from tests.services.tls import self_signed

CLOSED = "closed the connection without a word"
LIMIT_S = 30.0
Keys = dict[str, Any]


def login(folder: Path, **keys: Any) -> Keys:
    """User and right password, unless `keys` say otherwise."""
    word = file(folder / "word", USERS["admin"])
    known = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "admin", "sasl_password_file": word}
    return {"security_protocol": "SASL_PLAINTEXT", **known, **keys}


async def refused(address: str, **keys: Any) -> Unready:
    """The error that a client gets which goes there like this."""
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(Unready, match=f"^Kafka at {address}: cannot say who it is: ") as told:
            await brokers(connection(address, **keys))
    assert "not-the-word" not in f"{told.value} {told.value.hint}"
    return told.value


WRONG: dict[str, tuple[str, Callable[[Path, Path], Keys], str, str]] = {  # listener, keys, cause, hint
    "an authority that did not sign": (
        "SSL",
        lambda folder, _: {"security_protocol": "SSL", "ssl_ca_file": file(folder / "ca", self_signed("127.0.0.1"))},
        "CERTIFICATE_VERIFY_FAILED",
        "kafka.ssl_ca_file must hold",
    ),
    "the system's authorities": (
        "SASL_SSL",
        lambda folder, _: login(folder, security_protocol="SASL_SSL"),
        "CERTIFICATE_VERIFY_FAILED",
        "kafka.ssl_ca_file must hold",
    ),
    "no certificate of ours": (
        "SSL",
        lambda _, ca: {"security_protocol": "SSL", "ssl_ca_file": ca},
        CLOSED,
        "want a certificate that it trusts: check kafka.security_protocol, kafka.ssl_cert_file",
    ),
    "a wrong password": (
        "SASL_PLAINTEXT",
        lambda folder, _: login(folder, sasl_password_file=file(folder / "no", "not-the-word")),
        "SaslAuthenticationFailed",
        "refuses these credentials",
    ),
    "a wrong password in the clear": (
        "SASL_PLAINTEXT",
        lambda folder, _: login(folder, sasl_mechanism="PLAIN", sasl_password_file=file(folder / "no", "not-the-word")),
        "SaslAuthenticationFailed",
        "refuses these credentials",
    ),
    "a mechanism that is not there": (
        "SASL_SSL",
        lambda folder, ca: login(folder, security_protocol="SASL_SSL", ssl_ca_file=ca, sasl_mechanism="PLAIN"),
        "UnsupportedSaslMechanism",
        "does not have kafka.sasl_mechanism",
    ),
    "TLS where there is none": (
        "PLAINTEXT",
        lambda _, ca: {"security_protocol": "SSL", "ssl_ca_file": ca},
        CLOSED,
        "this listener may have no TLS",
    ),
    "no TLS where it is wanted": ("SSL", lambda _, __: {}, CLOSED, "this listener may want TLS"),
    "a login without the TLS around it": (
        "SASL_SSL",
        lambda folder, _: login(folder),
        CLOSED,
        "this listener may want TLS",
    ),
    "a login where none is asked for": (
        "PLAINTEXT",
        lambda folder, _: login(folder),
        "IllegalSaslState",
        "asks for no login",
    ),
    "no login where one is asked for": ("SASL_PLAINTEXT", lambda _, __: {}, CLOSED, "this listener wants a login"),
    "no login where one is asked for over TLS": (
        "SASL_SSL",
        lambda _, ca: {"security_protocol": "SSL", "ssl_ca_file": ca},
        CLOSED,
        "this listener wants a login",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_told(guarded: Broker, tmp_path: Path, what: str) -> None:
    """The cause stands in the error, the key to look at in its hint."""
    listener, keys, cause, hint = WRONG[what]

    told = await refused(guarded.at(listener), **keys(tmp_path, guarded.ca_file))

    assert cause in str(told)
    assert hint in told.hint


@pytest.mark.parametrize(
    ("host", "days", "cause", "hint"),
    [
        ("127.0.0.1", -1, "certificate has expired", "must be renewed"),
        ("127.9.9.9", 1, "certificate is not valid for '127.0.0.1'", "must say a name that stands in the certificate"),
    ],
)
async def test_a_certificate_that_is_wrong(tmp_path: Path, host: str, days: int, cause: str, hint: str) -> None:
    """One that has expired and one of another host are told apart from one that nobody signed."""
    pem = file(tmp_path / "pem", self_signed(host, until_days=days))
    async with tls(pem) as address:
        told = await refused(address, security_protocol="SSL", ssl_ca_file=pem)

    assert cause in str(told)
    assert hint in told.hint


@asynccontextmanager
async def tls(pem: Path) -> AsyncIterator[str]:
    """A server of that certificate that has nothing to say; `host:port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


# The token server...


ANSWERS: dict[str, tuple[Response, str]] = {
    "refuses us": (JSONResponse({"error": "invalid_client"}, 401), "HTTP Error 401"),
    "is a web page": (HTMLResponse("<html>sign in</html>"), "the reply is no OAuth token response"),
    "sends us on": (RedirectResponse("http://127.0.0.1:1/token", 307), "HTTP Error 307"),
    "grants what cannot be sent": (JSONResponse({"access_token": "a\nb"}), "the reply is no OAuth token response"),
    "is broken": (Response("x", headers={"content-length": "9"}), "no token from"),
}


@pytest.mark.parametrize("what", [*ANSWERS, "is down"])
async def test_a_token_server_that_gives_none(guarded: Broker, tmp_path: Path, what: str) -> None:
    """What it answered is the reason why Kafka cannot be used; the client's secret goes nowhere else."""
    async with AsyncExitStack() as opened:
        url, cause = "http://127.0.0.1:1/token", "Connection refused"
        if what in ANSWERS:
            answer, cause = ANSWERS[what]
            app = Starlette(routes=[Route("/token", lambda _: answer, methods=["POST"])])
            url = f"{await opened.enter_async_context(serve(app))}/token"
        told = await refused(guarded.at("SASL_PLAINTEXT"), **bearing(tmp_path, url))

    assert f"no token from {url}" in str(told)
    assert cause in str(told)
    assert "check kafka.sasl_oauth_token_url" in told.hint


def bearing(folder: Path, url: str) -> Keys:
    """A login by bearer token."""
    keys = {"sasl_oauth_client_id": "me", "sasl_oauth_client_secret_file": file(folder / "secret", "not-the-word")}
    known = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_url": url}
    return known | keys


async def test_a_token_names_who_we_are() -> None:
    """Kafka takes the subject of the token for our name, so an error about rights does too; else the client's id."""
    app = Starlette(routes=[Route("/t", lambda _: JSONResponse({"access_token": _jwt("erin")}), methods=["POST"])])
    async with serve(app) as url:
        bearer = Bearer(url=f"{url}/t", client_id="me", client_secret=lambda: "secret")
        before = bearer.subject
        await bearer.token()

    assert (before, bearer.subject) == ("me", "erin")


# What a person sees...


@pytest.mark.parametrize("level", ["info", "error"])
async def test_one_error_is_all_that_is_seen(guarded: Broker, tmp_path: Path, level: str) -> None:
    """A command that cannot log in says so in one line and a hint, whatever the level of the log; then it ends."""
    environ = Deployment(guarded, "P").environ() | {"STREAMER_KAFKA__SASL_PASSWORD": "not-the-word"}
    process = Process("follow", folder=tmp_path, environ=environ | {"STREAMER_LOG__LEVEL": level})
    await process.start()

    assert await status(process) == 1
    error, hint = (line for line in process.said().splitlines() if "ordered by source" not in line)
    assert error.startswith(f"streamer: Kafka at {guarded.at('SASL_PLAINTEXT')}: cannot ")
    assert "SaslAuthenticationFailed" in error
    assert hint == "  hint: the broker refuses these credentials: check the kafka.sasl_* keys and their files"


async def test_what_went_well_in_the_end_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A warning that no error of ours tells is not lost, and is told when it is known that there is no error."""
    way, library = connection("unused:1"), logging.getLogger("aiokafka.conn")
    shown = caplog.handler
    shown.addFilter(Calm())

    with way.reaching("try"):
        library.warning("the first of two brokers is away")
        before = list(caplog.messages)
    with pytest.raises(Unready, match="cannot try: the second, too"):
        fails(way, library)
    shown.filters.clear()

    assert (before, caplog.messages) == ([], ["the first of two brokers is away"])


def fails(way: Connection, library: logging.Logger) -> None:
    """As the client does: it logs why, and raises nothing of it."""
    with way.reaching("try"):
        library.warning("the second, too")
        raise KafkaConnectionError

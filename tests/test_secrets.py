"""No secret is ever told: one scan over all that the real service and commands say, show, print and publish."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from streamer.config import load, reference
from streamer.demo.credentials import Credentials
from tests.conftest import OwnedBroker
from tests.installation import ACCEPTED, Around, Installation, installed
from tests.process import LIMIT_S, Process
from tests.services import reader
from tests.telling import ACCOUNT, DECODERS, KAFKA, READERS, WELL, Mistake, told

USER = "streamer"
SASL, REGISTRY = "Sasl+7/pl4nted%secret", "R3gistry/pl4nted+secret"
OTHER = "An0ther/pl4nted+secret"  # wrong, and no less somebody's
LONG = 32  # letters of a PEM's line that are secret by themselves
RELAY = ("relay", "--format", "json")
SIMULATE = ("simulate", "--port", "0", "--key-dir", "simulated")  # makes its own keys, and names their files
LOOKED_AWAY = "sources (registry)"  # says what it does not know, and shows the rest
SOURCES = ("prod", "second", "third")
PATHS = ("/", "/metrics", "/sources", "/readyz", "/healthz", "/nowhere")


def needles(*secrets: str) -> dict[bytes, str]:
    """Every form in which a secret might slip out, with the secret it is of."""
    found: dict[bytes, str] = {}
    for secret in secrets:
        forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        forms |= {base64.b64encode(text.encode()).decode() for text in (secret, f"{USER}:{secret}")}
        forms |= {line for line in secret.splitlines() if len(line) >= LONG} if "\n" in secret else set()
        found |= {form.encode(): secret for form in forms}
    return found


def leaks(outputs: Mapping[str, bytes], planted: Mapping[bytes, str]) -> list[str]:
    """Where a secret stands."""
    return [f"{where} tells {planted[form]!r}" for where, told in outputs.items() for form in planted if form in told]


def of_account(known: Credentials) -> tuple[str, ...]:
    """The secrets that open a simulated account."""
    return known.rsa.pem, known.ec.pem, known.client_secret


def test_the_scan_finds_what_is_there() -> None:
    """Every form of a secret, whatever stands around it; a scan that cannot find proves nothing."""
    pem = "-----BEGIN X-----\n" + "Ab3/" * 16 + "\n-----END X-----"
    planted = needles(SASL, pem)

    assert len(planted) > 8
    for form in planted:
        assert leaks({"log": b"before " + form + b" behind"}, planted) != []
    assert leaks({"log": b"-----BEGIN X-----"}, planted) == []


@pytest.mark.timeout(480)
async def test_nothing_that_is_said_or_shown_tells_a_secret(
    owned_broker: OwnedBroker, registry: Any, prefix: str, tmp_path: Path
) -> None:
    """Keys, client secrets and passwords, right and wrong ones: in logs, errors, pages, metrics, topics, printing.

    Of the service and of every other command; of the demo, whose keys nobody else has, `tests/test_demo.py` says so.
    """
    broker = owned_broker(users={USER: SASL})
    around = Around(broker.at("SASL_PLAINTEXT"), registry.url, prefix)
    async with installed(around, tmp_path, tokens=20, acts_per_second=20) as here:
        right = _environment(here)
        outputs = await _lived(here, right)
        outputs |= await _commanded(here, right)
        for name, wrong in _mistakes(here).items():
            await _until(here, right | wrong, name)
        await _until(here, right, "Run against it", *SIMULATE)
        await _until(here, right, "relay.share", *RELAY)
        await _until(here, right | {"STREAMER_KAFKA__SASL_PASSWORD": OTHER}, "relay.waiting", *RELAY)
        outputs["log"] = here.process.log.read_bytes()
        outputs |= _printed(tmp_path / "streamer.yaml", right)
    suffixes = ("created", "modified", "deleted", "snapshots", "state", "control", "json")
    topics = [f"{prefix}.{suffix}" for suffix in suffixes]
    outputs["topics"] = b"".join(
        b"".join(filter(None, (record.key, record.value, *(text for _, text in record.headers or ()))))
        for record in await reader.read_all(broker.bootstrap, topics, "read_uncommitted")
    )

    known = [of_account(one) for one in (here.simulator.credentials, Credentials.kept_in(tmp_path / SIMULATE[-1]))]
    assert leaks(outputs, needles(SASL, REGISTRY, OTHER, *chain(*known))) == []
    assert [where for where, said in outputs.items() if len(said) <= 20] == []  # each was really heard
    assert b" debug " in outputs["log"]


def _environment(here: Installation) -> dict[str, str]:
    """All secrets at once: two sources with a credential of each kind, passwords for Kafka and the registry."""
    said = here.simulator.credentials
    url = yaml.safe_load((here.process.log.parent / "streamer.yaml").read_text())["sources"][0]["url"]
    return {
        "STREAMER_SOURCES__1__NAME": "second",
        "STREAMER_SOURCES__1__URL": url,
        "STREAMER_SOURCES__1__INTERVAL": "1s",
        "STREAMER_SOURCES__1__OAUTH__CLIENT_ID": said.client_id,
        "STREAMER_SOURCES__1__OAUTH__CLIENT_SECRET": said.client_secret,
        "STREAMER_SOURCES__2__NAME": "third",
        "STREAMER_SOURCES__2__URL": url,
        "STREAMER_SOURCES__2__INTERVAL": "1s",
        "STREAMER_SOURCES__2__API_KEY__ID": said.rsa.id,
        "STREAMER_SOURCES__2__API_KEY__PEM": said.rsa.pem,
        "STREAMER_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "STREAMER_KAFKA__SASL_MECHANISM": "SCRAM-SHA-256",
        "STREAMER_KAFKA__SASL_USERNAME": USER,
        "STREAMER_KAFKA__SASL_PASSWORD": SASL,
        "STREAMER_REGISTRY__USERNAME": USER,
        "STREAMER_REGISTRY__PASSWORD": REGISTRY,
    }


def _mistakes(here: Installation) -> dict[str, dict[str, str]]:
    """What an operator does wrong with secrets, by what it is known by in the log."""
    half = here.simulator.credentials.rsa.pem[:-200]
    return {
        "reason=unauthorized": {
            "STREAMER_SOURCES__1__OAUTH__CLIENT_SECRET": OTHER,
            "STREAMER_SOURCES__2__PROXY": f"http://{USER}:{quote(OTHER, safe='')}@127.0.0.1:9",
        },
        "SaslAuthenticationFailed": {"STREAMER_KAFKA__SASL_PASSWORD": OTHER},
        "api_key": {"STREAMER_SOURCES__2__API_KEY__PEM": half},
        "start.waiting": {"STREAMER_REGISTRY__URL": "http://127.0.0.1:9/"},
        "sasl_password": {"STREAMER_KAFKA__SASL_PASSWORD_FILE": "/nowhere"},
    }


def _commands_mistakes(here: Installation) -> dict[str, Mistake]:
    """What is wrong for commands; also a secret that stands where none may, or in a file that is no YAML."""
    half = here.simulator.credentials.rsa.pem[:-200]
    within = f"http://{USER}:{quote(OTHER, safe='')}@127.0.0.1:9"
    plain = f"kafka: {{sasl_password: '{OTHER}'}}\nregistry: {{password: '{OTHER}'}}\n"
    return {
        "password": Mistake({"STREAMER_KAFKA__SASL_PASSWORD": OTHER}, KAFKA),
        "key": Mistake({"STREAMER_SOURCES__2__API_KEY__PEM": half}, ("check --offline", *ACCOUNT)),
        "client": Mistake({"STREAMER_SOURCES__1__OAUTH__CLIENT_SECRET": OTHER}, ACCOUNT),
        "proxy": Mistake({"STREAMER_SOURCES__1__PROXY": within}, ("tokens",)),
        "registry": Mistake({"STREAMER_REGISTRY__URL": "http://127.0.0.1:9/"}, DECODERS),
        "url": Mistake({"STREAMER_REGISTRY__URL": f"{within}/"}, READERS),
        "plain": Mistake({}, READERS, plain),
        "no YAML": Mistake({}, READERS, f"kafka: {{sasl_password: '{OTHER}\nregistry: [{OTHER}\n"),
        "another key": Mistake({"STREAMER_KAFKA__SASL_PASWORD": OTHER}, READERS),
    }


async def _commanded(here: Installation, right: Mapping[str, str]) -> dict[str, bytes]:
    """Every command, as it should be and with what an operator does wrong; nothing that is wrong goes unnoticed."""
    folder = here.process.log.parent
    well = await told(folder, {call: call.format(prefix=here.around.prefix) for call in WELL}, right)
    assert [(call, one) for call, one in well.items() if one.status] == []
    outputs = {call: one.said for call, one in well.items()}
    for name, wrong in _commands_mistakes(here).items():
        calls = {f"{call} ({name})": call for call in wrong.calls}
        if wrong.file is not None:
            (folder / "wrong.yaml").write_text(wrong.file)
            calls = {call: f"{text} -c wrong.yaml" for call, text in calls.items()}
        failed = await told(folder, calls, {**right, **wrong.environ})
        assert [(call, one) for call, one in failed.items() if not one.status and call != LOOKED_AWAY] == []
        outputs |= {call: one.said for call, one in failed.items()}
    return outputs


async def _lived(here: Installation, environ: Mapping[str, str]) -> dict[str, bytes]:
    """A healthy life, seen by all its addresses."""
    here.process = _again(here, environ)
    await here.process.start()
    await here.process.says(ACCEPTED, 9)
    await here.quiet(*SOURCES)  # or `verify` waits to see what stands
    await here.process.says(" debug ")
    url = re.findall(r"url=(\S+)", here.process.said())[0]
    async with httpx.AsyncClient(base_url=url) as client:
        replies = {path: await client.get(path) for path in PATHS}
        outputs = {path: repr(reply.headers).encode() + reply.content for path, reply in replies.items()}
        async with client.stream("GET", "/live") as stream:
            told = stream.aiter_bytes()
            outputs["/live"] = await anext(told) + await anext(told)
    assert await here.process.stop() == 0
    return outputs


async def _until(here: Installation, environ: Mapping[str, str], word: str, *command: str) -> None:
    """A life, mostly with a mistake in it, until it has told of it, and whether it goes on or ends with that."""
    here.process = _again(here, environ, *command)
    await here.process.start()
    async with asyncio.timeout(LIMIT_S):
        while word not in here.process.said():  # noqa: ASYNC110 - another program is waited for
            await asyncio.sleep(0.05)
    await here.process.end()


def _again(here: Installation, environ: Mapping[str, str], *command: str) -> Process:
    return Process(*(command or ("run",)), folder=here.process.log.parent, environ=environ)


def _printed(file: Path, environ: Mapping[str, str]) -> dict[str, bytes]:
    """The configuration in every way Python or we can print it."""
    settings = load(file, environ)
    texts = (repr(settings), str(settings), settings.model_dump_json())
    return {f"printed {n}": text.encode() for n, text in enumerate(texts)} | {"reference": reference().encode()}

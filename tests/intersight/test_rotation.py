"""A credential's file is replaced while the service runs: the next request has the new one, and nothing stops."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.types import Receive, Scope, Send

from streamer.config import SourceSettings
from streamer.demo.credentials import ApiKey, Credentials
from streamer.demo.simulator import Simulator
from streamer.errors import Misconfigured, Rejected
from streamer.intersight.source import IntersightSource
from streamer.known import Known
from streamer.renewed import Renewed
from streamer.serving import serve
from tests.demo.stage import Clock, still
from tests.intersight.stage import Naps

Replace = Callable[[Path, str], None]


class Turned:
    """An account whose credentials are exchanged by `turn`: from then on it takes the new ones only.

    `key` is the last part of the new EC key's id; None: its id stays.
    """

    def __init__(self, key: str | None = None) -> None:
        self.clock = Clock()
        world = still(5, clock=self.clock)
        self.old = Credentials.new(world.account, world.admin)
        self.new = replace(
            self.old,
            rsa=ApiKey(self.old.rsa.id, rsa.generate_private_key(public_exponent=65537, key_size=2048)),
            ec=ApiKey(
                f"{self.old.ec.id.rpartition('/')[0]}/{key}" if key else self.old.ec.id,
                ec.generate_private_key(ec.SECP256R1()),
            ),
            client_secret="another-secret",
        )
        self._before, self._after = (Simulator(world, known, noise=0) for known in (self.old, self.new))
        self._now = self._before

    def turn(self) -> None:
        """The old ones are revoked."""
        self._now = self._after

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The account's API."""
        await self._now.app(scope, receive, send)

    def source(self, url: str, **credential: dict[str, str]) -> IntersightSource:
        """The account as a source with this credential."""
        settings = SourceSettings.model_validate({"name": "prod", "url": url, **credential})
        return IntersightSource(settings, clock=self.clock, sleep=Naps())


def overwritten(file: Path, content: str) -> None:
    """As an editor without care does it."""
    file.write_text(content)


def renamed(file: Path, content: str) -> None:
    """As it ought to be done: nobody sees half a file."""
    fresh = file.with_suffix(".new")
    fresh.write_text(content)
    fresh.replace(file)


def mounted(file: Path, content: str) -> None:
    """As Kubernetes does it: the file is a link into a folder that is itself a link, which is exchanged."""
    data = file.parent / "..data"
    folder = file.parent / f"..{len(list(file.parent.iterdir()))}"
    folder.mkdir()
    (folder / file.name).write_text(content)
    fresh = file.parent / "..data_tmp"
    fresh.symlink_to(folder.name)
    fresh.replace(data)
    if not file.is_symlink():
        file.symlink_to(f"..data/{file.name}")


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Which of our secrets was said to be renewed or kept."""
    return [(r.getMessage(), vars(r)["fields"]["key"]) for r in caplog.records if r.getMessage().startswith("secret.")]


@pytest.mark.parametrize("way", [overwritten, renamed, mounted])
@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_the_next_request_has_the_new_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: Replace, kind: str
) -> None:
    """Once the old key is revoked polls are rejected, until the file is replaced, in whatever way; it is said once."""
    caplog.set_level(logging.INFO, "streamer")
    account, file = Turned(), tmp_path / "key.pem"
    old, new = (getattr(known, kind) for known in (account.old, account.new))
    way(file, old.pem)
    async with serve(account.app) as url, account.source(url, api_key={"id": old.id, "file": str(file)}) as source:
        assert len(await source.snapshot(Known())) == 5
        account.turn()
        with pytest.raises(Rejected) as caught:
            await source.snapshot(Known())
        way(file, new.pem)
        assert len(await source.snapshot(Known())) == 5
        assert len(await source.snapshot(Known())) == 5

    assert caught.value.reason == "unauthorized"
    assert said(caplog) == [("secret.renewed", "sources.prod.api_key")]


async def test_another_key_needs_no_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that was created anew has another id: with both in files, replaced one after the other, it goes on.

    A poll in between is rejected, if the old key is revoked by then.
    """
    caplog.set_level(logging.INFO, "streamer")
    account, file, id_file = Turned("f" * 24), tmp_path / "key.pem", tmp_path / "id"
    old, new = account.old.ec, account.new.ec
    renamed(file, old.pem)
    renamed(id_file, f"{old.id}\n")
    async with (
        serve(account.app) as url,
        account.source(url, api_key={"id_file": str(id_file), "file": str(file)}) as source,
    ):
        assert len(await source.snapshot(Known())) == 5
        account.turn()
        renamed(id_file, f"{new.id}\n")
        with pytest.raises(Rejected, match="401"):
            await source.snapshot(Known())
        renamed(file, new.pem)
        assert len(await source.snapshot(Known())) == 5

    assert set(said(caplog)) == {("secret.renewed", "sources.prod.api_key")}


def test_a_file_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    """What counts is the content: a copy may keep the time, and a clock's tick may be long."""
    file = tmp_path / "secret"
    file.write_text("first!")
    at = file.stat().st_mtime_ns
    secret = Renewed("secret", file.read_text, str)
    file.write_text("second")
    os.utime(file, ns=(at, at))

    assert secret() == "second"


async def test_what_cannot_be_used_keeps_the_old_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is cut, empty, missing or no text stops nothing while the old key is good; each is said once."""
    caplog.set_level(logging.INFO, "streamer")
    account, file = Turned(), tmp_path / "key.pem"
    old, new = account.old.ec, account.new.ec
    file.write_text(old.pem)
    async with serve(account.app) as url, account.source(url, api_key={"id": old.id, "file": str(file)}) as source:
        for content in (new.pem[: len(new.pem) // 2].encode(), b"", None, b"\xff\xfe"):
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)
            for _ in range(2):
                assert len(await source.snapshot(Known())) == 5
        account.turn()
        file.write_text(new.pem)
        assert len(await source.snapshot(Known())) == 5

    assert said(caplog) == [("secret.kept", "sources.prod.api_key")] * 4 + [("secret.renewed", "sources.prod.api_key")]
    told = " ".join(str(vars(record).get("fields")) for record in caplog.records)
    assert str(file) in told
    assert not any(line in told for line in new.pem.splitlines()[1:-1])


async def test_the_next_token_is_asked_for_with_the_new_secret(tmp_path: Path) -> None:
    """An access token that is revoked with its client's secret is replaced within the poll, by the secret of then."""
    account, file = Turned(), tmp_path / "secret"
    file.write_text(account.old.client_secret)
    client = {"client_id": account.old.client_id, "client_secret_file": str(file)}
    async with serve(account.app) as url, account.source(url, oauth=client) as source:
        assert len(await source.snapshot(Known())) == 5
        account.turn()
        file.write_text("")
        with pytest.raises(Rejected) as caught:
            await source.snapshot(Known())
        mounted(tmp_path / "elsewhere", account.new.client_secret)
        (tmp_path / "elsewhere").replace(file)
        assert len(await source.snapshot(Known())) == 5

    assert caught.value.reason == "unauthorized"


def test_at_the_start_a_bad_file_is_an_error(tmp_path: Path) -> None:
    """Nothing works yet that could go on."""
    file = tmp_path / "key.pem"
    file.write_text("no key")
    with pytest.raises(Misconfigured, match=r"sources\.prod\.api_key holds no PEM"):
        Turned().source("http://x", api_key={"id": "a/b/c", "file": str(file)})

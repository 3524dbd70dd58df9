"""One Intersight account: where it is, who we are there, how often it is asked."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from streamer.settings.section import Section, key, refuse, section
from streamer.settings.values import Duration, File, Number, Origin, Proxy, Secret, Text

_MINUTE: Final = 60.0
MACHINES_OWN: Final[Any] = {
    "ca_file": True,
    "proxy": True,
    "api_key": {"id_file", "file", "pem"},
    "oauth": {"client_secret", "client_secret_file"},
}


class ApiKey(Section):
    """An Intersight API key; v2 (RSA) and v3 (EC) look alike here."""

    id: Text | None = key(None, "the key's id, as Intersight shows it (or use id_file)")
    id_file: File = key(None, "file with the key's id: with it a new key needs no restart")
    file: File = key(None, "file with the private key, PEM")
    pem: Secret = key(None, "the private key itself, PEM; from the environment only")

    def read(self, where: str = "") -> str:
        """The private key as PEM text; raises `Misconfigured` if its file cannot be read."""
        return self.secret("pem", where) or ""  # never empty: one of both is given, and an empty file is refused

    def read_id(self, where: str = "") -> str:
        """The key's id; raises `Misconfigured` if its file cannot be read."""
        return self.id or self.held("id_file", where) or ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        refuse(
            (not self.id and not self.id_file, "a key without id or id_file, wanted one of them"),
            (self.id and self.id_file, "id and id_file are both given, wanted one of them"),
            (not self.file and not self.pem, "a key without file or pem, wanted one of them"),
        )
        return self


class OAuth(Section):
    """An Intersight OAuth2 client of the kind client credentials."""

    client_id: Text = key(..., "the client's id")
    client_secret_file: File = key(None, "file with the client's secret")
    client_secret: Secret = key(None, "the client's secret itself; from the environment only")

    def read(self, where: str = "") -> str:
        """The client's secret; raises `Misconfigured` if its file cannot be read."""
        return self.secret("client_secret", where) or ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        given = self.client_secret_file or self.client_secret
        refuse((not given, "a client without client_secret_file or client_secret, wanted one of them"))
        return self


class HoldAbove(Section):
    """How many deletions at once are too many to be believed."""

    percent: float = key(10, "of the known unexpired tokens", ge=0, le=100)
    at_least: Number = key(10, "the threshold is never lower", ge=0)
    at_most: Number = key(500, "the threshold is never higher", ge=0)
    window: Duration = key(10 * _MINUTE, "deletions published within it count too", ge=0)


class Deletes(Section):
    """What becomes of a token that is no longer listed."""

    hold_above: HoldAbove = section(HoldAbove, "above this many at once, deletions wait for a person")


class Audit(Section):
    """Whether audit records tell who deleted a token."""

    enabled: bool = key(True, "attribute deletions from audit records where they can be read")
    wait: Number = key(1, "polls to wait for a late record", ge=0)


class SourceSettings(Section):
    """One Intersight account and how it is polled."""

    name: str = key(..., "the identity of its state; keep it", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    url: Origin = key(..., "Intersight itself, or an appliance, such as `https://intersight.com`")
    api_key: ApiKey | None = key(None, "sign requests with an API key (or use oauth)")
    oauth: OAuth | None = key(None, "authenticate as an OAuth2 client (or use api_key)")
    interval: Duration = key(_MINUTE, "from the start of a poll to the start of the next", ge=1)
    page_size: Number = key(1000, "tokens asked for in one request", ge=1, le=1000)
    timeout: Duration = key(30.0, "for one request", gt=0)
    ca_file: File = key(None, "certificates to trust instead of the system's, PEM")
    verify_tls: bool = key(True, "false trusts anybody who answers, and is loud about it")
    proxy: Proxy | None = key(
        None, "HTTP proxy, such as `http://proxy:3128`; from the environment it may carry `user:password@`", repr=False
    )
    first_run: Literal["baseline", "silent"] = key(
        "baseline", "baseline: tokens found at first are `created` with `baseline=true`; silent: state only"
    )
    refresh_events: Literal["publish", "suppress"] = key(
        "publish", "what becomes of changes of `access_expiration_time` and `mod_time` alone"
    )
    replica_lag: Duration = key(2 * _MINUTE, "how far behind a replica of Intersight may be", ge=0)
    deletes: Deletes = section(Deletes, "deletions")
    audit: Audit = section(Audit, "audit records")
    users: bool = key(True, "resolve the user's name and e-mail on changed tokens")

    def fingerprint(self) -> str:
        """SHA-256, hex, of what this source is and how it is judged; raises `Misconfigured` as `ApiKey.read_id`.

        Left out are secrets, the paths of files and the proxy, which are a machine's own, and keys at their default, so
        that a new key of a later version changes no fingerprint. Of an API key there is whose it is, account and user:
        the last part of its id is another one after each rotation, and a rotation is no disagreement.
        """
        ours = self.model_dump(mode="json", exclude_defaults=True, exclude=MACHINES_OWN)
        if self.api_key is not None:
            ours["api_key"]["id"] = self.api_key.read_id(f"sources.{self.name}.api_key.").rpartition("/")[0]
        return hashlib.sha256(json.dumps(ours, sort_keys=True).encode()).hexdigest()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        plain = self.url.startswith("http:")
        refuse(
            (self.api_key and self.oauth, "api_key and oauth are both given, wanted one of them"),
            (not self.api_key and not self.oauth, "no credential, wanted api_key or oauth"),
            (self.ca_file and not self.verify_tls, "ca_file is given, but verify_tls: false would never look at it"),
            (self.ca_file and plain, "ca_file is given, but url begins with http:, where nothing is verified"),
        )
        return self

"""What a caller proves itself with: API keys of both versions, and an OAuth client.

Keys are real: made by `cryptography`, in the PEM forms that Intersight hands out. A v3 key says `EC PRIVATE KEY`
on its label while PKCS#8 is inside, which a strict reader refuses; the same key with a true label is there too.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streamer.demo.shapes import Account, User

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_PKCS8, _SEC1 = "PRIVATE KEY", "EC PRIVATE KEY"


def _moid() -> str:
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key: `id` is `account/user/key`, three Moids."""

    id: str
    private: PrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        """As Intersight hands it out: v2 (RSA) as PKCS#1; v3 (EC) as PKCS#8 under the label `EC PRIVATE KEY`."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self._pem(PrivateFormat.TraditionalOpenSSL)
        return self.pkcs8.replace(f"{_PKCS8}-", f"{_SEC1}-")

    @property
    def pkcs8(self) -> str:
        """The same key with the label that its content asks for."""
        return self._pem(PrivateFormat.PKCS8)

    def _pem(self, form: PrivateFormat) -> str:
        return self.private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that open the simulator, for one account.

    Attributes:
        account: whose data the caller sees.
        admin: the person the keys belong to.
        rsa, ec: API keys of version 2 and 3.
        client_id, client_secret: of an OAuth client with the grant `client_credentials`.
    """

    account: Account
    admin: User
    rsa: ApiKey
    ec: ApiKey
    client_id: str
    client_secret: str = field(repr=False)

    @classmethod
    def new(cls, account: Account | None = None, admin: User | None = None) -> Self:
        """Fresh ones, for this account and person, or for new ones."""
        account = account or Account(_moid(), _moid(), _moid())
        admin = admin or User(_moid(), "Ada Admin", "admin@example.com")
        owner = f"{account.moid}/{admin.moid}"
        return cls(
            account,
            admin,
            ApiKey(f"{owner}/{_moid()}", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
            ApiKey(f"{owner}/{_moid()}", ec.generate_private_key(ec.SECP256R1())),
            client_id=f"{secrets.token_hex(32)}-{account.domain_group}",
            client_secret=secrets.token_urlsafe(24),
        )

    @property
    def keys(self) -> Mapping[str, PublicKey]:
        """What the server knows of the API keys: their public halves, by id."""
        return {key.id: key.private.public_key() for key in (self.rsa, self.ec)}

    @classmethod
    def kept_in(cls, folder: Path) -> Self:
        """Those of `folder`, or new ones written there: a simulator that starts again knows its callers.

        Raises:
            ValueError: a file is there and cannot be read as what it should be; names the file.
            OSError: the folder cannot be read or written.
        """
        if not (folder / _IDENTITY).exists():
            made = cls.new()
            made._keep(folder)  # noqa: SLF001  our own
            return made
        return cls(*_read(folder))

    def _keep(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / RSA_FILE, self.rsa.pem)
        _write(folder / EC_FILE, self.ec.pem)
        _write(folder / SECRET_FILE, self.client_secret)
        identity = _Identity(self.account, self.admin, self.rsa.id, self.ec.id, self.client_id)
        _write(folder / _IDENTITY, msgspec.json.format(msgspec.json.encode(identity)).decode())  # last: all is there


RSA_FILE, EC_FILE, SECRET_FILE, _IDENTITY = "v2-rsa.pem", "v3-ec.pem", "client-secret", "identity.json"


class _Identity(msgspec.Struct, frozen=True):
    """What `identity.json` keeps: everything that is no secret."""

    account: Account
    admin: User
    rsa_key_id: str
    ec_key_id: str
    client_id: str


def _read(folder: Path) -> tuple[Account, User, ApiKey, ApiKey, str, str]:
    try:
        kept = msgspec.json.decode((folder / _IDENTITY).read_bytes(), type=_Identity)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{folder / _IDENTITY}: {error}") from error
    rsa_key, ec_key = _key(folder / RSA_FILE, kept.rsa_key_id), _key(folder / EC_FILE, kept.ec_key_id)
    secret = (folder / SECRET_FILE).read_text().strip()
    return kept.account, kept.admin, rsa_key, ec_key, kept.client_id, secret


def _key(path: Path, key_id: str) -> ApiKey:
    pem = path.read_text().replace(f"{_SEC1}-", f"{_PKCS8}-")  # written by `pem`: PKCS#8 whatever its label
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(private, PrivateKey):
        raise ValueError(f"{path}: neither an RSA nor an EC key")  # noqa: TRY004  the file's fault, not a type error
    return ApiKey(key_id, private)


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from the first byte on."""
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)

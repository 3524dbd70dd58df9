"""Keys in the forms that Intersight hands out, kept for a simulator that starts again; OAuth tokens."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streamer.demo.credentials import EC_FILE, RSA_FILE, SECRET_FILE, Credentials
from streamer.demo.oauth import BadToken, Denied, Issuer
from tests.demo.stage import START


def test_the_pems_are_those_of_intersight(credentials: Credentials) -> None:
    """v2 is PKCS#1; v3 is PKCS#8 under the wrong label: refused by a strict reader, readable with the right one."""
    assert credentials.rsa.pem.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert isinstance(load_pem_private_key(credentials.rsa.pem.encode(), None), rsa.RSAPrivateKey)

    mislabelled = credentials.ec.pem
    assert mislabelled.startswith("-----BEGIN EC PRIVATE KEY-----\n")
    with pytest.raises(ValueError, match=r"Could not deserialize key data|ASN.1"):
        load_pem_private_key(mislabelled.encode(), None)
    for pem in (mislabelled.replace("EC PRIVATE", "PRIVATE"), credentials.ec.pkcs8):
        key = load_pem_private_key(pem.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.private_numbers() == credentials.ec.private.private_numbers()


def test_ids_have_their_known_forms(credentials: Credentials) -> None:
    """A key id is account/user/key; a client id is 64 hex digits and the domain group."""
    account, user, key = credentials.ec.id.split("/")
    assert (account, user, len(key)) == (credentials.account.moid, credentials.admin.moid, 24)
    first, _, group = credentials.client_id.partition("-")
    assert (len(bytes.fromhex(first)), group) == (32, credentials.account.domain_group)


def test_kept_credentials_are_the_same_again(tmp_path: Path) -> None:
    """A folder without keys gets new ones that only its owner can read; a second start reads them back, all alike."""
    folder = tmp_path / "a" / "keys"
    first, again = Credentials.kept_in(folder), Credentials.kept_in(folder)

    assert (first.account, first.admin, first.client_id, first.client_secret) == (
        again.account,
        again.admin,
        again.client_id,
        again.client_secret,
    )
    assert [(k.id, k.pem) for k in (first.rsa, first.ec)] == [(k.id, k.pem) for k in (again.rsa, again.ec)]
    assert (folder / EC_FILE).read_text() == first.ec.pem
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", [RSA_FILE, EC_FILE, "identity.json"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    """A kept file that is no longer what it was is an error with its name, not a new key behind the caller's back."""
    Credentials.kept_in(tmp_path)
    (tmp_path / name).write_text("{}")

    with pytest.raises(ValueError, match=name):
        Credentials.kept_in(tmp_path)


def test_a_lost_secret_is_an_error(tmp_path: Path) -> None:
    """So is one that is gone."""
    Credentials.kept_in(tmp_path)
    (tmp_path / SECRET_FILE).unlink()

    with pytest.raises(FileNotFoundError, match=SECRET_FILE):
        Credentials.kept_in(tmp_path)


def _form(credentials: Credentials, **changes: str) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "client_id": credentials.client_id}
    return {**form, "client_secret": credentials.client_secret, **changes}


def _basic(client_id: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"


def test_a_token_lives_as_long_as_it_says(credentials: Credentials) -> None:
    """A granted token is good until `expires_in` has passed, and not at that second."""
    issuer = Issuer(credentials, expires_in=60)
    granted = issuer.grant(_form(credentials), "", START)

    assert (granted["expires_in"], granted["token_type"]) == (60, "Bearer")
    issuer.check(granted["access_token"], START + 59_999)
    with pytest.raises(BadToken, match="has been over for 0 s"):
        issuer.check(granted["access_token"], START + 60_000)


def test_a_token_carries_the_claims_of_real_ones(credentials: Credentials) -> None:
    """The JWT's payload names account, roles, client and times."""
    _, payload, _ = Issuer(credentials).grant(_form(credentials), "", START)["access_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))

    assert (claims["sub"], claims["iat"], claims["exp"]) == (credentials.client_id, START // 1000, START // 1000 + 600)
    assert claims["intersight"]["account_id"] == credentials.account.moid
    assert claims["intersight"]["roles"]


def test_the_client_may_prove_itself_by_basic(credentials: Credentials) -> None:
    """RFC 6749 section 2.3.1: id and secret in a Basic header, only the grant in the body."""
    issuer = Issuer(credentials)
    bare = {"grant_type": "client_credentials"}

    assert issuer.grant(bare, _basic(credentials.client_id, credentials.client_secret), START)["access_token"]
    for header in (_basic(credentials.client_id, "x"), "Basic %", "Basic /w==", ""):
        with pytest.raises(Denied) as caught:
            issuer.grant(bare, header, START)
        assert (caught.value.status, caught.value.error) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"client_secret": "é"}, 401, "invalid_client"),
        ({"client_id": "x"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
    ],
)
def test_wrong_grants_are_denied(credentials: Credentials, changes: dict[str, str], status: int, error: str) -> None:
    """A wrong client, secret or grant is denied in OAuth's own words."""
    with pytest.raises(Denied) as caught:
        Issuer(credentials).grant(_form(credentials, **changes), "", START)

    assert caught.value.status == status
    assert caught.value.body()["error"] == error
    assert caught.value.body()["error_description"]


def test_foreign_tokens_are_refused(credentials: Credentials) -> None:
    """A token that was changed, that another issuer gave, or that is none at all is not believed."""
    issuer, other = Issuer(credentials), Issuer(Credentials.new())
    header, payload, signature = issuer.grant(_form(credentials), "", START)["access_token"].split(".")
    forged = base64.urlsafe_b64encode(b'{"exp":99999999999}').rstrip(b"=").decode()

    for token in (
        f"{header}.{forged}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.é",
        "",
        other.grant(_form(other.credentials), "", START)["access_token"],
    ):
        with pytest.raises(BadToken, match="none that was issued here"):
            issuer.check(token, START)

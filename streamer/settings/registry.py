"""The schema registry: where it is, who we are there, what we do with subjects."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from streamer.settings.section import Section, key, listed, refuse
from streamer.settings.values import Address, Duration, File, Secret, Text

Compatibility = Literal[
    "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"
]


class RegistrySettings(Section):
    """The schema registry (its Confluent-compatible API)."""

    url: Address = key("http://localhost:8081", "may carry a path, such as `http://registry:8080/apis/ccompat/v7`")
    auto_register: bool = key(True, "false: look up only; a missing schema keeps the service unready")
    compatibility: Compatibility = key("FULL_TRANSITIVE", "set on subjects we create; another level found is a warning")
    username: Text | None = key(None, "user, for basic authentication")
    password_file: File = key(None, "file with the user's password")
    password: Secret = key(None, "the user's password itself; from the environment only")
    bearer_token_file: File = key(None, "file with a bearer token")
    bearer_token: Secret = key(None, "the bearer token itself; from the environment only")
    ca_file: File = key(None, "certificates to trust instead of the system's, PEM")
    cert_file: File = key(None, "our certificate and its chain, PEM")
    key_file: File = key(None, "our certificate's private key, PEM")
    timeout: Duration = key(10.0, "for one request", gt=0)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        password, bearer = self.password_file or self.password, self.bearer_token_file or self.bearer_token
        files = self.differing("ca_file") + self.differing("cert_file") + self.differing("key_file")
        refuse(
            (self.username and not password, "username without a password, wanted password_file or password"),
            (password and not self.username, "a password without username, wanted both"),
            (self.username and bearer, "username and a bearer token are both given, wanted one of them"),
            (bool(self.cert_file) != bool(self.key_file), "cert_file and key_file go together, but only one is given"),
            (files and self.url.startswith("http:"), f"{listed(files)} given, but url begins with http:"),
        )
        return self

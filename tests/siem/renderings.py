"""Every rendering of three deployments, and where the texts that were looked at and found right are kept.

After a change that is meant: `python -m tests.siem.renderings` writes them anew; the difference is what to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from streamer.config import Settings
from streamer.siem.deployment import Deployment
from streamer.siem.pipelines.catalogue import PIPELINES

FOLDER: Final = Path(__file__).parent / "pipelines"
SECRETS: Final = {  # planted, and never seen again
    "sasl_password": "planted-kafka-password",
    "ssl_key_password": "planted-key-password",
    "sasl_oauth_client_secret": "planted-client-secret",
    "password": "planted-registry-password",
    "bearer_token": "planted-registry-token",
}
TLS: Final = {
    "ssl_ca_file": "/etc/streamer/ca.pem",
    "ssl_cert_file": "/etc/streamer/client.pem",
    "ssl_key_file": "/etc/streamer/client.key",
}
SCRAM: Final = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "siem",
    "sasl_password": SECRETS["sasl_password"],
}
BEARER: Final = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "OAUTHBEARER",
    "sasl_oauth_token_url": "https://login.example.com/token",
    "sasl_oauth_client_id": "siem",
    "sasl_oauth_client_secret": SECRETS["sasl_oauth_client_secret"],
    "sasl_oauth_scope": "kafka",
}
REGISTRY: Final = {
    "url": "https://registry:8081/apis/ccompat/v7",
    "username": "siem",
    "password": SECRETS["password"],
    "ca_file": "/etc/streamer/ca.pem",
    "cert_file": "/etc/streamer/client.pem",
    "key_file": "/etc/streamer/client.key",
}


def deployment(kafka: Mapping[str, Any] | None = None, registry: Mapping[str, Any] | None = None) -> Deployment:
    """The deployment of a configuration with these keys."""
    return Deployment.of(Settings.model_validate({"kafka": dict(kafka or {}), "registry": dict(registry or {})}))


DEPLOYMENTS: Final[Mapping[str, Deployment]] = {
    "plain": deployment(),
    "secured": deployment({"bootstrap_servers": ["kafka-1:9093", "kafka-2:9093"], **SCRAM, **TLS}, REGISTRY),
    "json": deployment({"value_format": "json", "all_topic": True, "topic_prefix": "acme.tokens"}),
}


def calls() -> Iterator[tuple[str, dict[str, str]]]:
    """Every collector with every choice it has."""
    for name, pipeline in PIPELINES.items():
        for to in pipeline.to or ("",):
            for form in pipeline.forms or ("",):
                yield name, {key: value for key, value in (("to", to), ("form", form)) if value}


def file_of(kind: str, name: str, chosen: Mapping[str, str]) -> Path:
    """Where a rendering is kept."""
    ending = Path(PIPELINES[name].file).suffix
    return FOLDER / kind / ("-".join((name, *chosen.values())) + ending)


def rendered(kind: str, name: str, chosen: Mapping[str, str]) -> str:
    """A rendering of today's code."""
    return _rendered(kind, name, tuple(chosen.items()))


@cache
def _rendered(kind: str, name: str, chosen: tuple[tuple[str, str], ...]) -> str:
    return PIPELINES[name].render(DEPLOYMENTS[kind], **dict(chosen))


if __name__ == "__main__":
    for _kind in DEPLOYMENTS:
        for _name, _chosen in calls():
            _file = file_of(_kind, _name, _chosen)
            _file.parent.mkdir(parents=True, exist_ok=True)
            _file.write_text(rendered(_kind, _name, _chosen), encoding="utf-8")

"""One configuration: what operators write is what rooms get, and what cannot work is refused by name."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from streamer.config import (
    ApiKey,
    KafkaSettings,
    OAuth,
    Settings,
    SourceSettings,
    load,
    reference,
)
from streamer.errors import Misconfigured
from streamer.settings.keys import keys
from streamer.settings.layers import variable_of
from streamer.settings.section import is_secret
from tests.settings.least import LEAST, least_with, loaded, steps

# The sample that operators copy; every value in it but names, addresses and the key is the default.
SAMPLE = """\
sources:
  - name: prod-us                      # [a-z0-9][a-z0-9-]{0,62}; the identity of its state
    url: https://intersight.com        # SaaS US/EU or an appliance's FQDN
    api_key: {id: "a/u/k", file: /run/secrets/intersight.pem}        # v2 RSA or v3 EC; env: ...__API_KEY__PEM
    # oauth: {client_id: "...", client_secret_file: ...}             # instead of api_key
    interval: 60s                      # at least 1s
    page_size: 1000
    timeout: 30s
    ca_file: null                      # verify_tls: false exists, is loud, and is never a default
    proxy: null
    first_run: baseline                # baseline: created events marked baseline=true | silent: state only
    refresh_events: publish            # publish | suppress: changes of access_expiration_time and mod_time alone
    replica_lag: 2m                    # how far behind a replica of Intersight may be
    deletes:
      hold_above: {percent: 10, at_least: 10, at_most: 500, window: 10m}   # threshold = percent of the known unexpired tokens, kept within at_least..at_most
    audit: {enabled: true, wait: 1}    # attribute deletions from aaa/AuditRecords where readable; polls to wait for a late record
    users: true                        # resolve the user's name and e-mail on changed tokens
max_concurrent_polls: 16
kafka:
  bootstrap_servers: [localhost:9092]
  topic_prefix: cisco.intersight.oauth-token
  security_protocol: PLAINTEXT         # SSL, SASL_PLAINTEXT, SASL_SSL (+ ssl_*, sasl_* keys: PLAIN, SCRAM-SHA-256/512, OAUTHBEARER)
  create_topics: true                  # existing topics are compared and reported, never altered
  event_partitions: 3
  state_partitions: 16                 # unit of scale-out; fixed once the topic exists, and checked at every start
  replication_factor: null             # null: 3, or the number of brokers if fewer, with a warning; a number given is never lowered (exit 2)
  retention: 30d
  compression: zstd
  value_format: confluent              # confluent (registry) | avro (bare datum) | json; for events and reports; avro and json never call a registry
  all_topic: false                     # true: every event also to P.all, in the same transaction
  group: intersight-streamer           # workers that share it share the sources
  transaction: {records: 10000, bytes: 16MiB, timeout: 20s}   # Kafka records of all topics; our own waits end at 0.8 of the timeout in sum
  cloudevents_headers: true
registry:
  url: http://localhost:8081           # may carry a path prefix; basic auth, bearer, mTLS, CA
  auto_register: true                  # false: look up only; a missing schema = unready, said once a minute
  compatibility: FULL_TRANSITIVE       # set on subjects we create; another level found = a warning
http: {listen: 127.0.0.1:9464}
log: {level: info, format: console}    # console | json
"""  # noqa: E501 - verbatim
LOUD = "hunter2"
LEAST_IN_ENVIRONMENT = {"sources": json.dumps(LEAST["sources"])}


def test_the_sample_of_the_documentation_loads(tmp_path: Path) -> None:
    """The sample loads verbatim, and says nothing but defaults beside what must be given."""
    (tmp_path / "streamer.yaml").write_text(SAMPLE)
    settings = load(tmp_path / "streamer.yaml", {})
    (source,) = settings.sources

    least = SourceSettings(
        name="prod-us",
        url="https://intersight.com",
        api_key=ApiKey(id="a/u/k", file=Path("/run/secrets/intersight.pem")),
    )
    assert source == least
    assert settings == Settings(sources=(least,))
    assert (source.interval, source.timeout, source.replica_lag, source.page_size) == (60.0, 30.0, 120.0, 1000)
    assert settings.kafka.bootstrap_servers == ("localhost:9092",)
    assert (settings.kafka.retention, settings.kafka.replication_factor) == (2592000.0, None)
    assert (settings.kafka.transaction.bytes, settings.kafka.transaction.timeout) == (16777216, 20.0)
    assert settings.http.listen == "127.0.0.1:9464"


# Each is a whole configuration; together they give every key that this version acts on another value than its default.
PROFILES: dict[str, dict[str, Any]] = {
    "source": {
        "sources[0].name": "b-2",
        "sources[0].url": "https://appliance.example:8443",
        "sources[0].api_key.id": "x/y/z",
        "sources[0].api_key.file": "/other.pem",
        "sources[0].interval": "90s",
        "sources[0].page_size": 7,
        "sources[0].timeout": "1.5s",
        "sources[0].ca_file": "/ca.pem",
        "sources[0].proxy": "http://proxy:3128",
        "sources[0].refresh_events": "suppress",
        "sources[0].replica_lag": "0s",
        "sources[0].first_run": "silent",
        "sources[0].deletes.hold_above.percent": 11.0,
        "sources[0].deletes.hold_above.at_least": 11,
        "sources[0].deletes.hold_above.at_most": 11,
        "sources[0].deletes.hold_above.window": "11m",
        "sources[0].audit.enabled": False,
        "sources[0].audit.wait": 2,
        "sources[0].users": False,
        "http.listen": "0.0.0.0:8080",
        "http.hosts": ["streamer.example.com"],
        "log.level": "debug",
        "log.format": "json",
    },
    "pem": {"sources[0].api_key.file": ..., "sources[0].api_key.pem": LOUD, "sources[0].verify_tls": False},
    "id": {"sources[0].api_key.id": ..., "sources[0].api_key.id_file": "/id"},
    "oauth": {"sources[0].api_key": ..., "sources[0].oauth.client_id": "c", "sources[0].oauth.client_secret": LOUD},
    "oauth file": {
        "sources[0].api_key": ...,
        "sources[0].oauth.client_id": "c",
        "sources[0].oauth.client_secret_file": "/s",
    },
    "mtls": {
        "max_concurrent_polls": 2,
        "kafka.group": "mine",
        "kafka.security_protocol": "SSL",
        "kafka.ssl_ca_file": "/ca.pem",
        "kafka.ssl_cert_file": "/c.pem",
        "kafka.ssl_key_file": "/k.pem",
        "kafka.ssl_key_password": LOUD,
        "kafka.ssl_check_hostname": False,
        "registry.url": "https://registry",
        "registry.ca_file": "/ca.pem",
        "registry.cert_file": "/c.pem",
        "registry.key_file": "/k.pem",
        "registry.bearer_token": LOUD,
        "registry.timeout": "3s",
    },
    "scram": {
        "kafka.security_protocol": "SASL_SSL",
        "kafka.sasl_mechanism": "SCRAM-SHA-512",
        "kafka.sasl_username": "u",
        "kafka.sasl_password": LOUD,
        "kafka.ssl_cert_file": "/c.pem",
        "kafka.ssl_key_file": "/k.pem",
        "kafka.ssl_key_password_file": "/p",
        "registry.username": "u",
        "registry.password": LOUD,
    },
    "files": {
        "kafka.security_protocol": "SASL_PLAINTEXT",
        "kafka.sasl_mechanism": "PLAIN",
        "kafka.sasl_username": "u",
        "kafka.sasl_password_file": "/p",
        "registry.username": "u",
        "registry.password_file": "/p",
    },
    "bearer": {
        "kafka.security_protocol": "SASL_SSL",
        "kafka.sasl_mechanism": "OAUTHBEARER",
        "kafka.sasl_oauth_token_url": "https://sso.example/token",
        "kafka.sasl_oauth_client_id": "c",
        "kafka.sasl_oauth_client_secret": LOUD,
        "kafka.sasl_oauth_scope": "kafka",
        "registry.bearer_token_file": "/t",
    },
    "bearer file": {
        "kafka.security_protocol": "SASL_SSL",
        "kafka.sasl_mechanism": "OAUTHBEARER",
        "kafka.sasl_oauth_token_url": "https://sso.example/token",
        "kafka.sasl_oauth_client_id": "c",
        "kafka.sasl_oauth_client_secret_file": "/s",
    },
    "kafka": {
        "kafka.bootstrap_servers": ["one:9092", "[::1]:9093"],
        "kafka.topic_prefix": "p",
        "kafka.create_topics": False,
        "kafka.event_partitions": 6,
        "kafka.state_partitions": 4,
        "kafka.replication_factor": 2,
        "kafka.retention": "36h",
        "kafka.compression": "lz4",
        "kafka.value_format": "json",
        "kafka.all_topic": True,
        "kafka.transaction.records": 500,
        "kafka.transaction.bytes": "8MiB",
        "kafka.transaction.timeout": "15s",
        "kafka.cloudevents_headers": False,
        "registry.url": "http://registry:8080/apis/ccompat/v7",
        "registry.auto_register": False,
        "registry.compatibility": "BACKWARD",
    },
}
SECRET = {re.sub(r"\[\]", "[0]", key.path) for key in keys(Settings) if key.inner is None and is_secret(key.field)}


def _text(value: Any) -> str:
    return json.dumps(value) if not isinstance(value, str) else value


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_key_comes_from_the_file_or_from_the_environment(tmp_path: Path, profile: dict[str, Any]) -> None:
    """A key means the same in the file and as a variable; secrets come from the environment in both."""
    taken = {path: value for path, value in profile.items() if value is ...}
    given = {path: value for path, value in profile.items() if value is not ...}
    hidden = {variable_of(path): value for path, value in given.items() if path in SECRET}
    in_file = loaded(tmp_path, taken | {path: value for path, value in given.items() if path not in SECRET}, hidden)
    in_environment = loaded(tmp_path, taken, {variable_of(path): _text(value) for path, value in given.items()})

    assert in_environment == in_file
    written = in_file.model_dump(mode="json")
    for path, value in given.items():
        found: Any = written
        for step in steps(path):
            found = found[step]
        assert found == ("**********" if path in SECRET else value), path


def test_the_profiles_leave_no_key_out() -> None:
    """Whoever adds a key gives it a value in PROFILES."""
    acted_on = {key.path.replace("[]", "[0]") for key in keys(Settings) if key.inner is None}
    assert {path for profile in PROFILES.values() for path, value in profile.items() if value is not ...} == acted_on


def test_a_source_is_the_same_wherever_its_files_lie() -> None:
    """A fingerprint changes with every key of a source but secrets, files, the proxy and defaults written out."""
    least = SourceSettings(**LEAST["sources"][0])
    told = {"api_key": {"id": "a/u"}, "name": "a", "url": "https://intersight.com"}
    assert least.fingerprint() == sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    for name, profile in PROFILES.items():
        for path, value in profile.items():
            if path.startswith("sources[0]") and value is not ... and not re.search("oauth|id_file", path):
                here = _machines_own(path)
                changed = SourceSettings(**least_with({path: value, **_instead(path)})["sources"][0])
                assert (changed.fingerprint() == least.fingerprint()) is here, (name, path)
    assert SourceSettings(**LEAST["sources"][0], page_size=1000).fingerprint() == least.fingerprint()


def _machines_own(path: str) -> bool:
    return path.endswith(("file", "pem", "secret", "proxy"))


def _instead(path: str) -> dict[str, Any]:
    return {"sources[0].api_key.file": ...} if path.endswith("pem") else {}


def test_a_rotated_key_is_no_other_configuration(tmp_path: Path) -> None:
    """Another key of the same user of the same account; another user's sees something else, and is one."""
    ids = ("a/u/k", "a/u/new", "a/v/k", "b/u/k")
    of = [SourceSettings(**least_with({"sources[0].api_key.id": key_id})["sources"][0]).fingerprint() for key_id in ids]

    (tmp_path / "id").write_text("a/u/newest\n")
    in_a_file = {"sources[0].api_key.id": ..., "sources[0].api_key.id_file": str(tmp_path / "id")}

    assert of[0] == of[1] == SourceSettings(**least_with(in_a_file)["sources"][0]).fingerprint()
    assert len(set(of)) == 3


def test_the_fingerprint_of_a_client_knows_the_client_and_not_its_secret() -> None:
    """Another client is another fingerprint; its secret, given or in a file, is not part of it."""

    def of(**client: Any) -> str:
        return SourceSettings(name="a", url="https://x", oauth=OAuth(**client)).fingerprint()

    assert of(client_id="c", client_secret=LOUD) == of(client_id="c", client_secret_file="/s")
    assert of(client_id="c", client_secret=LOUD) != of(client_id="d", client_secret=LOUD)


def test_the_reference_has_every_key_with_its_default_and_meaning() -> None:
    """One row a key, in the order of the model; defaults are written as operators write them; all have a meaning."""
    head, rule, *rows = reference().splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert (head, rule) == ("| key | default | meaning |", "|---|---|---|")
    assert [cell[0].strip("`") for cell in cells] == [key.path for key in keys(Settings) if key.inner is None]
    assert all(len(cell) == 3 and cell[2] not in {"", "None"} for cell in cells)
    assert ["`kafka.transaction.bytes`", "`16MiB`"] in [cell[:2] for cell in cells]


def test_the_defaults_of_the_reference_are_the_defaults(tmp_path: Path) -> None:
    """A file with every default of the reference written out is the same configuration."""
    defaults = re.findall(r"^\| `(\S+)` \| `(.+?)` \|", reference(), flags=re.MULTILINE)
    written = {
        path.replace("[]", "[0]"): yaml.safe_load(text)
        for path, text in defaults
        if text != "null" and "oauth" not in path
    }
    assert len(written) > 30
    assert loaded(tmp_path, written, {}) == loaded(tmp_path, {}, {})


def test_code_may_write_numbers_and_secrets_where_operators_may_not() -> None:
    """The demo and tests build the same objects from seconds and strings; bounds hold there too."""
    source = SourceSettings(
        name="a", url="http://127.0.0.1:1/", api_key=ApiKey(id="k", pem=SecretStr("p")), interval=1.5, replica_lag=0
    )
    assert (source.interval, source.url) == (1.5, "http://127.0.0.1:1")
    assert source.api_key is not None
    assert source.api_key.read() == "p"
    with pytest.raises(ValidationError):
        KafkaSettings(bootstrap_servers=("nowhere",))


def test_a_configuration_does_not_change() -> None:
    """No room can change what another reads."""
    settings = KafkaSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.group = "other"


def test_the_file_may_be_absent_where_nobody_named_it(tmp_path: Path) -> None:
    """A container is configured by its environment alone; a file that was named must be there."""
    environ = {variable_of(p): _text(v) for p, v in LEAST_IN_ENVIRONMENT.items()}
    absent = tmp_path / "streamer.yaml"
    assert load(absent, environ, required=False) == load(None, environ) == loaded(tmp_path, {}, {})
    assert load(absent, {}, required=False) == loaded(tmp_path, {}, {})
    absent.unlink()
    with pytest.raises(Misconfigured, match="cannot read the configuration file"):
        load(absent, environ)


def test_a_reader_needs_no_source() -> None:
    """Commands that only read topics run on machines that know no Intersight; the service does not."""
    environ = {"STREAMER_KAFKA__VALUE_FORMAT": "avro"}
    assert load(None, environ, reader=True).sources == ()
    with pytest.raises(Misconfigured, match="sources: none given"):
        load(None, environ)

"""What is wrong is said with its key, what was given, and what is wanted; a secret is never said."""

import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.config import ApiKey, KafkaSettings, OAuth, Settings, SourceSettings, load
from streamer.errors import Misconfigured
from streamer.settings.keys import keys
from streamer.settings.layers import variable_of
from streamer.settings.section import is_secret
from tests.settings.least import loaded

LOUD = "hunter2"
S = "sources[0]"
CLIENT = {"client_id": "c", "client_secret_file": "/s"}
BEARER = {f"kafka.{k}": v for k, v in {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}.items()}
PLAIN = {"kafka.security_protocol": "SASL_SSL", "kafka.sasl_mechanism": "PLAIN"}
USER = {"kafka.sasl_username": "u", "kafka.sasl_password_file": "/p"}

# What is wrong with one key: path, value, what is said.
VALUES: list[tuple[str, Any, str]] = [
    (f"{S}.interval", "0.5s", f"{S}.interval: given '0.5s', wanted at least 1s"),
    (f"{S}.interval", 60, f"{S}.interval: given 60, wanted a duration with its unit, such as 60s, 5m or 30d"),
    (f"{S}.interval", "1 minute", f"{S}.interval: given '1 minute', wanted a duration such as 60s, 5m or 30d"),
    (f"{S}.interval", None, f"{S}.interval: given null, wanted a duration with its unit"),
    (f"{S}.page_size", 0, f"{S}.page_size: given 0, wanted at least 1"),
    (f"{S}.page_size", 1001, f"{S}.page_size: given 1001, wanted at most 1000"),
    (f"{S}.page_size", True, f"{S}.page_size: given true, wanted a number"),
    (f"{S}.page_size", "many", f"{S}.page_size: given 'many', wanted a whole number"),
    (f"{S}.timeout", "0s", f"{S}.timeout: given '0s', wanted more than 0s"),
    (f"{S}.name", "Prod US", f"{S}.name: given 'Prod US', wanted a text of the form [a-z0-9][a-z0-9-]{{0,62}}"),
    (f"{S}.name", "a\n", f"{S}.name: given 'a\\n', wanted a text of the form"),
    (f"{S}.name", 7, f"{S}.name: given 7, wanted a text, in quotes if it looks like something else"),
    (f"{S}.name", ..., f"{S}.name: missing, wanted the identity of its state"),
    (f"{S}.url", "intersight.com", f"{S}.url: given 'intersight.com', wanted the URL of a host alone, such as https"),
    (f"{S}.url", "https://x/api/v1", f"{S}.url: given 'https://x/api/v1', wanted the URL of a host alone"),
    (f"{S}.url", "https://x:99999", f"{S}.url: given 'https://x:99999', wanted the URL of a host alone"),
    (f"{S}.url", "ftp://x", f"{S}.url: given 'ftp://x', wanted the URL"),
    (f"{S}.url", "https://", f"{S}.url: given 'https://', wanted the URL"),
    (f"{S}.verify_tls", "maybe", f"{S}.verify_tls: given 'maybe', wanted true or false"),
    (f"{S}.first_run", "loud", f"{S}.first_run: given 'loud', wanted 'baseline' or 'silent'"),
    (f"{S}.replica_lag", "-1s", f"{S}.replica_lag: given '-1s', wanted a duration"),
    (f"{S}.proxy", "socks5://x:1", f"{S}.proxy: given 'socks5://x:1', wanted a URL such as http://proxy:3128"),
    (f"{S}.api_key", "k", f"{S}.api_key: given a single value, wanted keys with values"),
    (f"{S}.api_key.id", "", f"{S}.api_key.id: given '', wanted something, not nothing"),
    (f"{S}.api_key.file", "-----BEGIN X", f"{S}.api_key.file: given (hidden), wanted the path of a file, not what"),
    ("sources", {"a": {}}, "sources: given a mapping, wanted a list"),
    ("kafka", [], "kafka: given a list, wanted keys with values"),
    ("kafka.bootstrap_servers", [], "kafka.bootstrap_servers: given a list, wanted something, not nothing"),
    ("kafka.bootstrap_servers", ["a:1", "b"], "kafka.bootstrap_servers[1]: given 'b', wanted host:port, such as local"),
    (
        "kafka.bootstrap_servers",
        ["b"],
        "kafka.bootstrap_servers[0]: given 'b', wanted host:port, such as localhost:9092",
    ),
    ("kafka.bootstrap_servers", ["a:1", "http://b:1"], "kafka.bootstrap_servers[1]: given 'http://b:1', wanted host"),
    ("kafka.topic_prefix", "a b", "kafka.topic_prefix: given 'a b', wanted a text of the form"),
    ("kafka.security_protocol", "TLS", "given 'TLS', wanted 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ("kafka.replication_factor", 0, "kafka.replication_factor: given 0, wanted at least 1"),
    ("kafka.transaction.timeout", "1s", "kafka.transaction.timeout: given '1s', wanted at least 5s"),
    ("kafka.transaction.timeout", "1h", "kafka.transaction.timeout: given '1h', wanted at most 15m"),
    ("kafka.transaction.bytes", "1MiB", "kafka.transaction.bytes: given '1MiB', wanted at least 4MiB"),
    ("kafka.transaction.bytes", "16MB", "kafka.transaction.bytes: given '16MB', wanted a size such as 16MiB"),
    ("kafka.transaction.records", 1, "kafka.transaction.records: given 1, wanted at least 10"),
    ("registry.url", "registry:8081", "registry.url: given 'registry:8081', wanted a URL such as"),
    ("http.listen", "9464", "http.listen: given '9464', wanted host:port, such as 127.0.0.1:9464"),
    ("http.listen", "a:99999", "http.listen: given 'a:99999', wanted host:port"),
    ("http.listen", "::1:9464", "http.listen: given '::1:9464', wanted host:port"),
    ("http.hosts", ["http://a.example"], "http.hosts[0]: given 'http://a.example', wanted the name of a host alone"),
    ("http.hosts", ["*"], "http.hosts[0]: given '*', wanted the name of a host alone"),
    ("log.level", "loud", "log.level: given 'loud', wanted 'debug', 'info', 'warning' or 'error'"),
]


@pytest.mark.parametrize(("path", "value", "said"), VALUES, ids=[f"{p}={v}" for p, v, _ in VALUES])
def test_a_value_that_cannot_be_is_named(tmp_path: Path, path: str, value: Any, said: str) -> None:
    """The sentence has the key, what was given and what is wanted, and is the only one."""
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, {path: value}, {})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({f"{S}.oauth": CLIENT}, f"{S}: api_key and oauth are both given, wanted one of them"),
    ({f"{S}.api_key": ...}, f"{S}: no credential, wanted api_key or oauth"),
    ({f"{S}.api_key.file": ...}, f"{S}.api_key: a key without file or pem"),
    ({f"{S}.api_key.id": ...}, f"{S}.api_key: a key without id or id_file, wanted one of them"),
    ({f"{S}.api_key.id_file": "/id"}, f"{S}.api_key: id and id_file are both given, wanted one of them"),
    ({f"{S}.api_key": ..., f"{S}.oauth": {"client_id": "c"}}, f"{S}.oauth: a client without client_secret_file"),
    ({f"{S}.verify_tls": False, f"{S}.ca_file": "/c"}, f"{S}: ca_file is given, but verify_tls: false"),
    ({f"{S}.url": "http://x", f"{S}.ca_file": "/c"}, f"{S}: ca_file is given, but url begins with http:"),
    ({"kafka.sasl_mechanism": "PLAIN"}, "kafka: sasl_mechanism given, but security_protocol PLAINTEXT has no SASL"),
    ({"kafka.security_protocol": "SASL_SSL"}, "kafka: security_protocol SASL_SSL without sasl_mechanism"),
    (PLAIN, "kafka: sasl_mechanism PLAIN without sasl_username and sasl_password"),
    (PLAIN | {"kafka.sasl_username": "u"}, "kafka: sasl_mechanism PLAIN without sasl_password"),
    (
        PLAIN | USER | {"kafka.sasl_oauth_scope": "s"},
        "kafka: sasl_oauth_scope given, but sasl_mechanism PLAIN does not",
    ),
    (BEARER, "without sasl_oauth_token_url, sasl_oauth_client_id and sasl_oauth_client_secret"),
    (BEARER | USER, "kafka: sasl_mechanism OAUTHBEARER without"),
    ({"kafka.ssl_ca_file": "/c"}, "kafka: ssl_ca_file given, but security_protocol PLAINTEXT has no TLS"),
    (
        {"kafka.ssl_check_hostname": False},
        "kafka: ssl_check_hostname given, but security_protocol PLAINTEXT has no TLS",
    ),
    (
        {"kafka.security_protocol": "SSL", "kafka.ssl_cert_file": "/c"},
        "kafka: ssl_cert_file and ssl_key_file go togeth",
    ),
    ({"kafka.security_protocol": "SSL", "kafka.ssl_key_password_file": "/p"}, "but no ssl_key_file"),
    ({"registry.username": "u"}, "registry: username without a password"),
    ({"registry.password_file": "/p"}, "registry: a password without username"),
    (
        {"registry.username": "u", "registry.password_file": "/p", "registry.bearer_token_file": "/t"},
        "registry: username and a bearer token are both given",
    ),
    ({"registry.cert_file": "/c"}, "registry: cert_file and key_file go together"),
    ({"registry.url": "http://r", "registry.ca_file": "/c"}, "registry: ca_file given, but url begins with http:"),
]


@pytest.mark.parametrize(("changes", "said"), CONTRADICTIONS, ids=[said for _, said in CONTRADICTIONS])
def test_a_contradiction_names_what_contradicts_what(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """Keys that exclude or need each other are named together, whatever each alone would mean."""
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, changes, {})
    assert said in str(refused.value)


def test_two_sources_of_one_name_would_share_a_state(tmp_path: Path) -> None:
    """A name that stands twice is refused: it is the identity of the state."""
    one = {"name": "a", "url": "https://x", "api_key": {"id": "k", "file": "/f"}}
    with pytest.raises(Misconfigured, match="sources: a stands twice, wanted a name of its own for each"):
        loaded(tmp_path, {"sources": [one, one]}, {})


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("kafka.bootstrap_server", "kafka.bootstrap_servers"),
        ("kafak", "kafka"),
        (f"{S}.intervall", f"{S}.interval"),
        (f"{S}.page-size", f"{S}.page_size"),
        (f"{S}.api_key.keyfile", f"{S}.api_key.file"),
        ("kafka.transaction.record", "kafka.transaction.records"),
        ("topic_prefix", "kafka.topic_prefix"),
        ("kafka_bootstrap_servers", "kafka.bootstrap_servers"),
        ("log_level", "log.level"),
        ("kafka.page_size", f"{S}.page_size"),
    ],
)
def test_an_unknown_key_is_told_the_nearest(tmp_path: Path, path: str, meant: str) -> None:
    """First a key of the same section, then one of another; as a key to the file, as a variable to the environment."""
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, {path: LOUD}, {})
    assert str(refused.value) == f"{path}: unknown key, did you mean {meant}?"
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, {}, {variable_of(path): LOUD})
    assert str(refused.value) == f"{path}: unknown key by {variable_of(path)}, did you mean {variable_of(meant)}?"


def test_a_key_near_to_nothing_is_told_what_there_is(tmp_path: Path) -> None:
    """Where no key is near, the section's own are listed."""
    with pytest.raises(Misconfigured, match=r"log\.zzz: unknown key, wanted one of level, format"):
        loaded(tmp_path, {"log.zzz": 1}, {})


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    """Three wrong values are three lines, in the order of the keys; the variable that gave one is named."""
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, {f"{S}.page_size": 0, "log.level": "x"}, {"STREAMER_KAFKA__RETENTION": "1"})
    first, second, third = str(refused.value).splitlines()
    assert first.startswith(f"{S}.page_size: ")
    assert second.startswith("kafka.retention: given '1' by STREAMER_KAFKA__RETENTION, wanted a duration")
    assert third.startswith("log.level: ")


def test_an_item_of_a_list_in_one_variable_is_named_with_the_variable(tmp_path: Path) -> None:
    """A list may come whole, as text with commas or as YAML; what is wrong in it is still found."""
    for text in ("a:1,b", '["a:1", "b"]'):
        with pytest.raises(
            Misconfigured, match=r"bootstrap_servers\[1\]: given '.*' by STREAMER_KAFKA__BOOTSTRAP_SERV"
        ):
            loaded(tmp_path, {}, {"STREAMER_KAFKA__BOOTSTRAP_SERVERS": text})


SECRETS = [key.path.replace("[]", "[0]") for key in keys(Settings) if key.inner is None and is_secret(key.field)]


@pytest.mark.parametrize("path", SECRETS)
def test_a_secret_may_not_stand_in_the_file(tmp_path: Path, path: str) -> None:
    """The sentence names the key for a file and the variable; neither it nor its cause says the secret."""
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, {path: LOUD}, {})
    said = str(refused.value)
    assert f"{path}: a secret may not stand in the file, wanted {path.rpartition('.')[0]}." in said
    assert f"the variable {variable_of(path)}" in said
    assert LOUD not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("path", SECRETS)
def test_a_secret_of_the_environment_is_never_shown(tmp_path: Path, path: str) -> None:
    """Neither an error that it causes, nor one beside it, nor the text of the configuration repeats it."""
    for text in (LOUD, f"[{LOUD}]", f"{{{LOUD}: {LOUD}}}", f"'{LOUD}"):
        for changes in ({}, {"log.level": "x"}):
            assert LOUD not in _told(tmp_path, changes, {variable_of(path): text})


def _told(folder: Path, changes: dict[str, Any], environ: dict[str, str]) -> str:
    """All that can be printed of a configuration, or of the error with all it was raised from."""
    try:
        made = loaded(folder, changes, environ)
    except Misconfigured as error:
        return "".join(traceback.format_exception(error))
    return f"{made!r} {made} {made.model_dump_json()}"


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    """A section given as one text, an unknown key, a URL with a user part: the place is named, not the value."""
    for changes in (
        {f"{S}.api_key": LOUD},
        {f"{S}.api_key.pen": LOUD},
        {f"{S}.url": f"https://user:{LOUD}@x"},
        {f"{S}.proxy": f"http://user:{LOUD}@x:1"},
        {f"{S}.api_key.file": f"-----BEGIN PRIVATE KEY-----\n{LOUD}"},
        {"registry.url": f"https://user:{LOUD}@x"},
    ):
        with pytest.raises(Misconfigured) as refused:
            loaded(tmp_path, changes, {})
        assert LOUD not in "".join(traceback.format_exception(refused.value)), changes


def test_a_proxy_may_have_a_password_from_the_environment(tmp_path: Path) -> None:
    """It reaches whoever connects, and is masked where it is printed."""
    settings = loaded(tmp_path, {}, {"STREAMER_SOURCES__0__PROXY": f"http://user:{LOUD}@proxy:3128"})
    assert settings.sources[0].proxy == f"http://user:{LOUD}@proxy:3128"
    assert LOUD not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.model_dump(mode="json")["sources"][0]["proxy"] == "http://user:**********@proxy:3128"


def test_a_secret_comes_from_one_place(tmp_path: Path) -> None:
    """A file and a variable for the same secret are a contradiction, not a guess which one wins."""
    with pytest.raises(Misconfigured, match=r"sources\[0\]\.api_key: pem and file are both given, wanted one of them"):
        loaded(tmp_path, {}, {"STREAMER_SOURCES__0__API_KEY__PEM": LOUD})


def test_a_secret_is_read_from_its_file_when_it_is_needed(tmp_path: Path) -> None:
    """A line's end is no part of a secret, and a renewed file is seen; without file and value there is none."""
    path = tmp_path / "secret"
    key, client, kafka = ApiKey(id="k", file=path), OAuth(client_id="c", client_secret_file=path), KafkaSettings()
    for text in ("first\n", "second\r\n"):
        path.write_text(text, newline="")
        assert (key.read(), client.read()) == (text.strip(), text.strip())
    assert kafka.secret("sasl_password") is None


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"\n", "is empty, wanted"), (b"\xff\xfe", "is not UTF-8 text")]
)
def test_a_secrets_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Absent, empty, binary: the error has the key and the path; of an absent one it is said what belongs there."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match=said) as refused:
        OAuth(client_id="c", client_secret_file=path).read()
    assert "client_secret_file: " in str(refused.value)
    assert str(path) in str(refused.value)
    assert content is not None or "client_secret_file names the file with the client's secret" in refused.value.hint


def test_a_masked_configuration_is_one_that_loads(tmp_path: Path) -> None:
    """What is printed is written as operators write it: as a file it is the same configuration."""
    settings = loaded(tmp_path, {f"{S}.interval": "90s", "kafka.transaction.bytes": "5MiB"}, {})
    assert loaded(tmp_path, yaml.safe_load(yaml.safe_dump(settings.model_dump(mode="json"))), {}) == settings
    assert isinstance(settings.sources[0], SourceSettings)


def test_the_file_is_named_with_what_is_wrong_in_it(tmp_path: Path) -> None:
    """There may be several: whoever has forgotten `STREAMER_CONFIG` looks into another one."""
    path = tmp_path / "streamer.yaml"
    path.write_text("kafka: {grup: g}\n")

    with pytest.raises(Misconfigured, match=r"did you mean kafka\.group") as in_file:
        load(path, {}, reader=True)
    with pytest.raises(Misconfigured, match="did you mean STREAMER_KAFKA__GROUP") as in_environment:
        load(None, {"STREAMER_KAFKA__GRUP": "g"}, reader=True)

    assert in_file.value.hint == f"{path} was read; README, Configuration, lists every key"
    assert in_environment.value.hint == ""


def test_a_relative_path_says_where_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts it in another folder is told which one was looked in; an absolute path says all by itself."""
    monkeypatch.chdir(tmp_path)
    hints = []
    for path in (Path("key.pem"), tmp_path / "key.pem"):
        with pytest.raises(Misconfigured, match="No such file") as told:
            ApiKey(id="a/u/k", file=path).read()
        hints.append(told.value.hint)

    assert hints[0].endswith(f"; without a slash before it it begins in the current folder, {tmp_path}")
    assert hints[1].endswith("or name another path")

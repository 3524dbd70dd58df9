"""What an operator, or whoever writes for one, may put into the file and the environment; and faults in short."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from streamer.config import load
from streamer.demo.shorthand import read_fault, read_set
from streamer.errors import Misconfigured
from streamer.settings.layers import PREFIX
from tests.fuzz.spoiling import spoilt, tries

GOOD = b"""
sources:
  - name: prod-us
    url: https://intersight.com
    api_key: {id: "a/u/k", file: /run/secrets/intersight.pem}
    interval: 60s
    deletes: {hold_above: {percent: 10, at_least: 10, at_most: 500, window: 10m}}
kafka:
  bootstrap_servers: [kafka-1:9092, "[::1]:9092"]
  security_protocol: SASL_SSL
  sasl_mechanism: SCRAM-SHA-512
  sasl_username: me
  sasl_password_file: /run/secrets/word
  transaction: {records: 10000, bytes: 16MiB, timeout: 20s}
registry: {url: "http://registry:8081", timeout: 10s}
http: {listen: 127.0.0.1:9464}
"""
KEYS = st.sampled_from(
    [
        *("SOURCES", "SOURCES__0", "SOURCES__0__INTERVAL", "SOURCES__0__URL", "SOURCES__0__API_KEY__PEM", "SOURCES__1"),
        *("KAFKA", "KAFKA__BOOTSTRAP_SERVERS", "KAFKA__BOOTSTRAP_SERVERS__0", "KAFKA__TRANSACTION__BYTES", "KAFKA____"),
        *("KAFKA__SASL_PASSWORD", "REGISTRY__URL", "HTTP__LISTEN", "LOG", "SOURCES__99999999999999999999__NAME", "__"),
    ]
)
VALUES = st.text(st.characters(exclude_characters="\x00", exclude_categories=()), max_size=30) | st.sampled_from(
    ["[", "{a: [", "[" * 3000, "{a: &x [*x]}", "1e999d", "9" * 400 + "s", "http://[", "http://a:b@[::1", "null", "~"]
)


@given(spoilt(GOOD) | st.binary(max_size=60))
@example(b"a: &x [*x]")
@example(b"[" * 3000)
@example(b"a: 2001-99-99")
@example(b"a: !!int x")
@example(b"? [a]\n: b")
@tries(150)
def test_any_file(tmp_path: Path, content: bytes) -> None:
    """A configuration, or one error that says what is wrong."""
    (tmp_path / "streamer.yaml").write_bytes(content)
    with suppress(Misconfigured):
        load(tmp_path / "streamer.yaml", {}).model_dump(mode="json")


@given(st.dictionaries(KEYS | st.text("ABC_09", max_size=12), VALUES, max_size=5))
@example({"SOURCES": "[" * 3000})
@example({"SOURCES__1": "{a: &x [*x]}"})
@example({"KAFKA__BOOTSTRAP_SERVERS": "http://a:b@[::1"})
@tries(100)
def test_any_environment(tmp_path: Path, given_: dict[str, str]) -> None:
    """The same of variables, laid over a file."""
    (tmp_path / "streamer.yaml").write_bytes(GOOD)
    with suppress(Misconfigured):
        environ = {f"{PREFIX}{key}": value for key, value in given_.items()}
        load(tmp_path / "streamer.yaml", environ).model_dump(mode="json")


@given(
    spoilt(b"lag=3s:0.2", b"hidden=0.3,by_moid=403", b"html:0.05", b"all:0.02", b"status=503,path=/a").map(
        lambda text: text.decode(errors="replace")
    )
    | VALUES
)
@tries(400)
def test_any_fault_in_short(text: str) -> None:
    """A fault, or a `ValueError` that the command line makes one line of."""
    for read in (read_fault, read_set):
        with suppress(ValueError):
            read(text)

"""What a variable may say that a file says otherwise."""

from pathlib import Path

from streamer.settings.layers import variable_of
from tests.settings.least import loaded


def test_null_takes_a_value_of_the_file_away(tmp_path: Path) -> None:
    """`null` in a variable is YAML's null, but for a secret, which may be any text."""
    path = "sources[0].ca_file"
    assert loaded(tmp_path, {path: "/ca.pem"}, {variable_of(path): "null"}).sources[0].ca_file is None
    path = "sources[0].api_key.pem"
    pem = loaded(tmp_path, {"sources[0].api_key.file": ...}, {variable_of(path): "null"}).sources[0].api_key
    assert pem is not None
    assert pem.read() == "null"


def test_a_list_of_addresses_may_begin_with_a_bracket(tmp_path: Path) -> None:
    """An IPv6 address in a list with commas is no list in brackets."""
    settings = loaded(tmp_path, {}, {"STREAMER_KAFKA__BOOTSTRAP_SERVERS": "[::1]:9092, b:1"})
    assert settings.kafka.bootstrap_servers == ("[::1]:9092", "b:1")

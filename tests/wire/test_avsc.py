"""The schema files: found where they are installed, else where they are kept; read as they are."""

from pathlib import Path

import pytest

from streamer.errors import Misconfigured
from streamer.wire import avsc

ROOT = Path(__file__).parents[2]


def _with_schemas(folder: Path) -> Path:
    (folder / "schemas").mkdir(parents=True)
    return folder


def test_the_installed_package_comes_before_the_checkout(tmp_path: Path) -> None:
    """An installed streamer reads the schemas it was installed with, whatever folder it stands beside."""
    package, checkout = _with_schemas(tmp_path / "package"), _with_schemas(tmp_path / "checkout")
    assert avsc.find_schemas(package, checkout) == package / "schemas"


def test_a_checkout_is_used_where_the_package_carries_none(tmp_path: Path) -> None:
    """An editable install has no package data: the files at the top of the checkout are its schemas."""
    checkout = _with_schemas(tmp_path / "checkout")
    assert avsc.find_schemas(tmp_path / "package", checkout) == checkout / "schemas"


def test_an_installation_without_schemas_says_so(tmp_path: Path) -> None:
    """Neither folder: the error names both, and what to do."""
    with pytest.raises(Misconfigured, match=r"neither .*package.schemas nor .*checkout.schemas") as caught:
        avsc.find_schemas(tmp_path / "package", tmp_path / "checkout")
    assert "install" in caught.value.hint


def test_every_file_is_a_schema_and_is_given_verbatim() -> None:
    """What is registered is the file, character for character, under the stem of its name."""
    files = {path.stem: path.read_bytes() for path in (ROOT / "schemas").iterdir()}
    assert {name: avsc.schema_text(name).encode() for name in avsc.schema_names()} == files
    assert list(avsc.schema_names()) == sorted(files)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """Who asks for a schema that is not there learns which are."""
    with pytest.raises(Misconfigured, match=r"'token'.* oauth_token_event, "):
        avsc.schema_text("token")


def test_logical_types_are_left_out_wherever_they_stand() -> None:
    """Instants become plain integers inside unions, arrays and records; everything else stays."""
    instant = {"type": "long", "logicalType": "timestamp-millis"}
    schema = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "a", "type": instant, "doc": "A."},
            {"name": "b", "type": ["null", instant], "default": None},
            {"name": "c", "type": {"type": "array", "items": instant}},
        ],
    }
    assert avsc.without_logical_types(schema) == {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "a", "type": "long", "doc": "A."},
            {"name": "b", "type": ["null", "long"], "default": None},
            {"name": "c", "type": {"type": "array", "items": "long"}},
        ],
    }

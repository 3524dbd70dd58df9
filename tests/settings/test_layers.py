"""A file and the environment become one tree; what leads nowhere is said, and nothing secret is."""

from pathlib import Path
from typing import Any

import pytest

from streamer.errors import Misconfigured
from streamer.settings.layers import FromEnvironment, overlay, read_file, unfolded, variable_of


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "streamer.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kafka: {group: a}\nlog: {}\nkafka: {}", "line 3: the key 'kafka' stands twice"),
        ("kafka:\n  group: a\n  group: b", "line 3: the key 'group' stands twice"),
        ("kafka: {1: x}", "line 1: the key 1 is not text"),
        ("on: x", "the key True is not text"),
        ("- a", "holds a list, wanted keys with values"),
        ("just text", "holds a single value, wanted keys with values"),
        ("a: [", "line 1: not YAML, here or just above: look at colons, quotes and indentation"),
        ("a: b: c", "line 1: not YAML, here or just above"),
        ("a:\n\tb: c", "line 2: not YAML, here or just above"),
        ("a: 2020-13-45", "not YAML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("a: 1\n---\nb: 2", "but found another document"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    """Broken YAML, repeated or odd keys, several documents and foreign tags are errors with the file's name."""
    with pytest.raises(Misconfigured) as refused:
        read_file(_file(tmp_path, text))
    assert said in str(refused.value)
    assert "streamer.yaml" in str(refused.value)


@pytest.mark.parametrize(
    "value", ["*hunter2", "!hunter2 x", '"hunter2', "'hunter2", "{hunter2", "hunter2: hunter2", "@hunter2"]
)
def test_a_file_that_cannot_be_parsed_is_not_quoted(tmp_path: Path, value: str) -> None:
    """A syntax error in the line of a secret names the line and does not repeat what stands in it."""
    with pytest.raises(Misconfigured) as refused:
        read_file(_file(tmp_path, f"kafka:\n  sasl_password: {value}\n"))
    assert "line " in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None  # its text would quote the line


def test_a_file_that_is_not_there_says_how_to_name_another(tmp_path: Path) -> None:
    """The error names the path and the two ways to name another."""
    with pytest.raises(Misconfigured, match=r"absent\.yaml: No such file") as refused:
        read_file(tmp_path / "absent.yaml")
    assert "--config" in refused.value.hint
    assert "STREAMER_CONFIG" in refused.value.hint


def test_an_empty_file_and_a_merge_key_are_plain_yaml(tmp_path: Path) -> None:
    """No content is no keys; `<<` works, and a key beside it wins over the merged one."""
    assert read_file(_file(tmp_path, "# nothing\n")) == {}
    merged = read_file(_file(tmp_path, "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}"))
    assert merged["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("tree", "environ", "expected"),
    [
        ({}, {"STREAMER_LOG__LEVEL": "debug"}, {"log": {"level": "debug"}}),
        ({"log": {"level": "info"}}, {"STREAMER_LOG__LEVEL": "debug"}, {"log": {"level": "debug"}}),
        ({"log": None}, {"STREAMER_LOG__LEVEL": "debug"}, {"log": {"level": "debug"}}),
        ({"s": [{"n": "a"}]}, {"STREAMER_S__0__N": "b"}, {"s": [{"n": "b"}]}),
        ({"s": [{"n": "a"}]}, {"STREAMER_S__1__N": "b"}, {"s": [{"n": "a"}, {"n": "b"}]}),
        ({}, {f"STREAMER_S__{i}__N": str(i) for i in range(12)}, {"s": [{"n": str(i)} for i in range(12)]}),
        ({}, {"STREAMER_S__0__N": "b", "STREAMER_S": "[{n: a, m: c}]"}, {"s": [{"n": "b", "m": "c"}]}),
        ({"a": 1}, {"STREAMER_A": ""}, {"a": 1}),
        ({}, {"STREAMER_CONFIG": "x", "OTHER": "y", "streamer_a": "z"}, {}),
    ],
)
def test_the_environment_lies_over_the_file(tree: dict[str, Any], environ: dict[str, str], expected: Any) -> None:
    """`__` goes down, a number is an index, the next one appends, a list comes before its items, empty is unset."""
    assert overlay(tree, environ) == expected


@pytest.mark.parametrize(
    "name",
    ["STREAMER_PORT", "STREAMER_PORT_9464_TCP", "STREAMER_PORT_9464_TCP_ADDR", "STREAMER_SERVICE_HOST",
     "STREAMER_SERVICE_PORT", "STREAMER_SERVICE_PORT_HTTP", "STREAMER_DEMO_SERVICE_HOST"],
)  # fmt: skip
def test_variables_that_kubernetes_makes_are_no_keys(name: str) -> None:
    """A Kubernetes service called `streamer` puts these into every pod; none of them is taken for a key."""
    assert overlay({}, {name: "tcp://10.0.0.1:9464"}) == {}


@pytest.mark.parametrize(
    ("tree", "name", "said"),
    [
        ({"s": [{}]}, "STREAMER_S__5__N", "given index 5, wanted 1"),
        ({"s": [{}]}, "STREAMER_S__NAME__N", "wanted an index of the list"),
        ({"a": {"b": 1}}, "STREAMER_A__B__C", "'c' leads nowhere"),
        ({"a": {"b": 1}}, "STREAMER_A__0", "'0' leads nowhere"),
    ],
)
def test_a_variable_that_leads_nowhere_is_named(tree: dict[str, Any], name: str, said: str) -> None:
    """A step into a plain value, a gap in a list, a name for an index: each names the variable, none its value."""
    with pytest.raises(Misconfigured) as refused:
        overlay(tree, {name: "hunter2"})
    assert name in str(refused.value)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_every_text_of_a_variable_remembers_the_variable() -> None:
    """A list or mapping given in one variable keeps its origin in each text; numbers stay what they are."""
    value = unfolded(FromEnvironment('[{"a": "x", "b": 1, "c": true}]', "STREAMER_S"))
    assert value == [{"a": "x", "b": 1, "c": True}]
    assert value[0]["a"].variable == "STREAMER_S"


def test_a_key_and_its_variable_are_one_name() -> None:
    """The variable of a path leads back to that path."""
    assert variable_of("sources[0].api_key.pem") == "STREAMER_SOURCES__0__API_KEY__PEM"
    assert overlay({}, {variable_of("sources[0].api_key.pem"): "x"}) == {"sources": [{"api_key": {"pem": "x"}}]}

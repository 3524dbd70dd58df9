"""`streamer siem`, as called by a person and in a pipe."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamer.commands.siem import command
from streamer.errors import Misconfigured
from streamer.invocation import Invocation
from streamer.siem.pipelines.catalogue import PIPELINES
from tests.siem import hunting
from tests.siem.renderings import calls, deployment

NAMES = (*PIPELINES, "sigma")


def call(*arguments: str, **environ: str) -> Result:
    """Call the command, with keys of the configuration as variables."""
    return CliRunner().invoke(command, list(arguments), obj=Invocation(environ))


@pytest.mark.parametrize(("name", "chosen"), list(calls()))
def test_what_is_printed_is_the_rendering(name: str, chosen: dict[str, str]) -> None:
    """Standard output is the configuration and nothing else, so that `>` makes a file to run."""
    options = [part for key, value in chosen.items() for part in (f"--{key}", value)]
    told = call(name, *options, STREAMER_KAFKA__TOPIC_PREFIX="acme")

    assert told.exit_code == 0
    assert bool(told.stderr) == (PIPELINES[name].notes is not None)
    assert told.stdout == PIPELINES[name].render(deployment({"topic_prefix": "acme"}), **chosen)


@pytest.mark.parametrize("name", NAMES)
def test_each_helps_with_examples_that_parse(name: str) -> None:
    """Every subcommand has two examples, and each has the options that it is shown with."""
    told = call(name, "--help")
    examples = [line.strip() for line in told.stdout.splitlines() if line.strip().startswith(f"streamer siem {name} ")]

    assert told.exit_code == 0
    assert len(examples) == 2
    for example in examples:
        arguments = shlex.split(example.partition(">")[0].partition("&&")[0])[3:]
        command.commands[name].make_context(name, arguments, obj=Invocation({}))


def test_it_needs_no_source() -> None:
    """Whoever runs the collector has neither the accounts' keys nor the sources."""
    assert call("vector").exit_code == 0


def test_without_a_configuration_it_says_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rendering for localhost is what somebody gets who forgot the file: that is said, with what counts as given."""
    monkeypatch.chdir(tmp_path)
    told = call("vector")
    (tmp_path / "streamer.yaml").write_text("kafka: {bootstrap_servers: [kafka-1:9092]}\n")

    assert "no configuration is given (-c, $STREAMER_CONFIG, streamer.yaml here" in told.stderr
    assert "Kafka at localhost:9092, the registry at http://localhost:8081" in told.stderr
    assert call("vector").stderr == ""


@pytest.mark.parametrize("name", ["kafka-connect-splunk", "kafka-connect-elasticsearch"])
def test_what_json_has_no_place_for_is_said_beside_it(name: str) -> None:
    """The variables, the worker's own lines and the relay, as in the first lines of the other renderings."""
    form = ("--form", "ecs") if PIPELINES[name].forms else ()
    told = call(name, *form, STREAMER_KAFKA__VALUE_FORMAT="avro")

    variables = "SPLUNK_HEC_URL, SPLUNK_HEC_TOKEN" if form else "ELASTICSEARCH_URL, ELASTICSEARCH_USER, "
    assert f"streamer: Variables it reads: {variables}" in told.stderr
    assert f"filled by `streamer relay --format {'ecs' if form else 'json'}`" in told.stderr
    assert "config.providers=env" in told.stderr
    assert "on Kafka Connect 4.3.1. Reads cisco.intersight" in told.stderr


def test_a_choice_that_is_none_is_refused() -> None:
    """A destination that a collector does not have is wrong usage, with those that it has."""
    told = call("logstash", "--to", "splunk")

    assert told.exit_code == 2
    assert "sentinel" in told.stderr


def test_what_cannot_work_ends_as_misconfigured() -> None:
    """The sentence of the renderer is what ends the command, and nothing is printed before it."""
    told = call("logstash", STREAMER_REGISTRY__BEARER_TOKEN="t")

    assert isinstance(told.exception, Misconfigured)
    assert told.stdout == ""


def test_rules_are_written_and_named(tmp_path: Path) -> None:
    """Every rule lands in the folder, which is made, and its path is printed."""
    folder = tmp_path / "new" / "rules"
    told = call("sigma", "--out", str(folder))

    assert told.exit_code == 0
    shipped = hunting.shipped()
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == dict(shipped)
    assert told.stdout.split() == [str(folder / name) for name in shipped]


def test_an_edited_rule_is_not_replaced(tmp_path: Path) -> None:
    """Nothing is written where a file says something else, which is named; `--force` replaces it."""
    call("sigma", "--out", str(tmp_path))
    rule = tmp_path / "silence.esql"
    shipped, again = rule.read_bytes(), call("sigma", "--out", str(tmp_path))
    rule.write_text("FROM mine")
    refused, kept = call("sigma", "--out", str(tmp_path)), rule.read_text()
    forced = call("sigma", "--out", str(tmp_path), "--force")

    assert (again.exit_code, forced.exit_code, rule.read_bytes(), kept) == (0, 0, shipped, "FROM mine")
    assert isinstance(refused.exception, Misconfigured)
    assert str(refused.exception).endswith("say something else: silence.esql")
    assert "--force" in refused.exception.hint
    assert refused.stdout == ""


def test_searches_and_the_alert_on_silence_are_this_deployments(tmp_path: Path) -> None:
    """Its indices, and three of its longest intervals."""
    configuration = tmp_path / "streamer.yaml"
    key = "api_key: {id: a/u/k, file: key.pem}"
    configuration.write_text(
        f"sources:\n- {{name: a, url: 'https://i.example', interval: 5m, {key}}}\n"
        f"- {{name: b, url: 'https://i.example', {key}}}\nkafka: {{topic_prefix: sim.tokens}}\n"
    )
    told = call("sigma", "--out", str(tmp_path / "rules"), "-c", str(configuration))

    assert told.exit_code == 0, told.stderr
    texts = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "rules").iterdir()}
    assert "FROM sim.tokens.snapshots\n" in texts["silence.esql"]
    assert "silent_s > 900\n" in texts["silence.esql"]
    assert '"now-900s"' in texts["silence.lucene.json"]
    assert '"indices": ["sim.tokens.snapshots"]' in texts["03_outlived_expiry.lucene.json"]
    assert '"sim.tokens.ecs*"]' in texts["04_burst_for_one_user.lucene.json"]


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    """What is written to may be full: said so, with status 1, and no trace of our own lines."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "streamer", "siem", "vector"],
            env={**os.environ, "STREAMER_KAFKA__TOPIC_PREFIX": "acme"},
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (1, b"streamer: what it writes to is full: No space left on device\n")


def test_rules_are_written_whole_where_nobody_reads_their_names(tmp_path: Path) -> None:
    """A pipe that is closed, as by `head`, is no fault of the folder: all files are there, and it is done."""
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "streamer", "siem", "sigma", "--out", "rules"]
    with os.fdopen(writes, "wb") as closed:
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, cwd=tmp_path, check=False)

    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in (tmp_path / "rules").iterdir()} == set(hunting.shipped())


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A file in the way is named with the option."""
    (tmp_path / "file").write_text("")

    told = call("sigma", "--out", str(tmp_path / "file" / "rules"))

    assert isinstance(told.exception, Misconfigured)
    assert "--out" in str(told.exception)

"""docker-compose.yml without an engine: everything in it that another room can judge is judged by that room.

Not judged here: that the images exist and the containers come up.
"""

import asyncio
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streamer import cli
from streamer.config import load
from streamer.health import Board
from streamer.invocation import Invocation
from streamer.serving import serve
from streamer.status.application import application
from tests.process import Process
from tests.services import kafka, registry

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE_GO = "github.com/compose-spec/compose-go/v2@v2.16.2"
OURS = ("streamer", "relay", "simulator", "follow")


def _interpolated(text: str, **given: str) -> dict[str, Any]:
    """The file as compose reads it: `${NAME:-default}` replaced. No other form stands in it."""
    assert re.findall(r"\$(?!\{\w+:-)", text) == []
    replaced = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)
    return dict(yaml.safe_load(replaced))


COMPOSE = _interpolated(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = SERVICES["streamer"]["build"]["dockerfile_inline"].splitlines()


def _environ(service: str) -> dict[str, str]:
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


def _unavailable(sentence: str) -> Any:
    """Skip, and fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


@pytest.fixture(scope="module", name="specification")
def _specification(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON schema of compose files, as the module of compose's own parser carries it."""
    go = shutil.which("go")
    if go is None:
        _unavailable("This needs Go to fetch the schema of compose files: install `go` (Debian: golang-go).")
    told = subprocess.run(
        [str(go), "mod", "download", "-json", COMPOSE_GO],
        cwd=tmp_path_factory.mktemp("module"),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    if told.returncode != 0:
        _unavailable(f"Go could not fetch {COMPOSE_GO}; check its network and settings: {told.stdout[-300:]}")
    folder = Path(json.loads(told.stdout)["Dir"])
    return dict(json.loads((folder / "schema" / "compose-spec.json").read_text()))


def test_the_file_is_what_the_specification_asks_for(specification: dict[str, Any]) -> None:
    """It is valid by the compose specification, and the check is one that fails."""
    validator = jsonschema.validators.validator_for(specification)(specification)
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    for path, value in (("restart", 1), ("comand", ["run"]), ("healthcheck", {"test": 5}), ("profiles", "demo")):
        broken = COMPOSE | {"services": {"x": SERVICES["streamer"] | {path: value}}}
        assert list(validator.iter_errors(broken)), path


def test_without_a_profile_there_is_no_stage() -> None:
    """Kafka, registry and streamer are the deployment; lines of JSON are asked for, and the stage is for `demo`."""
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert profiles == {
        "kafka": [],
        "registry": [],
        "streamer": [],
        "relay": ["relay"],
        "simulator": ["demo"],
        "follow": ["demo"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }


def test_whoever_waits_for_another_can() -> None:
    """Nobody waits for the health of a service without a check, nor needs one that its profile leaves out."""
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other], (name, other)
            left_out = set(SERVICES[other].get("profiles", [])) - set(service.get("profiles", []))
            assert not left_out or how["required"] is False, (name, other)


def test_versions_are_those_that_the_tests_ran_on() -> None:
    """Broker and registry are those of the tests, and the registry is spoken to at the same face."""
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka.KAFKA}"
    assert SERVICES["registry"]["image"] == f"apicurio/apicurio-registry:{registry.APICURIO}"
    assert _environ("streamer")["STREAMER_REGISTRY__URL"].endswith(f":8080{registry.FACE}")


def test_nothing_is_reachable_from_another_machine() -> None:
    """Ports without authentication are published on this machine only."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_addresses_between_services_are_those_they_listen_on() -> None:
    """What the streamer is told of Kafka is what Kafka advertises; health listens where its port is published from."""
    advertised = dict(item.split("://") for item in _environ("kafka")["KAFKA_ADVERTISED_LISTENERS"].split(","))
    outside = advertised["OUTSIDE"].rpartition(":")[2]
    assert _environ("streamer")["STREAMER_KAFKA__BOOTSTRAP_SERVERS"] == advertised["INSIDE"]
    assert _environ("registry")["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"] == advertised["INSIDE"]
    assert f"127.0.0.1:{outside}:19092" in SERVICES["kafka"]["ports"]
    assert "OUTSIDE://:19092" in _environ("kafka")["KAFKA_LISTENERS"]
    assert SERVICES["streamer"]["ports"] == [f"127.0.0.1:9464:{_environ('streamer')['STREAMER_HTTP__LISTEN'][-4:]}"]


@pytest.mark.parametrize("service", OURS)
def test_a_command_is_one_of_ours(service: str) -> None:
    """The real command line understands each service's command and all its options."""
    group = click.Context(cli.streamer, obj=Invocation({}))
    _, command, rest = cli.streamer.resolve_command(group, list(SERVICES[service]["command"]))
    assert command is not None
    assert command.make_context(service, list(rest), parent=group).args == []
    with pytest.raises(click.UsageError):
        command.make_context(service, [*rest, "--no-such-option"], parent=group)


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user of the image is a number other than 0, and a container can change nothing but its volume."""
    for service in OURS:
        lines = SERVICES[service]["build"]["dockerfile_inline"].splitlines()
        (user,) = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert int(user) > 0
        assert f"--uid {user} " in "".join(lines)
        assert SERVICES[service]["read_only"] is True
        assert SERVICES[service]["cap_drop"] == ["ALL"]


def test_the_image_is_built_from_files_that_are_there() -> None:
    """What is copied exists and is not kept out of the build, and nothing else comes along: no key, no environment."""
    copied = {source for line in DOCKERFILE if line.startswith("COPY ") for source in line.split()[1:-1]}
    kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert all((ROOT / source).exists() for source in copied)
    assert kept[0] == "*"
    assert {line.removeprefix("!") for line in kept if line.startswith("!")} == copied
    assert not any(fnmatch.fnmatch(source, line) for line in kept[1:] if line[0] != "!" for source in copied)


def _needed() -> dict[str, str]:
    """What the service needs and what that needs in turn, with the versions that are installed here."""
    found: dict[str, str] = {}
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    open_ = [Requirement(line) for line in asked]
    while open_:
        one = open_.pop()
        found[canonicalize_name(one.name)] = version(one.name)
        for other in map(Requirement, requires(one.name) or []):
            meant = other.marker is None or any(other.marker.evaluate({"extra": e}) for e in ("", *one.extras))
            if meant and canonicalize_name(other.name) not in found:
                open_.append(other)
    return found


def test_the_image_has_the_versions_that_were_tested() -> None:
    """It installs by the constraints that CI installs by, and they leave no library of the service open."""
    (install,) = [line for line in DOCKERFILE if "pip install" in line]
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "tests" / "constraints.txt").read_text(), re.MULTILINE))
    here = _needed()

    assert any(line.endswith(" tests/constraints.txt /src/") for line in DOCKERFILE)
    assert "--constraint /src/constraints.txt " in install
    assert here.keys() <= pinned.keys()
    if "PIP_CONSTRAINT" in os.environ:  # so CI installed what is here
        assert here.items() <= pinned.items()


def test_a_deployments_own_folder_takes_the_simulators_place() -> None:
    """One variable exchanges the simulator's volume for a folder with a configuration and keys."""
    mine = _interpolated(TEXT, STREAMER_FOLDER="./deployment")["services"]
    assert mine["streamer"]["volumes"] == ["./deployment:/etc/streamer:ro"]
    assert mine["simulator"]["volumes"] == ["simulator:/etc/streamer"]
    assert set(COMPOSE["volumes"]) == {"kafka", "prometheus", "simulator"}


def test_prometheus_and_grafana_find_what_they_read() -> None:
    """Files stand where each looks for them by default, and name each other and the streamer as compose does."""
    folder = ROOT / "streamer" / "status" / "observability"
    mounted = {name: dict([SERVICES[name]["volumes"][0].split(":")[:2]]) for name in ("prometheus", "grafana")}
    assert mounted == {
        "prometheus": {f"./{folder.relative_to(ROOT)}": "/etc/prometheus"},
        "grafana": {f"./{folder.relative_to(ROOT)}/grafana": "/etc/grafana/provisioning"},
    }
    (job,) = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert target == f"streamer:{_environ('streamer')['STREAMER_HTTP__LISTEN'].rpartition(':')[2]}"
    (source,) = yaml.safe_load((folder / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    home = Path(_environ("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (folder / "grafana" / home.relative_to("/etc/grafana/provisioning")).exists()


async def _passes(service: str, port: int, url: str) -> bool:
    """Run the health check of a service against a `url` of this machine in place of its own `port`."""
    kind, program, *arguments = SERVICES[service]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    own = f"http://127.0.0.1:{port}"
    assert any(own in argument for argument in arguments)
    check = await asyncio.create_subprocess_exec(
        sys.executable, *(argument.replace(own, url) for argument in arguments), stderr=asyncio.subprocess.DEVNULL
    )
    return await check.wait() == 0


async def test_the_streamer_is_healthy_when_it_is_ready() -> None:
    """The health check passes for a service that is ready, and not for one that is not or not there."""
    board = Board(missing={})
    async with serve(application(board, lambda: 0)) as url:
        assert await _passes("streamer", 9464, url)
        board.missing["registry"] = "no answer"
        assert not await _passes("streamer", 9464, url)
    assert not await _passes("streamer", 9464, url)


async def test_the_demo_configures_itself(tmp_path: Path) -> None:
    """The simulator, run by its own command, is healthy and leaves a file that the others' environment completes.

    Only the address to listen on and the folder are exchanged.
    """
    host, port = kafka.loopback()
    command = [*SERVICES["simulator"]["command"], "--host", host, "--port", str(port), "--output", "json"]
    folder = Path(SERVICES["simulator"]["volumes"][0].partition(":")[2])
    command[command.index("--key-dir") + 1] = str(tmp_path / "keys")
    simulator = Process(*command, folder=tmp_path, environ={})
    await simulator.start()
    try:
        await simulator.says("\n")
        facts = json.loads(simulator.said())
        assert facts["url"] == "http://simulator:8180"
        assert await _passes("simulator", 8180, f"http://{host}:{port}")
        assert await simulator.stop() == 0
    finally:
        await simulator.end()

    for service in ("streamer", "relay", "follow"):
        environ = _environ(service)
        assert environ["STREAMER_CONFIG"] == str(folder / Path(facts["config"]).name)
        settings = load(Path(facts["config"]), environ)
        assert settings.sources[0].url == facts["url"]
        assert settings.sources[0].api_key is not None
        assert "PRIVATE KEY" in settings.sources[0].api_key.read()
        assert settings.kafka.bootstrap_servers == ("kafka:9092",)
        assert settings.registry is not None
        assert settings.registry.url == "http://registry:8080/apis/ccompat/v7"
    assert load(Path(facts["config"]), _environ("streamer")).http.listen.startswith("0.0.0.0:")

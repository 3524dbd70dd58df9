"""README's example for Kubernetes without a cluster: what another room can judge in it is judged by that room.

Not judged here: what Kubernetes makes of it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import pytest
import yaml

from streamer.config import Settings, load
from streamer.health import Board
from streamer.serving import serve
from streamer.status.application import application
from streamer.watch import FINISH_S

ROOT = Path(__file__).parents[1]
CHAPTER = (ROOT / "README.md").read_text().partition("### On Kubernetes\n")[2].partition("\n### ")[0]
MAP, DEPLOYMENT = yaml.safe_load_all(CHAPTER.partition("```yaml\n")[2].partition("```")[0])
POD: dict[str, Any] = DEPLOYMENT["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
ENVIRON = {one["name"]: one["value"] for one in CONTAINER["env"]}
MOUNTS = {PurePosixPath(one["mountPath"]): one["name"] for one in CONTAINER["volumeMounts"]}
VOLUMES = {one["name"]: one for one in POD["spec"]["volumes"]}


@pytest.fixture(name="settings")
def _settings(tmp_path: Path) -> Settings:
    """What the container is configured to do, by the file of the config map that its environment names."""
    named = PurePosixPath(ENVIRON["STREAMER_CONFIG"])
    assert VOLUMES[MOUNTS[named.parent]]["configMap"] == {"name": MAP["metadata"]["name"]}
    (tmp_path / named.name).write_text(MAP["data"][named.name])
    return load(tmp_path / named.name, ENVIRON)


def test_secrets_are_files_of_the_secret_that_is_made(settings: Settings) -> None:
    """Every file that the configuration names lies in the secret's volume, under a name that `kubectl` is given."""
    made = set(re.findall(r"--from-file=(\S+)", CHAPTER))
    kafka, (source,) = settings.kafka, settings.sources
    assert source.api_key is not None
    files = [source.api_key.file, kafka.ssl_ca_file, kafka.sasl_password_file]
    named = [PurePosixPath(file) for file in files if file is not None]

    assert MAP["data"]["streamer.yaml"].count("/run/secrets/") == len(named)
    assert {VOLUMES[MOUNTS[file.parent]]["secret"]["secretName"] for file in named} == {
        re.findall(r"create secret generic (\S+)", CHAPTER)[0]
    }
    assert {file.name for file in named} == made


async def test_probes_ask_for_what_is_served(settings: Settings) -> None:
    """Both answer where the configuration listens; only readiness waits for what a start needs."""
    (port,) = CONTAINER["ports"]
    board = Board(missing={"registry": "no answer"})
    async with serve(application(board, lambda: 0)) as url, httpx.AsyncClient(base_url=url) as http:
        told = {}
        for probe in ("livenessProbe", "readinessProbe"):
            asked = CONTAINER[probe]["httpGet"]
            assert asked["port"] == port["name"]
            before = (await http.get(asked["path"], headers={"host": "10.0.0.7:9464"})).status_code
            board.missing.clear()
            told[probe] = before, (await http.get(asked["path"])).status_code
            board.missing["registry"] = "no answer"

    assert settings.http.listen == f"0.0.0.0:{port['containerPort']}"
    assert told == {"livenessProbe": (200, 200), "readinessProbe": (503, 200)}


def test_two_workers_run_as_nobody_in_particular() -> None:
    """One may be away, each is left the time to stop, and they can change nothing but a small folder in memory."""
    spec = DEPLOYMENT["spec"]

    assert spec["replicas"] == 2
    assert spec["selector"]["matchLabels"] == POD["metadata"]["labels"]
    assert CONTAINER["args"] == ["run"]
    assert POD["spec"]["terminationGracePeriodSeconds"] > FINISH_S
    assert POD["spec"]["securityContext"]["runAsUser"] == 10001
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert {name for name in MOUNTS.values() if "emptyDir" in VOLUMES[name]} == {"tmp"}

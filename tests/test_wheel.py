"""What people install works away from the checkout: the wheel, the sdist, and the editable install of a developer."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_string
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import house

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = ast.literal_eval((ROOT / "streamer" / "__init__.py").read_text().rpartition("__version__ = ")[2])
DIST = f"intersight_token_streamer-{VERSION}"


def _run(*command: str | Path, folder: Path) -> str:
    """Run a program away from the checkout, with nothing of it in the environment; its standard output."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "STREAMER_", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def _pip(*arguments: str | Path, folder: Path) -> None:
    _run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments, folder=folder)


def _bare(folder: Path) -> Path:
    """A virtual environment with what we depend on and without us; its `bin`.

    The dependencies are those of the running environment, seen through a path file; our own editable install is itself
    a path file there, and one path file does not read another's.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return folder / "bin"


@pytest.fixture(scope="module", name="wheel")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, folder=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_package_and_its_schemas(wheel: Path) -> None:
    """The schemas lie inside the package, byte for byte; nothing else of ours would lie beside it in site-packages."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        schemas = {Path(n).name: archive.read(n) for n in names if n.startswith("streamer/schemas/")}
    assert {name.partition("/")[0] for name in names} == {"streamer", f"{DIST}.dist-info"}
    assert schemas == {path.name: path.read_bytes() for path in (ROOT / "schemas").iterdir()}
    assert {n for n in names if n.endswith(".py")} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "streamer").rglob("*.py")
    }
    detections = {Path(n).name for n in names if n.startswith("streamer/siem/sigma/")}
    assert detections == {path.name for path in (ROOT / "streamer" / "siem" / "sigma").iterdir()}
    assert {f"{DIST}.dist-info/licenses/LICENSE", "streamer/py.typed"} <= set(names)


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    """Its metadata asks for exactly the dependencies of pyproject.toml, those of the extras under their names.

    It carries README as an index shows it, and the version that stands in the package and nowhere else.
    """
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_string(archive.read(f"{DIST}.dist-info/METADATA").decode())
    assert (metadata["Version"], PROJECT["dynamic"]) == (VERSION, ["version"])
    assert metadata["License-Expression"] == PROJECT["license"]
    assert (metadata["Description-Content-Type"], metadata.get_payload()) == ("text/markdown", README)
    asked = {line.replace(" ", "") for line in metadata.get_all("Requires-Dist", [])}
    wanted = {_normal(line) for line in PROJECT["dependencies"]}
    for extra, lines in PROJECT["optional-dependencies"].items():
        wanted |= {f"{_normal(line)};extra=='{extra}'" for line in lines}
    assert {_normal(line.partition(";")[0]) + line[len(line.partition(";")[0]) :] for line in asked} == wanted
    assert metadata["Requires-Python"] == PROJECT["requires-python"]


def test_the_sdist_is_the_checkout_and_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """It holds all that is committed, but for CI's script, and nothing else; what is packed again is the same bytes."""
    _run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path, folder=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.removeprefix(f"{DIST}/") for name in archive.getnames()}
    if (ROOT / ".git").exists():
        assert names == {*house.tracked(ROOT), "PKG-INFO"} - {".ci/run"}
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, sdist, folder=tmp_path)
    (again,) = tmp_path.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def _normal(requirement: str) -> str:
    """A requirement whatever the order of its bounds and the case of its name: `pyyaml<7,>=6`."""
    found = re.fullmatch(r"([\w.-]+(?:\[[\w,]+\])?)(.*)", requirement.replace(" ", ""))
    assert found is not None
    return found[1].lower() + ",".join(sorted(found[2].split(",")))


def test_every_library_that_is_imported_is_asked_for() -> None:
    """A runtime import that only a test extra brings would be seen on somebody else's machine first."""
    named = {re.split(r"[^\w.-]", line)[0].lower() for line in PROJECT["dependencies"]}
    brought = packages_distributions()
    for room in house.rooms(ROOT, "streamer"):
        for line, target in room.imports():
            top = target.partition(".")[0]
            if top in sys.stdlib_module_names or top == "streamer":
                continue
            if top == "confluent_kafka" and room.name.startswith("streamer.demo"):
                continue  # the extra `demo`
            assert named & {name.lower().replace("_", "-") for name in brought[top]} or top == "pydantic_core", (
                f"{room.where}:{line}"
            )


def test_the_wheel_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    """Installed where nothing of the checkout is, the command finds its own commands and the schemas of its package."""
    commands = _bare(tmp_path / "bare")
    _pip("--python", commands / "python", "install", "--no-deps", "--no-index", wheel, folder=tmp_path)

    assert _run(commands / "streamer", "--version", folder=tmp_path).startswith("streamer, version ")
    told = _run(commands / "streamer", "--help", folder=tmp_path)
    assert all(re.search(rf"^  {name} ", told, re.MULTILINE) for name in ("run", "demo", "follow", "schemas"))
    where = _run(commands / "python", "-c", "import streamer; print(streamer.__file__)", folder=tmp_path)
    assert where.startswith(str(tmp_path))
    _lists_all_schemas(commands, tmp_path)


def test_an_editable_install_works_from_another_folder(tmp_path: Path) -> None:
    """A developer's install runs the checkout, whose schemas lie at its top and in no package."""
    commands = _bare(tmp_path / "bare")
    _pip(
        *("--python", commands / "python", "install", "--no-deps", "--no-index", "--no-build-isolation"),
        *("--editable", ROOT),
        folder=tmp_path,
    )
    where = _run(commands / "python", "-c", "import streamer; print(streamer.__file__)", folder=tmp_path)
    assert where.strip() == str(ROOT / "streamer" / "__init__.py")
    assert list((tmp_path / "bare").rglob("*.avsc")) == []
    _lists_all_schemas(commands, tmp_path)


def _lists_all_schemas(commands: Path, folder: Path) -> None:
    told = _run(commands / "streamer", "schemas", "list", folder=folder)
    assert all(path.stem in told for path in (ROOT / "schemas").glob("*.avsc"))

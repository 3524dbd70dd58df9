"""The house stands as planned, and the rules that say so would see it if it did not."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests import house
from tests.house import Room

ROOT = Path(__file__).parent.parent
Rule = Callable[[Iterable[Room]], Iterator[str]]
OF_THE_SERVICE: list[Rule] = [
    *(house.cycles, house.walls, house.hidden_paths, house.clocks, house.environment, house.proportions),
    *(house.catches, house.orphans, house.facades),
]
OF_ALL: list[Rule] = [house.sizes, house.names, house.docstrings]


@pytest.fixture(scope="module", name="service")
def _service() -> list[Room]:
    return house.rooms(ROOT, "streamer")


@pytest.fixture(scope="module", name="all_rooms")
def _all_rooms(service: list[Room]) -> list[Room]:
    return [*service, *house.rooms(ROOT, "tests")]


@pytest.fixture(scope="module", name="files")
def _files() -> dict[str, str]:
    """All that is or would be committed; without git (an unpacked archive) there is nothing to ask."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: which files belong to it is not known")
    return house.tracked(ROOT)


@pytest.mark.parametrize("rule", OF_THE_SERVICE, ids=lambda rule: rule.__name__)
def test_the_service_keeps_the_rule(service: list[Room], rule: Rule) -> None:
    """Imports go one way, time and environment are arguments, everything is caught in named places only."""
    assert list(rule(service)) == []


@pytest.mark.parametrize("rule", OF_ALL, ids=lambda rule: rule.__name__)
def test_service_and_tests_keep_the_rule(all_rooms: list[Room], rule: Rule) -> None:
    """Short files and functions, names that say something, a docstring everywhere: tests are read too."""
    assert list(rule(all_rooms)) == []


def test_nothing_leaks_into_the_checkout(files: dict[str, str]) -> None:
    """No committed file knows the machine it was written on, and nothing unplanned stands at the top."""
    assert list(house.leaks(files)) == []
    assert list(house.strangers(files)) == []


def test_every_room_of_the_plan_is_there(service: list[Room]) -> None:
    """A rule about a room that was renamed would be about nothing."""
    names = {room.name for room in service}
    planned = {room for wall in house.WALLS for room in (*wall.rooms, *wall.doors, *wall.never) if "streamer" in room}
    assert {*planned, *house.CATCH_ALL} - names == set()


LONG = "\n".join("    x = 1" for _ in range(60))

# A rule, a house that breaks it, what is said; and a house that is close to it and keeps the rule.
BITES: list[tuple[Rule, dict[str, str], str, dict[str, str]]] = [
    (
        house.cycles,
        {
            "streamer.a": "import streamer.b",
            "streamer.b": "def f():\n    from streamer.c import x",
            "streamer.c": "from streamer import a",
        },
        "streamer.a imports itself by way of streamer.b",
        {"streamer.a": "import streamer.b", "streamer.b": "import streamer.c", "streamer.c": "import os"},
    ),
    (
        house.walls,
        {"streamer.diff": "def f():\n    import asyncio"},
        "streamer/diff.py:2 imports asyncio: the core is pure",
        {"streamer.cycle": "import asyncio"},
    ),
    (
        house.walls,
        {"streamer.avro": "from datetime import datetime\nfrom time import time"},
        "streamer/avro.py:2 imports time.time",
        {"streamer.avro": "from datetime import datetime\nimport timeit"},
    ),
    (
        house.walls,
        {"streamer.cycle": "from streamer.kafka.ledger import Ledger"},
        "it sees the borders through its Protocols",
        {"streamer.app": "from streamer.kafka.ledger import Ledger"},
    ),
    (
        house.walls,
        {"streamer.watch": "from streamer import app"},
        "imports streamer.app: only a command builds the service",
        {"streamer.commands.run": "from streamer import app", "streamer.x": "from streamer import application"},
    ),
    (
        house.walls,
        {"streamer.commands.follow": "import streamer.demo.broker"},
        "the stage is no part of the service",
        {"streamer.commands.simulate": "import streamer.demo.api", "streamer.demo.day": "import streamer.demo.api"},
    ),
    (
        house.walls,
        {"streamer.kafka.x": "import httpx"},
        "imports httpx: one library, one room a border",
        {"streamer.intersight.x": "import httpx"},
    ),
    (house.walls, {"streamer.registry": "import aiokafka.abc"}, "aiokafka.abc", {"streamer.kafka": "import aiokafka"}),
    (house.walls, {"streamer.state": "import fastavro"}, "fastavro", {"streamer.avro": "import fastavro"}),
    (
        house.walls,
        {"streamer.demo.x": "from streamer import tokens"},
        "must turn the demo red",
        {"streamer.demo.x": ""},
    ),
    (
        house.hidden_paths,
        {"streamer.demo.day": "import streamer.x", "streamer.x": "from streamer.diff import x", "streamer.diff": ""},
        "streamer.demo.day reaches streamer.diff",
        {"streamer.demo.day": "import streamer.x", "streamer.x": "", "streamer.diff": ""},
    ),
    (
        house.clocks,
        {"streamer.events": "import datetime as d\nx = d.datetime.now(d.UTC)"},
        "streamer/events.py:2 asks for d.datetime.now",
        {"streamer.app": "x = datetime.now(UTC)", "streamer.events": "x = datetime.fromtimestamp(0, UTC)"},
    ),
    (
        house.environment,
        {"streamer.app": "import os\nx = os.environ['A']"},
        "streamer/app.py:2 reads the environment",
        {"streamer.cli": "import os\nx = os.environ", "streamer.app": "import os\nx = os.path"},
    ),
    (house.sizes, {"streamer.a": "x = 1\n" * 351}, "has 351 lines, at most 350", {"streamer.a": "x = 1\n" * 350}),
    (
        house.sizes,
        {"tests.a": f"class A:\n  def f(self):\n{LONG}"},
        "tests/a.py:2 f has 61 lines, at most 60",
        {"tests.a": f"def f():\n{LONG[10:]}"},
    ),
    (
        house.proportions,
        {"streamer.a": f"def f():\n{LONG[:200]}\ndef g():\n{LONG[:200]}\n"},
        "the median function has",
        {"streamer.a": "def f():\n    pass\ndef g():\n    pass"},
    ),
    (
        house.proportions,
        {"streamer.a": "def f():\n    pass\n" * 8 + f"def g():\n{LONG[:400]}\n" * 2},
        "a tenth of the functions",
        {"streamer.a": "def f():\n    pass\n" * 8},
    ),
    (house.names, {"streamer.url_utils": ""}, "url_utils says utils", {"streamer.utility": ""}),
    (house.names, {"streamer.a": "class AManager: pass"}, "AManager says manager", {"streamer.a": "import manager"}),
    (house.names, {"tests.a": "def base_url(): pass"}, "base_url says base", {"tests.a": "def base64(): base = 1"}),
    (
        house.catches,
        {"streamer.a": "try: f()\nexcept Exception: pass"},
        "streamer/a.py:2 catches Exception",
        {"streamer.watch": "try: f()\nexcept Exception: pass", "streamer.a": "try: f()\nexcept ExceptionGroup: pass"},
    ),
    (
        house.catches,
        {"streamer.a": "try: f()\nexcept: raise"},
        "everything",
        {"streamer.a": "try: f()\nexcept OSError: g()"},
    ),
    (
        house.catches,
        {"streamer.kafka.a": "try: f()\nexcept (OSError, BaseException): g()"},
        "catches (OSError, BaseException)",
        {"streamer.kafka.a": "try: f()\nexcept BaseException:\n    g()\n    raise"},
    ),
    (
        house.orphans,
        {"streamer.a": "import asyncio\nt = asyncio.create_task(f())"},
        "asyncio.create_task: a task needs a TaskGroup",
        {
            "streamer.a": "async def f():\n  async with asyncio.TaskGroup() as g:\n    g.create_task(h())",
            "streamer.kafka.writer": "asyncio.create_task(c)",
        },
    ),
    (
        house.orphans,
        {"streamer.a": "def f(loop):\n    loop.create_task(g())"},
        "loop.create_task",
        {"streamer.a": "def f(group: asyncio.TaskGroup):\n    group.create_task(g())"},
    ),
    (house.orphans, {"streamer.a": "asyncio.ensure_future(f())"}, "ensure_future", {"streamer.a": "future(f())"}),
    (
        house.facades,
        {"streamer.kafka.__init__": '"""D."""\nfrom streamer.kafka.writer import Writer'},
        "a package re-exports nothing",
        {"streamer.__init__": '"""D."""\n__version__ = "1"', "streamer.a": '"""D."""\nfrom streamer.b import c'},
    ),
    (house.docstrings, {"streamer.a": "x = 1"}, "streamer/a.py: the room has no docstring", {"streamer.a": '"""D."""'}),
    (
        house.docstrings,
        {"streamer.a": '"""D."""\nclass A:\n    """D."""\n    def f(self): pass'},
        "streamer/a.py:4 f has no docstring",
        {"streamer.a": '"""D."""\nclass _A:\n    def f(self): pass\ndef _g(): pass'},
    ),
    (
        house.docstrings,
        {"tests.test_a": '"""D."""\nasync def test_x() -> None: pass'},
        "tests/test_a.py:2 test_x has no docstring",
        {"tests.test_a": '"""D."""\nasync def test_x() -> None:\n    """D."""'},
    ),
]


def _built(root: Path, files: dict[str, str]) -> list[Room]:
    for name, text in files.items():
        path = root / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return house.rooms(root, *{name.partition(".")[0] for name in files})


@pytest.mark.parametrize(("rule", "broken", "said", "sound"), BITES, ids=[f"{r.__name__}-{s}" for r, _, s, _ in BITES])
def test_a_rule_bites(tmp_path: Path, rule: Rule, broken: dict[str, str], said: str, sound: dict[str, str]) -> None:
    """A house that breaks a rule is told so, with the place; one that comes close and keeps it is not."""
    assert any(said in offence for offence in rule(_built(tmp_path / "broken", broken)))
    assert list(rule(_built(tmp_path / "sound", sound))) == []


@pytest.mark.parametrize(
    "text",
    [
        "cd /" + "work/main",
        "see /" + "home/me/notes",
        "https://" + "pypi" + ".org/simple",
        "repo" + ".maven.apache.org",
    ],
)
def test_a_leak_is_found(text: str) -> None:
    """Paths and hosts of the machine a file was written on are seen, in whatever file."""
    assert list(house.leaks({"a.txt": f"first\nsecond {text}"})) != []


def test_what_belongs_everywhere_is_no_leak() -> None:
    """Paths that every machine or container has, and hosts that are part of the subject, may be named."""
    text = "/run/secrets/key, /api/v1/iam, https://intersight.com, ./work, https://docs.confluent.io"
    assert list(house.leaks({"a.txt": text})) == []


def test_a_stranger_at_the_top_is_found() -> None:
    """Files and folders at the top are those of the plan, and dotfiles."""
    assert list(house.strangers(["README.md", ".ci/run", "streamer/a.py", "docs/x.md", "setup.py"])) == [
        "docs stands at the top",
        "setup.py stands at the top",
    ]

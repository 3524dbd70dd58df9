"""README's line for a shell, in a real kcat: what it prints is what stands in the topics, and was committed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from tests.services import kcat, wanted
from tests.siem.collectors.recorded import EVENTS, RELAYED, REPORTS, Recorded
from tests.siem.test_readme_siem import SECTION

(LINE,) = re.findall(r"^kcat (.*?)(?: *#.*)?$", SECTION, re.MULTILINE)
OURS: Final = ("-C", "-e")  # what the harness says itself


@pytest.fixture(name="program", scope="module")
def _program() -> Path:
    return wanted.installed(kcat.installed)


@pytest.mark.parametrize("suffix", [*EVENTS, REPORTS, *RELAYED])
def test_every_record_once_and_nothing_that_was_aborted(program: Path, recorded: Recorded, suffix: str) -> None:
    """Partition, offset, key, time, headers and value, byte for byte: Avro too, which this build hands on as it is."""
    topic = recorded.topic(suffix)
    told = {"BROKER": recorded.around.bootstrap, "P.json": topic}
    arguments = [told.get(word, word) for word in shlex.split(LINE) if word not in OURS]

    found = kcat.read(program, *arguments)

    assert sorted(found, key=lambda record: (record.partition, record.offset)) == recorded.of(suffix)
    assert found

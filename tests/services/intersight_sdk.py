"""Cisco's official SDK, beside the tests' own environment: what it answers is what ours is held to.

Installed it is 371 MB in 10,000 files, which takes half a minute and is no dependency that anybody wants. Question: how
can CI have it? Choice: Python runs it from its wheel as it is (61 MB, fetched in 2 s and kept): the SDK imports a model
when it needs it, so a thousandth of it is ever read. Only its four small dependencies are unpacked.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.services import jvm

VERSION: Final = "1.0.11.2026100617"
NEEDS: Final = ("urllib3==2.8.0", "python-dateutil==4.0.0", "pem==23.1.0", "pycryptodome==4.4.0")


def installed() -> Path:
    """Its folder; `Missing` if there is no way to the package index."""
    return jvm.fetched(f"intersight-sdk-{VERSION}", _fetch)


def search_path(folder: Path) -> str:
    """`PYTHONPATH` of a process that imports it."""
    (wheel,) = folder.glob("intersight-*.whl")
    return os.pathsep.join(map(str, (wheel, folder / "needs")))


def _fetch(folder: Path) -> None:
    _pip("download", "--no-deps", "--dest", str(folder), f"intersight=={VERSION}")
    _pip("install", "--no-compile", "--target", str(folder / "needs"), *NEEDS)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=jvm.FETCH_LIMIT_S)
    if done.returncode != 0:
        raise jvm.Missing(f"pip could not fetch Cisco's SDK; check its network and settings: {done.stderr[-400:]}")

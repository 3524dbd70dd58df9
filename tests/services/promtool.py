"""Prometheus's own judge of rules, configurations and expositions: a program that Debian has in `prometheus`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.services.jvm import Missing

LIMIT_S = 60


def installed() -> Path:
    """The program; `Missing` if this machine has none."""
    if found := shutil.which("promtool"):
        return Path(found)
    raise Missing("This needs promtool: install Prometheus (Debian: prometheus), or set WITHOUT_PROMTOOL=true.")


def judged(program: Path, *arguments: str | Path, folder: Path, given: bytes = b"") -> tuple[int, str]:
    """Run it in a folder; its exit status and all it said."""
    done = subprocess.run(
        [program, *arguments], cwd=folder, input=given, capture_output=True, check=False, timeout=LIMIT_S
    )
    return done.returncode, (done.stdout + done.stderr).decode()

"""Write golden lines that are not there yet: `python -m tests.golden.siem.make`. What was written is never changed.

A case that is there with other bytes is an error: whoever parses our lines would meet a change that no version names.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from streamer.siem.forms import FORMS
from tests.golden.siem.cases import CASES, VERSIONS

HOME = Path(__file__).parent


def wanted(home: Path = HOME) -> Iterator[tuple[Path, bytes]]:
    """Every file of today's versions, and what today's code writes."""
    for schema, version in VERSIONS.items():
        for name, event in CASES.items():
            yield home / schema / version / f"{name}.json", FORMS[schema](event) + b"\n"


def kept(home: Path = HOME) -> set[Path]:
    """The files of today's versions that are there."""
    return {path for schema, version in VERSIONS.items() for path in (home / schema / version).glob("*")}


def main() -> int:
    """Write what is missing, say what was done; 1 if a golden file would have had to change."""
    refused = 0
    for path, content in wanted():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            sys.stdout.write(f"written {path.relative_to(HOME)}\n")
        elif path.read_bytes() != content:
            sys.stderr.write(f"REFUSED {path.relative_to(HOME)}: it is there with other bytes\n")
            refused = 1
    return refused


if __name__ == "__main__":
    sys.exit(main())

"""Write golden files that are not there yet: `python -m tests.golden.make`. What was written once is never changed.

A schema that differs from its newest golden version gets a new version, with all of today's cases. A case that is
there with other bytes is an error: the wire has changed under readers, so undo that, or change the schema as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from streamer.wire.avsc import schema_names, schema_text
from tests.golden.cases import CASES

HOME = Path(__file__).parent
SCHEMA = "schema.avsc"


def versions(schema: str, home: Path = HOME) -> list[Path]:
    """The folders of a schema's versions, oldest first."""
    return sorted((home / schema).glob("[0-9]*"), key=lambda folder: int(folder.name))


def wanted(home: Path = HOME) -> Iterator[tuple[Path, bytes]]:
    """Every file that the newest version of every schema must have, and what is in it, by today's code."""
    newest = {}
    for schema in schema_names():
        text = schema_text(schema).encode()
        found = versions(schema, home)
        same = found and (found[-1] / SCHEMA).read_bytes() == text
        newest[schema] = found[-1] if same else home / schema / str(len(found) + 1)
        yield newest[schema] / SCHEMA, text
    for case in CASES:
        yield newest[case.schema] / f"{case.name}.avro", case.avro
        yield newest[case.schema] / f"{case.name}.json", case.json + b"\n"


def write(home: Path = HOME) -> tuple[list[Path], list[Path]]:
    """Write what is missing; the files written, and those that are there with other bytes."""
    written, refused = [], []
    for path, content in wanted(home):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(path)
        elif path.read_bytes() != content:
            refused.append(path)
    return written, refused


def main() -> int:
    """Write, say what was done; 1 if a golden file would have had to change."""
    written, refused = write()
    sys.stdout.writelines(f"written {path.relative_to(HOME)}\n" for path in written)
    sys.stderr.writelines(f"REFUSED {path.relative_to(HOME)}: it is there with other bytes\n" for path in refused)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())

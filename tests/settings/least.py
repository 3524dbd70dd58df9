"""The least configuration that works, and what it becomes with a few keys set."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from streamer.config import Settings, load

LEAST: dict[str, Any] = {
    "sources": [{"name": "a", "url": "https://intersight.com", "api_key": {"id": "a/u/k", "file": "/key.pem"}}],
    "registry": {},
}


def steps(path: str) -> list[str | int]:
    """`["sources", 0, "url"]` of `sources[0].url`."""
    return [int(step) if step.isdecimal() else step for step in re.findall(r"[\w-]+", path)]


def least_with(changes: Mapping[str, Any]) -> dict[str, Any]:
    """LEAST with some keys set, such as `sources[0].interval`; a key set to `...` is taken away."""
    tree: dict[str, Any] = json.loads(json.dumps(LEAST))
    for path, value in changes.items():
        *above, last = steps(path)
        node: Any = tree
        for step in above:
            node = node[step] if isinstance(step, int) else node.setdefault(step, {})
        if value is ...:
            del node[last]
        else:
            node[last] = value
    return tree


def loaded(folder: Path, changes: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """What `load` makes of a file in `folder` with LEAST and these changes."""
    path = folder / "streamer.yaml"
    path.write_text(yaml.safe_dump(least_with(changes)))
    return load(path, environ)

"""Cisco's official SDK as a process of its own: its answers to filters. `python -m tests.commands.sdk < question`."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.services import intersight_sdk

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = 1000


async def answers(
    folder: Path, url: str, key_id: str, key_file: Path, filters: Sequence[str]
) -> list[list[dict[str, Any]]]:
    """To each filter, the tokens: the 14 arguments of each, times in ms, what is not set None; `folder` has the SDK."""
    asked = {"url": url, "key_id": key_id, "key_file": str(key_file), "filters": list(filters)}
    command = (sys.executable, "-m", "tests.commands.sdk")
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": intersight_sdk.search_path(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**26,
    )
    out, _ = await process.communicate(json.dumps(asked).encode())
    assert process.returncode == 0
    return list(json.loads(out))


def _plain(value: Any) -> Any:
    """A value as ours: the zero time and an empty text are nothing."""
    if isinstance(value, datetime):
        return None if value.year == 1 else round(value.astimezone(UTC).timestamp() * 1000)
    return value or None


def _answer(api: Any, text: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """All pages of one filter, by offset, as the SDK's users read them."""
    found: list[Any] = []
    while len(found) % PAGE == 0:
        page = api.get_iam_o_auth_token_list(filter=text, top=PAGE, skip=len(found), orderby="Moid").results
        found += page
        if not page:
            break
    return [{name: _plain(getattr(token, name)) for name in names} for token in found]


def main() -> None:
    """Answer the question on stdin."""
    from streamer.intersight.question import ARGUMENTS  # noqa: PLC0415 - only here: the caller needs no SDK

    asked = json.load(sys.stdin)
    authentication: Any = importlib.import_module("intersight.authentication")
    iam: Any = importlib.import_module("intersight.api.iam_api")
    api = iam.IamApi(authentication.get_api_client(asked["key_id"], asked["key_file"], endpoint=asked["url"]))
    json.dump([_answer(api, text, list(ARGUMENTS)) for text in asked["filters"]], sys.stdout)


if __name__ == "__main__":
    main()

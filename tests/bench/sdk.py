"""The official SDK as one more way to poll: `python -m tests.bench.sdk URL` polls once for each line that it is sent.

A process of its own, from the wheel that tests have (see `tests.services.intersight_sdk`). It signs its requests, reads
the first page of the list, and puts the objects into a dict by Moid; they are compared with nothing. A thousand
tokens take it several seconds and cost each the same, so more of them are not read.

Kafka Connect's HTTP source is no control here: it writes every page to Kafka and compares nothing, which is another
thing than a poll, and of its worker's JVM the CPU of one poll cannot be told from the rest. Measured as a whole, it
took 121 us a token.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.measure import Spent, Way
from tests.intersight.stage import GOLDEN, KEY_ID
from tests.services import intersight_sdk, jvm
from tests.services.jvm import die_with_parent

NAME: Final = "official SDK"
ROOT: Final = Path(__file__).parents[2]
PAGE: Final = 1000


@asynccontextmanager
async def official(url: str) -> AsyncIterator[dict[str, Way]]:
    """The way by its name; none, if this machine cannot have the SDK."""
    try:
        folder = await asyncio.to_thread(intersight_sdk.installed)
    except jvm.Missing as missing:
        print(f"without the {NAME}: {missing}", file=sys.stderr)
        yield {}
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.sdk", url),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": intersight_sdk.search_path(folder)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    assert process.stdin is not None
    asked, told = process.stdin, process.stdout
    assert told is not None

    async def poll() -> Spent:
        asked.write(b"\n")
        return Spent(**json.loads(await told.readline()))

    try:
        await poll()  # the first one imports the models
        yield {NAME: poll}
    finally:
        asked.close()
        await process.wait()


def main(url: str) -> None:
    """One line of figures for each line of stdin, until it ends."""
    authentication: Any = importlib.import_module("intersight.authentication")
    iam: Any = importlib.import_module("intersight.api.iam_api")
    api = iam.IamApi(authentication.get_api_client(KEY_ID, str(GOLDEN / "v3.pem"), endpoint=url))
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        page = api.get_iam_o_auth_token_list(top=PAGE, orderby="Moid", inlinecount="allpages").results
        seen = {token.moid: token for token in page}
        spent = Spent(time.process_time() - cpu, time.perf_counter() - wall, len(seen))
        print(json.dumps({"cpu_s": spent.cpu_s, "wall_s": spent.wall_s, "tokens": spent.tokens}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

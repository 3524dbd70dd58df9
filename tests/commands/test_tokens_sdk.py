"""Each of the 14 arguments gives the objects that Cisco's official SDK gets for the same filter, field by field.

The filters are written here by hand of what OData says, and not by the command's own room. The account is a new one
every time; its number is told if something differs.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from streamer.demo.life import Life
from streamer.intersight.canonical import instant
from streamer.intersight.question import ARGUMENTS
from tests.commands import sdk
from tests.commands.accounts import NAMES, Environ, accounts, rows, world

TOKENS = 60  # the SDK takes 8 ms for each that it answers, and there are a hundred filters
QUOTE = "'"
SIGNS = {"": "eq", ">": "gt", ">=": "ge", "<": "lt", "<=": "le"}

Call = tuple[tuple[str, ...], str]  # what the command is asked, and the filter that means the same


def calls(there: Life, chance: random.Random) -> list[Call]:
    """Every argument with several values that this account has and one that it has not, and some together."""
    made: list[Call] = []
    for name, argument in ARGUMENTS.items():
        option, has = f"--{name.replace('_', '-')}", [row[argument.name] for row in there.tokens.values()]
        if argument.is_time:
            times = [(sign, verb, chance.choice(has)) for sign, verb in SIGNS.items()]
            made += [((option, f"{sign}{at}"), f"{argument.name} {verb} {at}") for sign, verb, at in times]
        else:
            odd = [text for text in NAMES if text in has]
            texts = [*odd, *chance.sample(sorted(set(has)), min(3, len(set(has)))), "nobody's", ""]
            made += [((option, text), f"{argument.name} eq '{text.replace(QUOTE, 2 * QUOTE)}'") for text in texts]
    return made + [_joined(chance.sample(made, 2)) for _ in range(10)]


def _joined(some: list[Call]) -> Call:
    """Several at once, unless they are of one argument, which may be given once only."""
    some = list({arguments[0]: (arguments, text) for arguments, text in some}.values())
    return tuple(part for arguments, _ in some for part in arguments), " and ".join(text for _, text in some)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of ours as the SDK's is told."""
    return {name: instant(row[name]) if row[name] and arg.is_time else row[name] for name, arg in ARGUMENTS.items()}


@pytest.mark.timeout(300)
async def test_the_official_sdk_gets_the_same(official_sdk: Path, tmp_path: Path) -> None:
    """For every argument, every comparison, and the names that attackers choose."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    environ: Environ = {}
    there, chance = world(TOKENS, seed=seed), random.Random(seed)
    asked, key_file = calls(there, chance), tmp_path / "key.pem"
    async with accounts(environ, prod=there) as served:
        key = served["prod"].credentials.ec
        key_file.write_text(key.pem)
        url = environ["STREAMER_SOURCES__0__URL"]
        environ["STREAMER_SOURCES__0__PAGE_SIZE"] = "25"  # theirs has all on one page
        ours = [[plain(row) for row in await rows(environ, *arguments)] for arguments, _ in asked]
        theirs = await sdk.answers(official_sdk, url, key.id, key_file, [text for _, text in asked])

    print(f"{len(asked)} filters, {sum(map(len, theirs))} objects, {sum(not found for found in theirs)} empty answers")
    for (arguments, text), one, other in zip(asked, ours, theirs, strict=True):
        assert one == other, (seed, arguments, text)
    assert {arguments[0] for (arguments, _), found in zip(asked, theirs, strict=True) if found} == {
        f"--{name.replace('_', '-')}" for name in ARGUMENTS
    }

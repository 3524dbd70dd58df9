"""`streamer tokens` against simulated accounts: what is asked for is listed, all of it, or an error says why not."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from streamer.clock import utc_ms
from streamer.demo.life import Life
from streamer.demo.shapes import instant, rfc3339
from streamer.errors import Misconfigured
from streamer.intersight.question import ARGUMENTS
from tests.commands.accounts import (
    Environ,
    accounts,
    call,
    moids,
    on_terminal,
    rows,
    world,
)

COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
DAY = 86_400_000
TEXTS = [name for name, argument in ARGUMENTS.items() if not argument.is_time]
TIMES = [name for name, argument in ARGUMENTS.items() if argument.is_time]


def option(name: str) -> str:
    """The option of an argument."""
    return f"--{name.replace('_', '-')}"


def having(of: Life, name: str, test: Callable[[Any], bool]) -> list[str]:
    """The Moids of the tokens whose property passes, as the world itself knows them."""
    return [moid for moid in of.moids if test(of.tokens[moid][ARGUMENTS[name].name])]


def values(of: Life, name: str, most: int = 14) -> list[str]:
    """Values that the property has in this account, the odd ones first."""
    found = {of.tokens[moid][ARGUMENTS[name].name] for moid in of.moids}
    return sorted(found, key=lambda value: (value.isascii() and value.isalnum(), value))[:most]


def compared(fits: Callable[[int, int], bool], middle: int, has: str) -> bool:
    """Whether a time of the API's fits."""
    return fits(instant(has) or 0, middle)


# The 14 arguments...


@pytest.mark.parametrize("name", TEXTS)
async def test_a_text_lists_the_tokens_that_have_it(name: str) -> None:
    """Exactly those, in order of Moid, for every kind of text; and none for a text that nothing has."""
    environ: Environ = {}
    there = world(60, seed=11)
    async with accounts(environ, prod=there):
        for value in values(there, name):
            wanted = having(there, name, partial(operator.eq, value))
            assert await moids(environ, option(name), value) == wanted
        assert await moids(environ, option(name), "nobody's") == []


@pytest.mark.parametrize("name", TIMES)
async def test_a_time_lists_the_tokens_that_fit(name: str) -> None:
    """By every comparison, with another zone, and between two bounds."""
    environ: Environ = {}
    there = world(60, seed=12)
    times = sorted(at for value in values(there, name, 99) if (at := instant(value)) is not None and at > 0)
    middle = times[len(times) // 2]
    async with accounts(environ, prod=there):
        for sign, fits in COMPARISONS.items():
            wanted = having(there, name, partial(compared, fits, middle))
            assert await moids(environ, option(name), sign + rfc3339(middle)) == wanted
            assert await moids(environ, option(name), sign + rfc3339(middle + 3_600_000)[:-1] + "+01:00") == wanted
        between = (option(name), f">{rfc3339(times[0])}", option(name), f"<{rfc3339(times[-1])}")
        wanted = having(there, name, lambda has: times[0] < (instant(has) or 0) < times[-1])
        assert await moids(environ, *between) == wanted


async def test_a_distance_is_counted_from_now() -> None:
    """An age, a time to come, and now itself."""
    environ: Environ = {}
    there, now = world(3, seed=13, hostile=False), utc_ms()
    old, young, ended_one = there.moids
    there.edit(old, "test", CreateTime=rfc3339(now - 8 * DAY), ExpirationTime=rfc3339(now + 8 * DAY))
    there.edit(young, "test", CreateTime=rfc3339(now - 6 * DAY), ExpirationTime=rfc3339(now + 6 * DAY))
    there.edit(ended_one, "test", CreateTime=rfc3339(now - 6 * DAY), ExpirationTime=rfc3339(now + 3_600_000))
    async with accounts(environ, prod=there):
        assert await moids(environ, "--create-time", "<-7d") == [old]
        assert await moids(environ, "--create-time", ">-7d", "--expiration-time", "<+7d") == [young, ended_one]
        assert await moids(environ, "--expiration-time", "<+2h") == [ended_one]
        assert await moids(environ, "--create-time", rfc3339(now - 8 * DAY)[:10]) == [old]
        assert await moids(environ, "--create-time", ">now") == []


async def test_a_token_without_a_name_or_an_end_is_asked_for() -> None:
    """An empty text, and `none` for a time."""
    environ: Environ = {}
    there = world(3, seed=14, hostile=False)
    nameless, endless, _ = there.moids
    there.edit(nameless, "test", ClientName="")
    there.edit(endless, "test", ExpirationTime="0001-01-01T00:00:00Z")
    async with accounts(environ, prod=there):
        assert await moids(environ, "--client-name", "") == [nameless]
        assert await moids(environ, "--expiration-time", "none") == [endless]
        assert endless not in await moids(environ, "--expiration-time", ">none")


async def test_all_that_is_given_must_hold() -> None:
    """Arguments and a raw filter, whose `or` ends with it."""
    environ: Environ = {}
    there = world(40, seed=15, hostile=False)
    first, second, third = there.moids[:3]
    raw = f"Moid eq '{first}' or Moid eq '{second}'"
    async with accounts(environ, prod=there):
        both = ("--moid", second, "--client-name", there.tokens[second]["ClientName"], "--create-time", "<now")
        assert await moids(environ, "--filter", raw) == [first, second]
        assert await moids(environ, *both, "--filter", raw) == [second]
        assert await moids(environ, "--moid", third, "--filter", raw) == []
        assert await moids(environ, "--account-moid", there.account.moid) == list(there.moids)


# What is listed...


async def test_every_page_is_read() -> None:
    """All tokens of the account, with and without a filter; `--limit` ends it early, and says so."""
    environ: Environ = {}
    there = world(2300, seed=16, hostile=False)
    async with accounts(environ, prod=there) as served:
        assert await moids(environ) == list(there.moids)
        assert await moids(environ, "--account-moid", there.account.moid) == list(there.moids)
        before = served["prod"].replies["200"]
        limited = await call(environ, "--limit", "5")
        asked = served["prod"].replies["200"] - before

    assert [line.split("\t")[0] for line in limited.stdout.splitlines()] == ["moid", *there.moids[:5]]
    assert limited.stderr == "streamer: 5 of at least 2300 tokens (--limit)\n"
    assert asked <= 2


async def test_a_token_is_its_json_form() -> None:
    """The names are the arguments', times have three decimals, and what is not set is null."""
    environ: Environ = {}
    there = world(2, seed=17, hostile=False)
    async with accounts(environ, prod=there):
        row = (await rows(environ))[0]

    for name, argument in ARGUMENTS.items():
        has = there.tokens[there.moids[0]][argument.name]
        if argument.is_time:
            assert (instant(row[name]) if row[name] else -62_135_596_800_000) == instant(has)
        else:
            assert row[name] == (has or None)


async def test_one_source_is_chosen_and_several_are_told_apart() -> None:
    """All by default, with the source first in each form; one alone as if it were the only one."""
    environ: Environ = {}
    us, eu = world(3, seed=18, hostile=False), world(2, seed=19, hostile=False)
    async with accounts(environ, us=us, eu=eu):
        everything = await rows(environ)
        assert [(row["source"], row["moid"]) for row in everything] == [
            *(("us", moid) for moid in us.moids),
            *(("eu", moid) for moid in eu.moids),
        ]
        assert next(iter(everything[0])) == "source"
        assert [next(iter(row)) for row in await rows(environ, "--source", "eu")] == ["moid"] * 2
        assert len(await rows(environ, "--source", "eu", "--source", "us")) == 5
        assert len(await rows(environ, "--limit", "4")) == 4
        table = await call(environ)
        assert [line.split("\t")[0] for line in table.stdout.splitlines()] == ["source", *["us"] * 3, *["eu"] * 2]
        unknown = await call(environ, "--source", "asia")

    assert isinstance(unknown.exception, Misconfigured)
    assert str(unknown.exception) == "--source asia is given, wanted one of us, eu"


async def test_nothing_found_is_an_answer() -> None:
    """Status 0: an empty array, and a sentence for a person."""
    environ: Environ = {}
    async with accounts(environ, prod=world(0, seed=20, hostile=False)):
        assert (await call(environ, "--output", "json")).stdout == "[]\n"
        told = await call(environ, "--moid", "nobody")

    assert (told.exit_code, told.stdout, told.stderr) == (0, "", "streamer: no token matches\n")


@pytest.mark.parametrize(("encoding", "wide"), [("utf-8", "名前"), ("ascii", r"\u540d\u524d")])
async def test_a_terminal_shows_a_table_and_nothing_else(encoding: str, wide: str) -> None:
    """Moids in one piece; whatever an application is called, it moves no cursor, and no terminal is too simple."""
    environ: Environ = {}
    there = world(20, seed=21)
    async with accounts(environ, prod=there):
        status, screen = await on_terminal({**environ, "PYTHONIOENCODING": encoding})

    assert status == 0
    assert all(moid in screen for moid in there.moids)
    assert [letter for letter in screen if not letter.isprintable() and letter not in "\r\n"] == []
    assert "O'Brien''s \"app\"" in screen
    assert r"\u001b]0;owned" in screen
    assert wide in screen
    assert screen.rstrip().endswith("streamer: 20 tokens")

"""Lists by name: only a whole answer says anything, and what it leaves out is named once more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from starlette.responses import Response

from streamer.intersight.lists import AT_ONCE
from streamer.intersight.named import FIRST, by_name
from streamer.serving import serve
from streamer.tokens import Finding, Gone, Sighting, Unsure
from tests.intersight.account import Account, Asked, Shown, moids
from tests.intersight.stage import NOW, Script, client_of, fault, listed, row, said

MANY = moids(12)
WITNESSES = ("a0000", "z0000")


async def _found(app: Any, asked: Collection[str], witnesses: Sequence[str] = WITNESSES) -> Mapping[str, Finding]:
    async with serve(app) as url, client_of(url) as client:
        return await by_name(client, sorted(asked), witnesses, at_once=8)


async def test_who_is_in_no_list_is_gone() -> None:
    """Who is in one is seen; who is not is named a second time, with fewer others."""
    account = Account({*MANY[:3], *WITNESSES, "other"})
    found = await _found(account, MANY)
    first, again = account.asked

    assert sorted(found) == MANY
    assert [moid for moid in MANY if isinstance(found[moid], Sighting)] == MANY[:3]
    assert [found[moid] for moid in MANY[3:]] == [Gone(moid, NOW, "filter") for moid in MANY[3:]]
    assert first.named == (WITNESSES[0], *MANY, WITNESSES[1])
    assert again.named == (WITNESSES[0], *MANY[3:], WITNESSES[1])
    assert (first.top, first.skip, first.query[-1]) == (14, 0, ("$inlinecount", "allpages"))


async def test_who_is_in_the_second_list_is_there() -> None:
    """The first one left it out."""
    lost = MANY[5]
    account = Account({lost, *WITNESSES})
    account.spoil = lambda asked, shown: Shown(list(WITNESSES), 2) if asked.number == 0 else shown

    found = await _found(account, MANY)

    assert isinstance(found[lost], Sighting)
    assert sum(isinstance(each, Gone) for each in found.values()) == len(MANY) - 1


async def test_very_many_are_named_in_batches() -> None:
    """No list names over a hundred, each names the witnesses first and last, each Moid stands in one of either kind."""
    asked_for = moids(450)
    account = Account({*asked_for[::2], *WITNESSES})
    found = await _found(account, asked_for)

    assert [moid for moid in asked_for if isinstance(found[moid], Sighting)] == asked_for[::2]
    assert [moid for moid in asked_for if isinstance(found[moid], Gone)] == asked_for[1::2]
    named = [asked.named or () for asked in account.asked]
    assert sorted(moid for each in named[:5] for moid in each[1:-1]) == asked_for
    assert sorted(moid for each in named[5:] for moid in each[1:-1]) == asked_for[1::2]
    assert {(each[0], each[-1]) for each in named} == {WITNESSES}
    assert max(map(len, named)) == AT_ONCE


async def test_long_moids_make_small_batches() -> None:
    """The longest Moids there can be still make URLs that a gateway takes."""
    asked_for = [f"{i:0128d}" for i in range(120)]
    script = Script(said(200, listed([])))
    found = await _found(script, asked_for, ())

    assert all(isinstance(each, Gone) for each in found.values())
    assert len(found) == 120
    assert max(len(asked.scope["query_string"]) for asked in script.asked) < 6000


LIES: dict[str, tuple[Any, str]] = {
    "a row twice": (lambda s: Shown([*s.moids, s.moids[1]], 5), "duplicate_moid"),
    "Count too large": (lambda s: Shown(s.moids, 6), "count_mismatch"),
    "Count too small": (lambda s: Shown(s.moids, 4), "count_mismatch"),
    "Count missing": (lambda s: Shown(s.moids, None), "count_mismatch"),
    "short": (lambda s: Shown(s.moids[:3], s.count), "count_mismatch"),
    "empty": (lambda _: Shown([], 0), "wrong_moid"),
    "empty with a Count": (lambda s: Shown([], s.count), "count_mismatch"),
    "filter ignored": (lambda _: Shown(["other"], 1), "wrong_moid"),
    "a stranger among them": (lambda s: Shown([*s.moids, "other"], 6), "wrong_moid"),
    "only the first half": (lambda s: Shown(s.moids[:2], 2), "wrong_moid"),
    "only the second half": (lambda s: Shown(s.moids[2:], 3), "wrong_moid"),
    "400": (lambda _: fault(400), "http_400"),
    "403": (lambda _: fault(403), "forbidden"),
    "404": (lambda _: fault(404, "NotFound"), "http_404"),
    "503": (lambda _: fault(503), "unavailable"),
    "HTML": (lambda _: said(200, b"<html>"), "not_json"),
    "an object": (lambda _: said(200, row("m0000")), "not_a_list"),
    "a row without a Moid": (lambda _: said(200, listed([{}])), "row_without_moid"),
}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", LIES)
async def test_a_list_that_is_not_proven_proves_nothing(name: str, number: int) -> None:
    """With any fault in the first or the second answer nobody is gone, and it says why; two tries at most."""
    lie, why = LIES[name]
    there = {*MANY[:3], *WITNESSES}

    def spoil(asked: Asked, shown: Shown) -> Response | Shown:
        if asked.number < number:
            return shown
        spoilt: Response | Shown = lie(shown if not number else Shown([WITNESSES[0], *MANY[3:6], WITNESSES[1]], 5))
        return spoilt

    account = Account(there, spoil=spoil)
    found = await _found(account, MANY)

    assert sorted(found) == MANY
    told = [found[moid] for moid in (MANY[3:] if number else MANY)]
    assert {str(getattr(each, "why", each)).split(":")[0] for each in told} == {why}
    assert len(account.asked) <= 2 + number


async def test_a_batch_that_fails_fails_alone() -> None:
    """The others' answers stand."""

    def spoil(asked: Asked, shown: Shown) -> Response | Shown:
        return fault(400) if "m0000" in (asked.named or ()) else shown

    found = await _found(Account(set(WITNESSES), spoil=spoil), moids(150))

    assert sum(isinstance(each, Unsure) for each in found.values()) == FIRST
    assert sum(isinstance(each, Gone) for each in found.values()) == 150 - FIRST

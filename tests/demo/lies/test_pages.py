"""Lies of a list as a whole: what a page shows, and what its Count says."""

from __future__ import annotations

import pytest

from streamer.demo.credentials import Credentials
from tests.demo.lies.liar import lying
from tests.demo.stage import TOKENS, Clock


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        ("short", slice(0, 9)),
        ("short=4", slice(0, 6)),
        ("short=4,where=first", slice(4, 10)),
        ("short=99", slice(0, 0)),
        ("short=99,where=first", slice(0, 0)),
    ],
)
async def test_a_short_page(credentials: Credentials, clock: Clock, fault: str, kept: slice) -> None:
    """So many rows are missing at the end or the beginning of a page, and Count is right."""
    async with lying(credentials, clock, fault) as liar:
        page = await liar.page(top=10)

    assert (page["Count"], page["Results"]) == (30, liar.rows[:10][kept])


async def test_a_page_with_holes(credentials: Credentials, clock: Clock) -> None:
    """Rows are missing at random, in one page others than in the next; the order stays."""
    async with lying(credentials, clock, "short=3,where=random") as liar:
        pages = [await liar.seen() for _ in range(2)]

    assert [len(page) for page in pages] == [27, 27]
    assert all(page == sorted(page) and set(page) < set(liar.moids) for page in pages)
    assert pages[0] != pages[1]


async def test_a_row_that_stands_twice(credentials: Credentials, clock: Clock) -> None:
    """As many rows as are due, two of them the same, so one is missing."""
    async with lying(credentials, clock, "twice") as liar:
        moids = await liar.seen()
        alone = await liar.seen(filter=f"Moid eq '{liar.moids[0]}'")

    assert (len(moids), len(set(moids))) == (30, 29)
    assert moids == sorted(moids)
    assert alone == [liar.moids[0]] * 2


async def test_an_unsorted_page(credentials: Credentials, clock: Clock) -> None:
    """All rows are there, in another order than was asked for."""
    async with lying(credentials, clock, "unsorted") as liar:
        moids = await liar.seen()

    assert (sorted(moids), moids == liar.moids) == (liar.moids, False)


async def test_a_repeated_page(credentials: Credentials, clock: Clock) -> None:
    """The page before comes once more, by `$skip` and by `Moid gt`; the first page cannot; Count is the asked one's."""
    async with lying(credentials, clock, "repeated") as liar:
        moids = liar.moids
        by_skip = [await liar.page(top=10, skip=skip) for skip in (0, 10, 20, 5)]
        by_key = [await liar.page(top=10, filter=f"Moid gt '{after}'") for after in ("", moids[9], moids[19], moids[4])]

    assert [[row["Moid"] for row in page["Results"]] for page in by_skip] == [
        moids[:10],
        moids[:10],
        moids[10:20],
        moids[:10],
    ]
    assert [page["Results"] for page in by_key] == [page["Results"] for page in by_skip]
    assert [page["Count"] for page in by_skip] == [30] * 4
    assert [page["Count"] for page in by_key] == [30, 20, 10, 25]


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        ("count", 31),
        ("count=+5", 35),
        ("count=-1", 29),
        ("count=-99", 0),
        ("count=null", None),
        ("count=text", "30"),
    ],
)
async def test_a_wrong_count(credentials: Credentials, clock: Clock, fault: str, count: int | str | None) -> None:
    """Count is higher, lower, or no number; the rows are all there. A list that was asked for none gets none."""
    async with lying(credentials, clock, fault) as liar:
        page = await liar.page()
        without = (await liar.client.get(TOKENS)).json()
        alone = (await liar.client.get(TOKENS, params={"$count": "true"})).json()

    assert page == {"Count": count, "ObjectType": "iam.OAuthToken.List", "Results": liar.rows}
    assert without == {"ObjectType": "iam.OAuthToken.List", "Results": liar.rows}
    assert alone["Count"] == count


async def test_a_missing_count(credentials: Credentials, clock: Clock) -> None:
    """No Count although it was asked for."""
    async with lying(credentials, clock, "count=missing") as liar:
        assert await liar.page() == {"ObjectType": "iam.OAuthToken.List", "Results": liar.rows}


async def test_an_empty_list(credentials: Credentials, clock: Clock) -> None:
    """200, Count 0, no rows, for lists and for filters by Moid; single objects are still found."""
    async with lying(credentials, clock, "empty") as liar:
        moid = liar.moids[0]
        pages = [await liar.page(), await liar.page(filter=f"Moid in ('{moid}')")]
        without = (await liar.client.get(TOKENS)).json()
        found = await liar.by_moid(moid)

    empty = {"ObjectType": "iam.OAuthToken.List", "Results": []}
    assert pages == [{"Count": 0, **empty}] * 2
    assert (without, found) == (empty, 200)


@pytest.mark.parametrize(("fault", "results"), [("null", {"Results": None}), ("null=missing", {})])
async def test_results_that_are_no_list(
    credentials: Credentials, clock: Clock, fault: str, results: dict[str, None]
) -> None:
    """Results is null or not there; Count is right, and single objects are untouched."""
    async with lying(credentials, clock, fault) as liar:
        page = await liar.page()
        found = (await liar.client.get(f"{TOKENS}/{liar.moids[0]}")).json()

    assert page == {"Count": 30, "ObjectType": "iam.OAuthToken.List", **results}
    assert found == liar.rows[0]


@pytest.mark.parametrize("fault", ["short", "twice", "count", "empty", "null", "moid", "types"])
async def test_errors_are_left_as_they_are(credentials: Credentials, clock: Clock, fault: str) -> None:
    """A lie about a good reply does not touch an error, nor a list that is not of tokens."""
    async with lying(credentials, clock, fault) as liar:
        missing = await liar.client.get(f"{TOKENS}/x")
        users = (await liar.client.get("/api/v1/iam/Users", params={"$inlinecount": "allpages"})).json()

    assert (missing.status_code, missing.json()["code"]) == (404, "NotFound")
    assert {row["Moid"] for row in users["Results"]} == {row["Moid"] for row in liar.world.people()}
    assert users["Count"] == len(liar.world.people())

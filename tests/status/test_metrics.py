"""Metrics: the names other people's alerts hang on, in the form Prometheus reads, and the numbers that happened."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streamer.health import Board
from streamer.status.metrics import Metrics
from tests.services.promtool import judged
from tests.status import boards

OPEN = "application/openmetrics-text; version=1.0.0"
PROMISED = {  # name of a sample: its labels
    "streamer_snapshot_age_seconds": {"source"},
    "streamer_tokens": {"source"},
    "streamer_events_total": {"source", "type"},
    "streamer_polls_total": {"source", "verdict", "reason"},
    "streamer_poll_seconds_bucket": {"source", "le"},
    "streamer_poll_seconds_sum": {"source"},
    "streamer_poll_seconds_count": {"source"},
    "streamer_api_requests_total": {"source", "status"},
    "streamer_deletes_held": {"source"},
    "streamer_transactions_total": {"source", "outcome"},
    "streamer_restore_seconds_bucket": {"source", "le"},
    "streamer_restore_seconds_sum": {"source"},
    "streamer_restore_seconds_count": {"source"},
    "streamer_unknown_properties_total": {"source"},
    "streamer_damaged_values_total": {"source"},
}
OURS = {  # beside them: what rules and the dashboard need
    "streamer_ready": set[str](),
    "streamer_build_info": {"version"},
    "streamer_interval_seconds": {"source"},
    "streamer_tokens_outlived": {"source"},
}


async def samples(board: Board) -> list[Sample]:
    """Every sample, as a strict reader understands it."""
    text, _ = await Metrics(board, lambda: boards.NOW).exposition(OPEN)
    families = text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]
    return [sample for family in families for sample in family.samples]


async def told(board: Board) -> dict[str, dict[tuple[str, ...], float]]:
    """By name and labels (in the order of their names), every sample of ours."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for sample in await samples(board):
        if sample.name.startswith("streamer_"):
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


@pytest.fixture(name="board")
def _board() -> Board:
    """With every kind of number."""
    board = boards.troubled()
    board.statuses = {"account-000": {"200": 40, "429": 2, "none": 1}}
    return board


async def test_every_promised_name_is_there_and_no_other(board: Board) -> None:
    """To the letter, with their labels; what is not promised is what our own rules need."""
    every = await samples(board)

    assert {s.name: set(s.labels) for s in every if s.name.startswith("streamer_")} == PROMISED | OURS
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= {s.name for s in every}


async def test_numbers_are_the_boards(board: Board) -> None:
    """Age, tokens and held of this moment; what was counted; durations by what they did not exceed."""
    held = next(name for name, one in board.sources.items() if one.held)
    board.sources[held].damaged, board.sources[held].unknown = 3, 5
    tally = board.tallies[held]
    tally.outlived = 2
    tally.transactions["fenced"] += 4
    for seconds in (0.3, 0.5, 400.0, -1.0):
        tally.restore_s.add(seconds)
    sample = await told(board)

    assert sample["streamer_snapshot_age_seconds"]["account-004",] == 17 * 60
    assert sample["streamer_deletes_held"][held,] == boards.HOLD.count
    assert (sample["streamer_damaged_values_total"][held,], sample["streamer_unknown_properties_total"][held,]) == (
        3,
        5,
    )
    assert sample["streamer_tokens_outlived"][held,] == 2
    assert sample["streamer_polls_total"]["throttled", "account-005", "rejected"] == 1
    assert sample["streamer_polls_total"]["", "account-000", "accepted"] == 24
    assert sample["streamer_api_requests_total"]["account-000", "none"] == 1
    assert sample["streamer_transactions_total"]["fenced", held] == 4
    buckets = sample["streamer_restore_seconds_bucket"]
    assert [buckets[le, held] for le in ("0.1", "0.5", "300.0", "600.0", "+Inf")] == [1, 3, 3, 4, 4]
    assert (sample["streamer_restore_seconds_count"][held,], sample["streamer_restore_seconds_sum"][held,]) == (
        4,
        400.8,
    )
    assert (sample["streamer_ready"][()], sample["streamer_build_info"].popitem()[1]) == (1, 1)


async def test_who_has_no_sources_tells_nothing_of_them() -> None:
    """As a relay: no family without a sample, only what every process of ours tells."""
    text, _ = await Metrics(Board(), lambda: boards.NOW).exposition("")
    named = {line.split()[2] for line in text.decode().splitlines() if line.startswith("# HELP streamer_")}

    assert named == {"streamer_ready", "streamer_build_info"}


async def test_counters_begin_at_nought(board: Board) -> None:
    """A series that begins with its first fence or slow restore would hide it from every `increase`."""
    fresh = board.tallies["fresh"]
    sample = await told(board)

    assert sum(fresh.events.values()) == 0
    assert [sample["streamer_transactions_total"][of, "fresh"] for of in ("committed", "doubt", "fenced")] == [0, 0, 0]
    assert sample["streamer_restore_seconds_bucket"]["60.0", "fresh"] == 0
    assert sample["streamer_polls_total"]["", "fresh", "accepted"] == 0


async def test_a_source_given_away_is_another_workers_to_tell(board: Board) -> None:
    """Its age, tokens and held are gone; its counters stay as they are and go on where it comes back."""
    before = await told(board)
    board.sources.pop("account-000")
    after = await told(board)

    for name in (
        "streamer_snapshot_age_seconds",
        "streamer_tokens",
        "streamer_deletes_held",
        "streamer_tokens_outlived",
    ):
        assert ("account-000",) in before[name]
        assert ("account-000",) not in after[name]
    for name in ("streamer_events_total", "streamer_polls_total", "streamer_transactions_total"):
        assert (
            {k: v for k, v in after[name].items() if "account-000" in k}
            == {k: v for k, v in before[name].items() if "account-000" in k}
            != {}
        )


async def test_a_scraper_gets_what_it_asks_for(url: str) -> None:
    """OpenMetrics where it is asked for, else the older text."""
    async with httpx.AsyncClient(base_url=url) as client:
        newer = await client.get("/metrics", headers={"Accept": f"{OPEN},text/plain;q=0.5"})
        older = await client.get("/metrics")

    assert newer.headers["content-type"].startswith("application/openmetrics-text")
    assert newer.text.endswith("# EOF\n")
    assert older.headers["content-type"].startswith("text/plain")
    assert "# EOF" not in older.text


async def test_prometheus_has_nothing_to_say_about_them(promtool: Path, board: Board, tmp_path: Path) -> None:
    """Its own tool finds no fault in names, types, units or helps of ours; and it is one that finds some."""
    text, _ = await Metrics(board, lambda: boards.NOW).exposition("")
    ours = b"".join(line for line in text.splitlines(keepends=True) if b"streamer_" in line)

    assert judged(promtool, "check", "metrics", folder=tmp_path, given=ours) == (0, "")
    assert judged(promtool, "check", "metrics", folder=tmp_path, given=ours.replace(b"_total", b""))[0] != 0

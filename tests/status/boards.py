"""Boards as a service would have filled them: calm ones, and one with everything that can be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from streamer import avro, tokens
from streamer.events import Event
from streamer.health import Board, SourceHealth
from streamer.report import Report
from streamer.state import Hold
from streamer.status.tally import HOUR_MS

NOW = 1_795_608_000_123  # 2026-11-25T12:00:00.123Z
MINUTE = 60_000
SCRIPT = "<script>document.title='owned'</script>"
TURNED = "invoice\u202egnp.exe"
HOLD = Hold("2f1c9a44-8a0e-4f57-9d3a-6a2f0c1b7e55", NOW - 12 * MINUTE, "threshold", 37, "0" * 64)


def source(name: str = "prod-us", **known: Any) -> SourceHealth:
    """A source read every minute, taken an hour ago and read just now."""
    facts: dict[str, Any] = {
        "owner": "host-1",
        "interval_s": 60.0,
        "watched_since": NOW - 60 * MINUTE,
        "last_accepted_at": NOW,
    }
    return SourceHealth(name, **facts | known)


def report(name: str, verdict: str = "accepted", *, at: int = NOW, **facts: Any) -> Report:
    """A poll that took a second."""
    return Report("snapshot", name, "epoch", None, at - 1000, at, None, None, verdict, **facts)


def event(name: str, kind: str, sequence: int, *, at: int = NOW, **of: Any) -> Event:
    """An event of a token with these properties."""
    token = tokens.Token(**{"moid": "6742a0c87564613220f1e0aa", "client_ip_address": "203.0.113.7"} | of)
    datum, later = (b"".join(avro.encode_token(each)) for each in (token, replace(token, last_login_time=at)))
    sides = {"created": (None, datum), "deleted": (datum, None), "modified": (datum, later)}[kind]
    return Event(
        *("id", kind, name, "epoch", sequence, None, token.moid, at, at, None, at, "snapshot"),
        before=sides[0],
        after=sides[1],
        changed_fields=("last_login_time",) if kind == "modified" else (),
        change_kinds=("login",) if kind == "modified" else (),
        delete_cause="revoked" if kind == "deleted" else None,
    )


def calm(count: int = 12) -> Board:
    """So many sources, all read within the minute, with some changes in every hour."""
    board = Board(missing={})
    for number in range(count):
        name = f"account-{number:03}"
        board.sources[name] = source(
            name,
            epoch="epoch",
            tokens=120 + 37 * number,
            last_sequence=4000 + 91 * number,
            last_verdict="accepted",
            last_accepted_at=NOW - (number * 977) % 58_000,
        )
        for hour in range(24):
            at, some = NOW - hour * HOUR_MS, (number * 7 + hour * 5) % 11
            board.tallies[name].ended(report(name, at=at, created=some // 2, modified=some, deleted=some // 4))
    names = list(board.sources)
    kinds = ("modified", "modified", "created", "deleted")
    told = [
        event(names[n % count], kinds[n % 4], 4000 + n, at=NOW - (12 - n) * 47_000, client_name=client)
        for n, client in enumerate(["terraform-ci", "night backup", "acme-inventory-portal", "grafana"] * 3)
    ]
    board.recent.published(told)
    return board


def troubled(count: int = 12) -> Board:
    """The same, and one holds deletions, one is silent, one is refused; a client is called what an attacker likes."""
    board = calm(count)
    holding, silent, refused = list(board.sources)[3:6]
    board.sources[holding].hold = HOLD
    board.sources[silent].last_accepted_at = NOW - 17 * MINUTE
    for name, reason, detail in (
        (
            silent,
            "unauthorized",
            "GET https://intersight.com/api/v1/iam/OAuthTokens: 401 InvalidKey, the key is unknown",
        ),
        (refused, "throttled", "GET https://intersight.com/api/v1/iam/OAuthTokens: 429 TooManyRequests " + SCRIPT),
    ):
        board.sources[name].last_verdict, board.sources[name].last_reason = "rejected", reason
        told = report(name, "rejected", at=NOW - 20_000, reason=reason, detail=detail)
        board.tallies[name].ended(told)
        board.recent.ended(told)
    names = (SCRIPT, TURNED, "x" * 5000, '"><img src=x onerror=alert(1)>')
    board.recent.published(
        event(refused, "created", 9000 + n, client_name=name, user_agent=name) for n, name in enumerate(names)
    )
    return board

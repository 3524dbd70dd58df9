"""Refreshes that an operator does not want: what is one, and what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOON, row, token
from tests.judging.stage import POLICY, judged, written

SUPPRESSING = replace(POLICY, suppress=True)
RENEWED: dict[str, Any] = {"access_expiration_time": NOON, "mod_time": NOON}


def test_a_refresh_is_counted_and_not_written() -> None:
    """Unless the operator wants all of them."""
    known, seen = {"a": row(token())}, [token(**RENEWED)]
    quiet, loud = judged(known, seen, policy=SUPPRESSING), judged(known, seen)

    assert (written(quiet), quiet.report.suppressed) == ({}, 1)
    assert (list(written(loud)), loud.report.suppressed) == (["a"], 0)


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        (RENEWED | {"client_name": "other"}, ("refresh", "client")),
        (RENEWED | {"last_login_time": NOON}, ("refresh", "login")),
        ({"mod_time": NOON}, ("metadata",)),
    ],
)
def test_a_refresh_beside_another_change_is_published_whole(changed: dict[str, Any], kinds: tuple[str, ...]) -> None:
    """Suppression is about refreshes alone; ModTime alone is none."""
    (step,) = written(judged({"a": row(token())}, [token(**changed)], policy=SUPPRESSING)).values()

    assert step.event is not None
    assert step.event.change_kinds == kinds

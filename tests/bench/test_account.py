"""The account that is polled shows the rows it should, however many variants of them it can keep."""

from __future__ import annotations

import json
from contextlib import closing

from tests.bench.account import KEPT, Rows

VARIANTS = ("plain", "one", "ten", "all", "noise-0")


def test_a_page_is_any_stretch_of_the_rows() -> None:
    """Whole rows with commas between them, as many as there are, in order of Moid."""
    with closing(Rows(5)) as rows:
        for first in range(6):
            for number in (1, 2, 9):
                page = json.loads(b"[%b]" % rows.variant("plain").stretch(first, number))
                assert [row["Moid"] for row in page] == rows.moids[first : first + number]


def test_a_variant_that_is_shown_again_is_the_same() -> None:
    """Only the last few are kept, and those that are rendered again have the same bytes."""
    with closing(Rows(5)) as rows:
        first, again = ({name: rows.variant(name).stretch(0, 5) for name in VARIANTS} for _ in range(2))

    assert len(VARIANTS) > KEPT
    assert again == first
    assert len(set(first.values())) == len(VARIANTS) - 1  # of five tokens one in a thousand is one in a hundred

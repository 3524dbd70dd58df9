"""How much is tried, and how good bytes are spoilt.

Bytes by chance rarely get past a parser's first look, so most examples are good ones with a few edits. A run takes as
many examples as each test says; `FUZZ_EXAMPLES=100000` is the long one. What was found stands as `@example` for ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
DEEP = 20_000  # brackets, beyond any recursion limit: since Python 3.12 that of C is 10,000
ODD = (
    *(b'"', b"\\", b"\\ud800", b"\\u0000", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"null", b"true", b"{}", b"[]"),
    *(b"\x00", b"\x01", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"9" * 25, b"0" * 5_000),
    *(b"[" * DEEP, b'{"a":' * DEEP, b"\r\n", b"\r\n\r\n", b",", b":", b"&a [*a]", b"!!python/none", b"<<: "),
    *(b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:60Z", b"-----BEGIN PRIVATE KEY-----", b"%s", b"{0}", b"../"),
)
PIECES = st.sampled_from(ODD) | st.binary(max_size=6)
TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # lone surrogates included
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(["0001-01-01T00:00:00Z", "a" * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def tries(examples: int) -> Callable[[Any], Any]:
    """So many examples, or as many as the environment says."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(max_examples=EXAMPLES or examples, deadline=None, suppress_health_check=slow)


@st.composite
def spoilt(draw: st.DrawFn, *samples: bytes) -> bytes:
    """One of the samples with up to four edits."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(data)))
        data[begin : begin + draw(st.integers(0, 12))] = draw(PIECES)
    return bytes(data)


def documents(*samples: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One of the samples, some of whose values are any JSON, and with other members beside them."""

    def changed(sample: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        names = st.sampled_from(sorted(sample)) | TEXT
        return st.dictionaries(names, JSON, max_size=4).map(lambda others: sample | others)

    return st.sampled_from(samples).flatmap(changed)

"""Durations and sizes mean what an operator meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.settings.quantities import duration_text, octets, seconds, size_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [("60s", 60.0), ("5m", 300.0), ("2h", 7200.0), ("30d", 2592000.0), ("250ms", 0.25), ("1.5h", 5400.0), ("0s", 0.0)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, expected: float) -> None:
    """Every unit of the documentation is understood, fractions too."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["60", "", "s", "-5s", "5 minutes", "5M", "1h30m", "nan s", "1e3s", "5sm"])
def test_anything_else_is_no_duration(text: str) -> None:
    """What is not a number with one known unit is refused with an example; a bare number above all."""
    with pytest.raises(ValueError, match="wanted a duration such as 60s, 5m or 30d"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("16MiB", 16 << 20), ("512KiB", 512 << 10), ("1GiB", 1 << 30), ("10B", 10), ("4096", 4096)]
)
def test_a_size_is_a_number_of_bytes(text: str, expected: int) -> None:
    """Binary units, and bare numbers as bytes."""
    assert octets(text) == expected


@pytest.mark.parametrize("text", ["16MB", "16M", "", "-1B", "0.3B"])
def test_anything_else_is_no_size(text: str) -> None:
    """Decimal units are refused rather than taken for binary ones, and parts of a byte are none."""
    with pytest.raises(ValueError, match="wanted a"):
        octets(text)


@given(st.integers(0, 10**7))
def test_what_is_written_is_read_as_the_same(number: int) -> None:
    """Printing a duration or a size loses nothing."""
    assert seconds(duration_text(number)) == number
    assert octets(size_text(number)) == number


def test_durations_are_printed_as_people_write_them() -> None:
    """The largest unit of which there are two or more: one minute stays 60s."""
    assert [duration_text(s) for s in (60, 120, 600, 2592000, 0.25, 90)] == ["60s", "2m", "10m", "30d", "0.25s", "90s"]

"""Text from outside, made safe to show: on a terminal, in a log, in a line of output.

Names are chosen by whoever may be attacking. No text may end a line, start a new one, move the cursor, colour the
screen, or turn the direction of what follows.
"""

from __future__ import annotations

from typing import Final

_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_ASTRAL: Final = 0x10000


def printable(text: str) -> str:
    """The text with every letter that does not print (line ends, controls, marks of direction) as an escape."""
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(letter: str) -> str:
    if letter.isprintable():
        return letter
    point = ord(letter)
    return _SHORT.get(letter) or (f"\\u{point:04x}" if point < _ASTRAL else f"\\U{point:08x}")

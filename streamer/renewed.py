"""Values made of secret files that are replaced while we run: made anew when asked for, once the files differ.

Whoever replaces a file is a person or Kubernetes, neither of whom asks us; so a file may be missing, cut, or of
another pair than its neighbour for a moment. At the start that is the operator's error. Later it must never stop what
the old value still can do: that one is kept, which is said once, and the files are read again at the next use.

Question: how is a change seen? Choice: the content is read at each use (12 us, once a request or a connection) and
compared; only what differs is parsed (an RSA key: 44 ms). Rejected: `stat`, which misses a rewrite within one tick of
the clock, or a copy that keeps its time; watching for changes, which sees a symbolic link that is exchanged above the
file only by knowing Kubernetes; reading anew after a 401, which makes a void poll of every rotation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from streamer.errors import Misconfigured
from streamer.log import WARNING, say

Content = TypeVar("Content")
Made = TypeVar("Made")


class Renewed(Generic[Content, Made]):
    """Call it for the value as it is now.

    Args:
        name: of the secret in what is said, such as `sources.prod-us.api_key`.
        read: the content of its files.
        make: the value of a content.

    Raises:
        Misconfigured: of `read` and `make`, and only while this object is built.
    """

    def __init__(self, name: str, read: Callable[[], Content], make: Callable[[Content], Made]) -> None:
        self._name = name
        self._read = read
        self._make = make
        self._content = read()
        self._made = make(self._content)
        self._complaint = ""

    def __call__(self) -> Made:
        """The newest value that could be made."""
        try:
            content = self._read()
            if content != self._content:
                self._made, self._content = self._make(content), content
                say("secret.renewed", key=self._name)
            self._complaint = ""
        except Misconfigured as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                say("secret.kept", level=WARNING, key=self._name, reason=self._complaint, hint=error.hint)
        return self._made

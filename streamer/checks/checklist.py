"""A list of questions, asked one after the other: each is answered, timed, and told at once.

A question whose answer would be worth nothing, since another one failed, is not asked, and told as that. What cannot be
found out without harm is told, too: silence would read as proof.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from streamer.errors import StreamerError

OK: Final = "ok"
WARNING: Final = "warning"  # the service can live with it
UNPROVEN: Final = "unproven"  # it cannot be found out without harm
FAILED: Final = "failed"
NOT_TRIED: Final = "not tried"
UNREADABLE: Final = "change the keys that are named, or put there what they name"
UNMET: Final = frozenset({FAILED, NOT_TRIED})


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out, for a person: `detail` a sentence, `hint` what to change where the outcome is not `ok`."""

    detail: str
    outcome: str = OK
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One question and its answer: `edge` and `name` say which, `took_ms` how long it took (None: it was not asked)."""

    edge: str
    name: str
    outcome: str
    detail: str
    hint: str
    took_ms: int | None

    def told(self) -> dict[str, Any]:
        """The form for programs."""
        return asdict(self)


class Edge(Protocol):
    """Something that the service depends on, with all the questions about it."""

    async def offline(self) -> None:
        """Ask what needs no network."""

    async def online(self) -> None:
        """Ask all else, after `offline`."""


class Checklist:
    """The questions asked so far.

    Args:
        tell: hears each line at once.
        monotonic: seconds.
    """

    def __init__(self, tell: Callable[[Line], None], monotonic: Callable[[], float]) -> None:
        self.lines: list[Line] = []
        self._tell = tell
        self._monotonic = monotonic

    async def ask(
        self,
        edge: str,
        name: str,
        question: Callable[[], Awaitable[Answer]],
        *,
        hint: str,
        needs: Sequence[str] = (),
        softly: str = "",
    ) -> bool:
        """Ask a question of an edge, unless what it needs there failed; whether what needs this one may be asked.

        Args:
            edge: such as `kafka` or `prod-us`.
            name: of the question; one of the edge.
            question: answers, or raises an error of ours.
            hint: what to change where neither the answer nor the error knows better.
            needs: names of questions of the same edge.
            softly: what a failure means where the service can live with it: then it is only a warning.
        """
        unmet = [need for need in needs if self.outcome(edge, need) in UNMET]
        if unmet:
            return self._noted(Line(edge, name, NOT_TRIED, f"it needs what failed: {unmet[0]}", "", None))
        began = self._monotonic()
        try:
            answer = await question()
        except StreamerError as error:
            answer = Answer(str(error), FAILED, error.hint)
            if softly:
                answer = Answer(f"{softly}: {error}", WARNING, error.hint)
        took_ms = round((self._monotonic() - began) * 1000)
        told = answer.hint or ("" if answer.outcome == OK else hint)
        return self._noted(Line(edge, name, answer.outcome, answer.detail, told, took_ms))

    def outcome(self, edge: str, name: str) -> str:
        """What became of a question."""
        found = [line.outcome for line in self.lines if (line.edge, line.name) == (edge, name)]
        return found[-1] if found else NOT_TRIED

    @property
    def failed(self) -> list[Line]:
        """The questions whose answer must change before the service can work."""
        return [line for line in self.lines if line.outcome == FAILED]

    def _noted(self, line: Line) -> bool:
        self.lines.append(line)
        self._tell(line)
        return line.outcome not in UNMET

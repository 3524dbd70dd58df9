"""The status page: what a person on call wants to know, in that order, as one page that needs nothing else.

First whether anybody is needed at all, then what to do, then each source, then what happened. It is whole without its
script, which only brings in the pieces that changed since and keeps the ages up. Everything is made here, once: the
page at first, and the same pieces again for `live`. It must never say more than `/sources` and the topics do.

Question: what is a piece? Choice: the inside of an element with an id, and each source's row, which is most of a page
with many sources. Their ages are left to the script, or every row would have changed every second.

Question: how soon does the first byte come, with many sources? Choice: as soon as the loop turns, for what stands there
is the same for everybody; the board is looked at after that. Rejected: the last page kept for a second; whoever asks
alone would wait for it to be made all the same.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Final

from streamer import __version__
from streamer.health import Board, SourceHealth
from streamer.state import Hold
from streamer.status import chart
from streamer.status.markup import Html, many, tag, void
from streamer.status.recent import Happened, Refused
from streamer.status.tally import HOURS, TYPES, Changes, Tally
from streamer.status.words import clock, number, plural, since

STYLE: Final = Html(files(__package__).joinpath("page.css").read_text())
SCRIPT: Final = Html(files(__package__).joinpath("page.js").read_text())
ICON: Final = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
    "<path d='M2 11h3v3H2zM6.5 7h3v7h-3zM11 2h3v12h-3z' fill='%230b7a75'/></svg>"
)
BREAKABLE: Final = 25  # letters; a shorter word of a command stays whole on the narrowest screen
COLUMNS: Final = ("Source", "Last snapshot", "Tokens", "24 hours", "Sequence")
WHY: Final = {
    "threshold": "More tokens went missing at once than its threshold allows",
    "emptied": "Its list of tokens went empty",
    "rights_changed": "What its credential may see has changed",
}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


START: Final = many(
    Html('<!doctype html><html lang="en"><head>'),
    void("meta", charset="utf-8"),
    void("meta", name="viewport", content="width=device-width, initial-scale=1"),
    void("meta", name="color-scheme", content="light dark"),
    void("link", rel="icon", href=ICON),
    tag("noscript", void("meta", http_equiv="refresh", content="15")),
    tag("style", STYLE),
)


def page(board: Board, now: Callable[[], int]) -> Iterator[str]:
    """The page, a part at a time: the first one is ready, each of the others is quickly made; `now` is ms UTC."""
    yield START
    yield from View(board, now()).parts()


class View:
    """The board as it is at `now` (ms UTC); `ages` False leaves the ages to the script."""

    def __init__(self, board: Board, now: int, *, ages: bool = True) -> None:
        self._board = board
        self._now = now
        self._ages = now if ages else None
        self._sources = sorted(board.sources.values(), key=lambda one: (_rank(one, now), one.source))
        self._hours = {one.source: self._tally(one.source).hours.until(now) for one in self._sources}

    def parts(self) -> Iterator[str]:
        """What follows `START`; the first part says the headline."""
        state = tag("section", self._state(), id="state", aria_live="polite")
        yield f"{tag('title', self.title())}</head><body>{self._top()}<main>{state}"
        yield tag("dl", self._figures(), id="figures") + tag("section", self._holds(), id="holds")
        yield tag("section", self._changes(), id="changes")
        names = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in COLUMNS)))
        yield f'<section>{tag("h2", "Sources")}<table>{names}<tbody id="sources">'
        yield from (row for _, row in self.rows())
        yield "</tbody></table></section>"
        yield tag("section", self._refused(), id="refused") + tag("section", self._events(), id="events")
        yield f"</main>{_foot()}{tag('script', SCRIPT)}</body></html>\n"

    def title(self) -> str:
        """What stands in the tab."""
        return f"{self._verdict()[1]} · streamer"

    def pieces(self) -> dict[str, Html]:
        """By id, the inside of each element that changes, but for the sources."""
        return {
            "state": self._state(),
            "figures": self._figures(),
            "holds": self._holds(),
            "changes": self._changes(),
            "refused": self._refused(),
            "events": self._events(),
        }

    def rows(self) -> Iterator[tuple[str, Html]]:
        """Each source's id and row, in order, one at a time."""
        return ((f"s-{one.source}", self._row(one)) for one in self._sources)

    def _top(self) -> Html:
        owner = next((one.owner for one in self._sources), None)
        return tag(
            "header",
            tag("b", "streamer"),
            tag("span", f"{owner} · {__version__}" if owner else __version__, class_="who"),
            tag("span", id="link", role="status"),
        )

    # What there is to say first...

    def _verdict(self) -> tuple[str, str]:
        """How bad it is, and a headline."""
        needy, all_ = sum(not one.healthy(self._now) for one in self._sources), len(self._sources)
        if needy:
            return "bad", f"{number(needy)} of {number(all_)} need you" if all_ > 1 else "1 needs you"
        if self._board.missing:
            return "wait", "Not ready"
        if not all_:
            return "good", "Ready"
        return "good", f"All {plural(all_, 'source')} fresh" if all_ > 1 else "1 source, fresh"

    def _state(self) -> Html:
        how, headline = self._verdict()
        missing = [tag("li", tag("b", what), " ", why) for what, why in sorted(self._board.missing.items())]
        return tag(
            "div",
            tag("h1", headline),
            tag("p", self._reasons()),
            tag("ul", *missing) if missing else None,
            class_=f"state {how}",
        )

    def _reasons(self) -> str:
        now, all_ = self._now, self._sources
        holding, silent = sum(one.hold is not None for one in all_), sum(one.stale(now) for one in all_)
        refused = sum(one.last_verdict == "rejected" and one.healthy(now) for one in all_)
        told = [
            f"{number(holding)} holding deletions" if holding else "",
            f"{number(silent)} not read for three intervals" if silent else "",
            f"{number(refused)} with a rejected last poll, still in time" if refused else "",
        ]
        return " · ".join(filter(None, told)) or (
            "" if self._board.missing or not all_ else "Every poll is on time, nothing waits for a person."
        )

    def _figures(self) -> Html:
        sources = self._sources
        oldest = min((one.last_accepted_at for one in sources if one.last_accepted_at is not None), default=None)
        changed = sum(map(sum, self._all_hours()))
        held = sum(one.held for one in sources)
        return many(
            _figure("Tokens", number(sum(one.tokens or 0 for one in sources))),
            _figure("Changes, 24 h", number(changed)),
            _figure("Oldest snapshot", since(oldest, self._ages) or number(None)),
            _figure("Held deletions", number(held), "bad" if held else None),
        )

    # What to do...

    def _holds(self) -> Html:
        cards = [self._hold(one.source, one.hold) for one in self._sources if one.hold]
        return many(tag("h2", "Held deletions"), *cards) if cards else Html()

    def _hold(self, source: str, hold: Hold) -> Html:
        which = f"--hold {hold.hold_id}"
        todo = [
            _command("See them", f"streamer deletes list --source {shlex.quote(source)}"),
            _command("They are meant: publish them", f"streamer deletes release {which} --expect {hold.count}"),
            _command("They are not: keep the tokens", f"streamer deletes discard {which}"),
        ]
        if hold.released_at is not None:
            todo = [tag("p", "Released ", since(hold.released_at, self._ages), " ago; each is being verified.")]
        return tag(
            "article",
            tag("h3", tag("b", source), " holds ", plural(hold.count, "deletion")),
            tag("p", WHY.get(hold.reason, hold.reason), ", ", since(hold.since, self._ages), " ago."),
            *todo,
        )

    # Each source...

    def _row(self, one: SourceHealth) -> Html:
        how, told = self._condition(one)
        age = since(one.last_accepted_at, self._ages) or "never"
        name = tag("th", tag("span", one.source, class_="name"), tag("span", told, class_="told"), scope="row")
        cells = (
            tag("td", age, data_label="last snapshot"),
            tag("td", number(one.tokens), data_label="tokens"),
            tag("td", chart.small(self._hours[one.source]), data_label="24 hours"),
            tag("td", number(one.last_sequence), data_label="sequence"),
        )
        return tag("tr", name, *cells, id=f"s-{one.source}", class_=how)

    def _condition(self, one: SourceHealth) -> tuple[str, str]:
        """How bad it is, and in words."""
        told = {
            f"{number(one.held)} held": one.held > 0,
            "silent": one.stale(self._now),
            f"rejected: {one.last_reason}": one.last_verdict == "rejected",
            "not restored": one.source in self._board.missing,
        }
        said = " · ".join(words for words, so in told.items() if so)
        if said:
            return "warn" if one.healthy(self._now) else "bad", said
        return ("good", "fresh") if one.last_accepted_at is not None else ("wait", "first poll is under way")

    # What happened...

    def _changes(self) -> Html:
        hours = self._all_hours()
        legend = [
            tag("li", tag("i", class_=kind), f"{kind} ", tag("b", number(sum(hour[place] for hour in hours))))
            for place, kind in enumerate(TYPES)
        ]
        axis = [tag("span", f"{(self._now // 3_600_000 - back) % 24:02}:00") for back in (HOURS - 1, 15, 7, 0)]
        return many(
            tag("h2", "Changes, last 24 hours"),
            tag("ul", *legend, class_="legend"),
            chart.columns(hours, self._now),
            tag("p", *axis, class_="axis", aria_hidden="true"),
        )

    def _refused(self) -> Html:
        polls = self._board.recent.refused
        if not polls:
            return Html()
        return many(tag("h2", "Last rejected polls"), tag("ol", *(_refusal(poll) for poll in reversed(polls))))

    def _events(self) -> Html:
        events = self._board.recent.events
        told = (
            tag("ol", *(_event(one) for one in reversed(events)))
            if events
            else tag("p", "None since this worker started.")
        )
        return many(tag("h2", "Recent events"), told)

    def _all_hours(self) -> tuple[Changes, ...]:
        each = list(self._hours.values()) or [((0, 0, 0),) * HOURS]
        return tuple(
            (sum(h[0] for h in at), sum(h[1] for h in at), sum(h[2] for h in at)) for at in zip(*each, strict=True)
        )

    def _tally(self, source: str) -> Tally:
        return self._board.tallies.get(source) or Tally()


def _rank(one: SourceHealth, now: int) -> int:
    """Who needs a person stands first, then who may soon."""
    return 0 if not one.healthy(now) else 1 if one.last_verdict == "rejected" else 2


def _figure(name: str, value: str, how: str | None = None) -> Html:
    return tag("div", tag("dt", name), tag("dd", value, class_=how))


def _command(what: str, command: str) -> Html:
    words = [tag("span", word) if len(word) < BREAKABLE else word for word in command.split(" ")]
    code = tag("code", *[part for word in words for part in (" ", word)][1:])
    copy = tag("button", "copy", type="button", class_="copy")
    return tag("div", tag("p", what), code, copy, class_="command")


def _refusal(poll: Refused) -> Html:
    return tag(
        "li",
        clock(poll.at),
        tag("span", poll.reason, class_="code"),
        tag("span", poll.source, class_="source"),
        tag("bdi", poll.detail, class_="what"),
    )


def _event(one: Happened) -> Html:
    line = one.line
    return tag(
        "li",
        clock(one.at),
        tag("span", line.type, class_=f"type {line.type}" if line.type in TYPES else "type"),
        tag("span", line.source, class_="source"),
        tag("bdi", line.client, class_="client"),
        tag("bdi", line.who, class_="by") if line.who else None,
        tag("bdi", line.what, class_="what"),
    )


def _foot() -> Html:
    links = [tag("a", path, href=path) for path in ("/sources", "/metrics", "/readyz", "/healthz")]
    return tag(
        "footer",
        tag("p", "Times are UTC. Changes and events are those since this worker started. Nothing can be changed here."),
        tag("nav", *links),
    )

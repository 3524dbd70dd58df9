"""Lives as hypothesis leads them: it looks for one that breaks a promise, and shortens it to the steps that matter.

A failure prints these steps, the seed (`TRUTH_SEED=<seed>` leads the same lives again) and the blob that replays the
shortest one. The seed is fixed, so that a change is judged by what it did; another one looks elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.truth.life import ACTS, LIES, PAUSES, SKEWS, STEPS_OF_A_POLL, TOKENS, WAITS, Walk
from tests.truth.model import playing

SEED: Final = int(os.environ.get("TRUTH_SEED", "1"))
STEPS: Final = 50  # of a life
LIVES: Final = 50
FEWEST: Final = 2000  # steps of all lives together

picks = st.integers(0, (1 << 16) - 1)


class Lives(RuleBasedStateMachine):
    """One life; `done` counts the steps of all."""

    done: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        self._is_broken = False

    def _do(self, step: Coroutine[Any, Any, Any], name: str = "") -> Any:
        self.done[name] += 1
        try:
            return self._runner.run(step)
        except BaseException:
            self._is_broken = True
            raise

    @initialize(number=st.integers(0, 1 << 16), skew_ms=st.sampled_from(SKEWS))
    def begin(self, number: int, skew_ms: int) -> None:
        """An account, and a worker whose clock is so wrong."""
        entering = self._stack.enter_async_context(playing(seed=number, tokens=TOKENS, skew_ms=skew_ms))
        self.walk = Walk(self._do(entering))

    @rule(
        acts=st.lists(st.tuples(st.sampled_from(list(ACTS)), picks), min_size=1, max_size=4),
        pause=st.sampled_from(PAUSES),
    )
    def live(self, acts: list[tuple[str, int]], pause: int) -> None:
        """People do things, then the worker polls."""
        for name, pick in acts:
            self._do(self.walk.act(name, pick), name)
        self._do(self.walk.poll(pause), "poll")

    @rule(name=st.sampled_from(list(ACTS)), pick=picks)
    def act(self, name: str, pick: int) -> None:
        """Somebody does something."""
        self._do(self.walk.act(name, pick), name)

    @rule(pause=st.sampled_from(PAUSES))
    def poll(self, pause: int) -> None:
        """The worker polls."""
        self._do(self.walk.poll(pause), "poll")

    @rule(lie=st.sampled_from(LIES), pause=st.sampled_from(PAUSES))
    def lie(self, lie: str, pause: int) -> None:
        """The API begins to lie, and the worker polls."""
        self._do(self.walk.lie(lie), "lie")
        self._do(self.walk.poll(pause), "poll")

    @rule()
    def honest(self) -> None:
        """The API lies no more."""
        self._do(self.walk.honest(), "honest")

    @rule(milliseconds=st.sampled_from(WAITS))
    def wait(self, milliseconds: int) -> None:
        """Time goes by."""
        self._do(self.walk.wait(milliseconds), "wait")

    @rule(step=st.integers(0, STEPS_OF_A_POLL))
    def crash(self, step: int) -> None:
        """The worker dies: between two polls, or at this step of one."""
        self._do(self.walk.poll(0, fail_at=step) if step else self.walk.crash(), "crash")

    @rule(discards=st.booleans())
    def person(self, *, discards: bool) -> None:
        """A person decides about what is held."""
        self._do(self.walk.person(discards=discards), "person")

    def teardown(self) -> None:
        """In the end readers know exactly what is there."""
        try:
            if hasattr(self, "walk") and not self._is_broken:
                self._do(self.walk.quiet(), "quiet")
        finally:
            self._runner.run(self._stack.aclose())
            self._runner.close()


@pytest.mark.timeout(600)  # so many lives, and many more if one is to be shortened
def test_no_life_breaks_a_promise() -> None:
    """Whatever happens, is lied about or crashes, in whatever order: what is published is what happened."""
    Lives.done.clear()
    try:
        run_state_machine_as_test(
            seed(SEED)(Lives),
            settings=settings(
                max_examples=LIVES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                derandomize=False,  # the seed is ours
                print_blob=True,
                suppress_health_check=[HealthCheck.too_slow],  # each life is served over HTTP
            ),
        )
    except BaseException as error:
        error.add_note(f"replay: TRUTH_SEED={SEED}")
        raise

    print(dict(sorted(Lives.done.items())))
    assert Lives.done.total() >= FEWEST

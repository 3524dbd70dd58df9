"""Why a call failed, in the system's own words: libraries wrap an error several times and say less each time."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from, down to the first; of several tries at once the last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        tried = cause.exceptions[-1] if isinstance(cause, BaseExceptionGroup) else None  # one for each address
        cause = tried or cause.__cause__ or cause.__context__


def why(error: BaseException) -> str:
    """What the system says where it says anything; else the first of the causes that has something to say."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
            return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)  # below 0: of the resolver
    return next((str(cause) for cause in causes(error) if str(cause)), type(error).__name__)

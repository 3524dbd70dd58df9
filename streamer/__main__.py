"""`python -m streamer` and the installed `streamer` both begin here.

Importing the commands takes longer than a person needs for Ctrl-C; then, too, it ends by its status and no traceback.
"""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command of `sys.argv`; 130 if it is interrupted before it has begun."""
    try:
        from streamer.cli import main as run  # noqa: PLC0415 - what is imported is what may be interrupted
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()

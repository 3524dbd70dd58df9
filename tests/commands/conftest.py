"""The official SDK takes 371 MB: its test is one for where it is installed (`pip install intersight`), as README says."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("intersight") else ["test_tokens_sdk.py"]

"""The official SDK takes 371 MB: its test is for where it is installed (`pip install intersight`), see README."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("intersight") else ["test_tokens_sdk.py"]

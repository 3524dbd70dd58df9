"""Tests of `demo`: each file mirrors a room of the package."""

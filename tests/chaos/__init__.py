"""Tests of `kafka`: each file mirrors a room of the package."""

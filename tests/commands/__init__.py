"""Tests of `commands`: each file mirrors one of the package."""

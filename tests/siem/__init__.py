"""Tests of `siem`: each file mirrors one of the package."""

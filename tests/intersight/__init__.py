"""Tests of `intersight`: each file mirrors a room of the package."""

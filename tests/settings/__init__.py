"""Tests of how a configuration is read, measured, refused and documented."""

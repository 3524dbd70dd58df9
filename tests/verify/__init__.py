"""Tests of `streamer.verify`."""

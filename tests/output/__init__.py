"""Tests of `streamer.output`."""

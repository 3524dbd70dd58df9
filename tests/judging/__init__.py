"""Tests of `streamer.judging`."""

"""Tests of `streamer.wire`."""

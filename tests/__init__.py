"""The tests: folders and files mirror the rooms of `streamer`; `services` starts the real broker and registry."""

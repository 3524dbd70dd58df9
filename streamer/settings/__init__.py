"""How a configuration is read, measured, refused and documented; which keys there are stands in `streamer.config`."""

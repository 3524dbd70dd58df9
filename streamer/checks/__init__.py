"""Does every edge work, before the service starts: what `streamer check` asks, and what the answers mean."""

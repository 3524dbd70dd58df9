"""Do the topics, the state and Intersight itself say the same: what `streamer verify` compares."""

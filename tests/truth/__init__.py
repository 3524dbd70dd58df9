"""The whole streamer but Kafka against the whole simulator, held to what really happened."""

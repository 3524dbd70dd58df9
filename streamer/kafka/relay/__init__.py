"""Topics of Avro once more as a topic of JSON, each record exactly once: consume, transform, produce."""

"""Real services for the tests: an Apache Kafka broker and a schema registry, started by the run that needs them.

They exist so that no test has to trust a fake about transactions, fencing, compaction or schema compatibility. Nothing
here may be imported by the package, and nothing may outlive the run: every JVM dies with the process that started it.
"""

"""What the service costs, measured beside what it cannot cost less than: `python -m tests.bench` prints one table."""

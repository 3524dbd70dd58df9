"""What is told over HTTP, and only told: health for an orchestrator, metrics for Prometheus, a page for a person.

Everything here is made of the board, whenever somebody asks. `application` knows the addresses and guards them, `page`
and `chart` make HTML, `live` sends what changed, `metrics` speaks Prometheus. Rules for alerts and a dashboard lie in
`observability` beside.
"""

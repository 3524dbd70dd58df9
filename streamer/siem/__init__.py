"""The reader's side: what a SIEM makes of our events.

`ocsf` and `ecs` are pure functions from a decoded event to the two security schemas, `subject` is what both ask of an
event, and `forms` is the one table of the lines that a consumer may be given. Our own schema stays the value in Kafka:
as the value, theirs would tie our compatibility to their versions.
"""

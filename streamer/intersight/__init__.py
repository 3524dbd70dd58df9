"""The source's border: Cisco Intersight over HTTP, and the only room for it."""

"""Use cases and the ports they need. Nothing here knows a database, a network or a framework."""

"""The jobs by dotted name, as the queue calls them: thin, and each may be run twice."""

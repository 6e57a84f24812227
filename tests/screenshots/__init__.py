"""Pictures of every page of the console, as the demo fills it: a command, not a test.

`python -m tests.screenshots` writes docs/screenshots. It starts a demo of its own, in a folder that
it takes away again, and waits until the queues hold what it takes pictures of.
"""

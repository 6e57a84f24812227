"""One of the demo's processes: `python -m reconciliation.demo worker|server …`.

What is imported depends on which one it is, and only after Django is set up.
"""

import sys

import django


def main(role: str, *numbers: str) -> None:
    """Be the worker (port, interval, seed) or the web server (port)."""
    django.setup()
    if role == "worker":
        from reconciliation.demo.worker import work

        port, interval, seed = map(int, numbers)
        work(port=port, interval=interval, seed=seed)
    else:
        from reconciliation.demo.server import serve

        (port,) = map(int, numbers)
        serve(port)


if __name__ == "__main__":
    main(*sys.argv[1:])

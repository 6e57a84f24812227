"""One of the demo's processes: `python -m reconciliation.demo start|world …`.

What is imported depends on which one it is, and only after Django is set up.
"""

import sys

import django


def main(role: str, *arguments: str) -> None:
    """Be the process that starts the others (port, seed, lock) or the world (ports, seed)."""
    django.setup()
    numbers = [int(each) for each in arguments]
    if role == "start":
        from reconciliation.demo.start import run

        port, seed, lock = numbers
        run(port=port, seed=seed, lock=lock)
    else:
        from reconciliation.demo.live import live

        port, exchange_port, seed = numbers
        live(port=port, exchange_port=exchange_port, seed=seed)


if __name__ == "__main__":
    main(*sys.argv[1:])

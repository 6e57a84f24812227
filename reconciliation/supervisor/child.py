"""What every supervised process runs first: `-m reconciliation.supervisor.child FD MODULE …`.

It ends with the process that started it, however that one died. FD is the reading end of a pipe
whose other end only the parent holds and never writes to: when it closes, the parent is gone, and
this process kills its whole group. A process that this one forks watches the same pipe from the
start, so that no worker outlives a parent that was killed together with everything in between.
"""

import os
import runpy
import signal
import sys
import threading


def end_with_parent(descriptor: int) -> None:
    """Kill this process's group when the other end of a pipe is closed; forks do likewise."""
    _watch(descriptor)
    # A thread does not live on in a fork.
    os.register_at_fork(after_in_child=lambda: _watch(descriptor))


def _watch(descriptor: int) -> None:
    def wait_for_the_end() -> None:
        while os.read(descriptor, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait_for_the_end, name="parent-watch", daemon=True).start()


def main(descriptor: str, module: str, *arguments: str) -> None:
    """Watch the parent, and be `python -m MODULE ARGUMENTS`."""
    end_with_parent(int(descriptor))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The port of the console: on loopback, and free."""

import socket
import time

HOST = "127.0.0.1"

# What was just killed needs a moment to be gone altogether.
_PATIENCE_SECONDS = 2.0
_ASK_SECONDS = 0.1
_LAST_PORT = 65535


class PortInUse(RuntimeError):
    """Something listens on the port already, or it is not ours to use."""


def free_port(port: int) -> int:
    """Return the port if nothing listens on it (0: any that is free), else raise `PortInUse`."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with socket.socket() as listener:
            # As the server does: a connection that is still closing does not keep it away.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
                listener.listen()
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise PortInUse(str(error)) from error
            else:
                return int(listener.getsockname()[1])
        time.sleep(_ASK_SECONDS)


def other_port(port: int) -> int:
    """Return a port to try where one is in use; 0, for any, where there is none after it."""
    return port + 1 if port < _LAST_PORT else 0

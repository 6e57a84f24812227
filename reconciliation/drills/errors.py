"""How a drill can go wrong without the product being at fault."""


class DrillError(Exception):
    """A drill file that says something the portal cannot make sense of, and where it says it.

    `line` is None where the file as a whole is meant. The message names what was found and what
    would have been right.
    """

    def __init__(self, file: str, line: int | None, message: str) -> None:
        self.file = file
        self.line = line
        self.message = message
        super().__init__(f"{self.place}: {message}")

    @property
    def place(self) -> str:
        """Return `file:line`, as editors open it."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


class SimulatedKill(BaseException):
    """The end of a worker's process, as a drill plays it.

    Not an `Exception`: nothing that handles the failures of a run may handle its death.
    """

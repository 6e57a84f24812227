"""Several workers at once, each a thread with connections of its own, and who gets in between."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

Work = Callable[[], object]
# Long enough for any worker on a busy machine; reached only where one waits for ever.
PATIENCE_SECONDS = 60.0
# On SQLite a writer that waits for another cannot be told from one that works: it is given this.
_A_MOMENT = 0.05


class Worker(threading.Thread):
    """A thread that keeps what it returned, or raised, and closes its connections."""

    def __init__(self, work: Work, *, before: Callable[[], None] = lambda: None) -> None:
        super().__init__(daemon=True)
        self.result: object = None
        self.error: BaseException | None = None
        self.backend: int | None = None
        self._work = work
        self._before = before

    def run(self) -> None:
        try:
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    self.backend = cursor.fetchone()[0]
            self._before()
            self.result = self._work()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()

    def finish(self) -> object:
        """Wait for the end; raise what was raised."""
        self.join(PATIENCE_SECONDS)
        assert not self.is_alive(), "a worker waits for ever"
        if self.error is not None:
            raise self.error
        return self.result

    def is_blocked(self) -> bool:
        """Return whether the worker waits for a lock that another one holds."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self.backend])
            return bool(cursor.fetchone()[0])


def at_once(works: Sequence[Work]) -> list[object]:
    """Run works at the same time; raise the first error, once all have ended."""
    barrier = threading.Barrier(len(works))
    workers = [Worker(work, before=barrier.wait) for work in works]  # type: ignore[arg-type]
    for worker in workers:
        worker.start()
    return [worker.finish() for worker in workers]


class Pause:
    """Stops its thread before its n-th statement until it is told to go on."""

    def __init__(self, number: int) -> None:
        self.statements = 0
        self.sql = ""
        self.is_reached = threading.Event()
        self.go_on = threading.Event()
        self._number = number

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        self.statements += 1
        if self.statements == self._number:
            self.sql = str(sql)
            self.is_reached.set()
            self.go_on.wait(PATIENCE_SECONDS)
        return execute(sql, params, many, context)


def interleave(first: Work, second: Work, *, before_statement: int) -> Pause:
    """Run `first` up to a statement, then `second` as far as it comes, then both to their ends.

    Raises what either raises.
    """
    pause = Pause(before_statement)

    def paused() -> object:
        with connection.execute_wrapper(pause):
            return first()

    one, other = Worker(paused), Worker(second)
    one.start()
    while not pause.is_reached.wait(0.001) and one.is_alive():
        pass
    other.start()
    _let_come_far(other)
    pause.go_on.set()
    one.finish()
    other.finish()
    return pause


def places_to_come_in(work: Work) -> list[int]:
    """Return before which statements of a work another one may find something else.

    A statement that is sent again counts once. On SQLite a transaction that has begun keeps every
    writer out to its end, so that each counts once.
    """
    statements: list[tuple[str, bool]] = []

    def watch(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        statements.append((str(sql), context["connection"].in_atomic_block))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        work()
    places: dict[object, int] = {}
    begun = 0
    for number, (sql, in_transaction) in enumerate(statements, start=1):
        if connection.vendor == "sqlite" and in_transaction:
            begun = begun or number
            places.setdefault(begun, number)
        else:
            begun = 0
            places.setdefault(sql, number)
    return sorted(places.values())


def _let_come_far(worker: Worker) -> None:
    """Wait until a worker is done or waits for another."""
    if connection.vendor != "postgresql":
        worker.join(_A_MOMENT)
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    while worker.is_alive() and time.monotonic() < deadline:
        if worker.backend is not None and worker.is_blocked():
            return
        worker.join(0.002)


@contextmanager
def in_between(work: Work) -> Iterator[Callable[[], None]]:
    """Give a function that starts a work in another thread; it is finished at the end."""
    workers: list[Worker] = []

    def start() -> None:
        workers.append(Worker(work))
        workers[0].start()
        _let_come_far(workers[0])

    yield start
    for worker in workers:
        worker.finish()

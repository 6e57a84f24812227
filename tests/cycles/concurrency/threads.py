"""Several workers at once, each a thread with connections of its own, and who gets in between.

Nothing here goes by time: a worker is waited for until it ends, or waits for a lock of another.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

Work = Callable[[], object]
# Long enough for any worker on a busy machine; reached only where one waits for ever.
PATIENCE_SECONDS = 60.0
_BETWEEN_TWO_LOOKS_SECONDS = 0.005


class Worker(threading.Thread):
    """A thread that keeps what it returned, or raised, and closes its connections."""

    def __init__(self, work: Work) -> None:
        super().__init__(daemon=True)
        self.result: object = None
        self.error: BaseException | None = None
        self.ended = threading.Event()
        self._work = work
        self._backend: int | None = None
        self._statements = 0
        self._is_at_the_gate = threading.Event()

    def run(self) -> None:
        try:
            connection.ensure_connection()
            if connection.vendor == "postgresql":
                self._backend = connection.connection.info.backend_pid
            with connection.execute_wrapper(self._watch):
                self.result = self._work()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()
            self.ended.set()
            self._is_at_the_gate.set()

    def _watch(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        self._statements += 1
        if not str(sql).startswith("BEGIN"):
            return execute(sql, params, many, context)
        self._is_at_the_gate.set()
        result = execute(sql, params, many, context)
        self._is_at_the_gate.clear()
        return result

    def come_far(self, *, host_is_writing: bool) -> None:
        """Wait until the worker has ended, or waits for a lock: of the host, or of who waits too.

        On SQLite a host that is in a transaction lets nobody else begin one, and one that is not
        keeps nobody up.
        """
        if connection.vendor != "postgresql":
            arrived = self._is_at_the_gate if host_is_writing else self.ended
            assert arrived.wait(PATIENCE_SECONDS), "a worker neither ends nor begins to write"
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        seen = -1
        while not self.ended.wait(_BETWEEN_TWO_LOOKS_SECONDS):
            # One that sends statements is not stuck, and asking the database costs it time.
            if seen == self._statements and self._is_blocked():
                return
            seen = self._statements
            assert time.monotonic() < deadline, "a worker neither ends nor waits for a lock"

    def _is_blocked(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self._backend])
            return bool(cursor.fetchone()[0])


def at_once(works: Sequence[Work]) -> list[object]:
    """Run works at the same time; return what they returned, or raise the first error."""
    barrier = threading.Barrier(len(works), timeout=PATIENCE_SECONDS)

    def together(work: Work) -> Work:
        def wait_and_work() -> object:
            barrier.wait()
            return work()

        return wait_and_work

    workers = [Worker(together(work)) for work in works]
    for worker in workers:
        worker.start()
    return _finish(workers)


def run_apart(work: Work) -> object:
    """Run a work to its end in another thread, as another process would."""
    return at_once([work])[0]


def interleave(host: Work, guests: Sequence[Work], *, before_statement: int) -> None:
    """Run the host up to a statement, then each guest as far as it comes, then all to their ends.

    Raises the first error, the host's before the guests'.
    """
    pause = _Pause(before_statement)

    def paused() -> object:
        try:
            with connection.execute_wrapper(pause):
                return host()
        finally:
            pause.is_reached.set()

    workers = [Worker(paused)]
    workers[0].start()
    try:
        assert pause.is_reached.wait(PATIENCE_SECONDS), "the host neither ends nor comes so far"
        for guest in guests:
            workers.append(Worker(guest))
            workers[-1].start()
            workers[-1].come_far(host_is_writing=pause.in_transaction)
    finally:
        pause.go_on.set()
        _join(workers)
    _finish(workers)
    assert pause.statements >= before_statement, "the host sent fewer statements than before"


@contextmanager
def visitors(guests: Sequence[Work]) -> Iterator[Callable[[], None]]:
    """Give a function that lets guests in, from within this thread's work; all end at the end."""
    workers: list[Worker] = []

    def let_in() -> None:
        for guest in guests:
            workers.append(Worker(guest))
            workers[-1].start()
            workers[-1].come_far(host_is_writing=connection.in_atomic_block)

    try:
        yield let_in
    finally:
        _join(workers)
    _finish(workers)


def places_to_come_in(work: Work) -> list[int]:
    """Do a work; return before which of its statements another one may find something else.

    On PostgreSQL those are the statements of transactions, each of which may wait for a lock; one
    that is sent again counts once where its transaction began alike. On SQLite a transaction keeps
    every other writer out from its begin to its end and is one place; there the statements outside
    count, of each text one: what they read is no engine's business.
    """
    statements: list[tuple[str, bool]] = []

    def watch(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        statements.append((str(sql), context["connection"].in_atomic_block))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        work()
    is_postgresql = connection.vendor == "postgresql"
    places: dict[object, int] = {}
    sent: tuple[str, ...] = ()
    for number, (sql, in_transaction) in enumerate(statements, start=1):
        sent = (*sent, sql) if in_transaction else ()
        if in_transaction and (is_postgresql or len(sent) == 1):
            places.setdefault(sent, number)
        elif not in_transaction and not is_postgresql:
            places.setdefault(number if sql.startswith("BEGIN") else sql, number)
    return sorted(places.values())


class _Pause:
    """Stops its thread before its n-th statement until it is told to go on."""

    def __init__(self, number: int) -> None:
        self.statements = 0
        self.in_transaction = False
        self.is_reached = threading.Event()
        self.go_on = threading.Event()
        self._number = number

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        self.statements += 1
        if self.statements == self._number:
            self.in_transaction = context["connection"].in_atomic_block
            self.is_reached.set()
            assert self.go_on.wait(PATIENCE_SECONDS), "nobody told the host to go on"
        return execute(sql, params, many, context)


def _join(workers: Sequence[Worker]) -> None:
    """Wait for the end of all, so that none still writes when the next test begins."""
    for worker in workers:
        worker.join(PATIENCE_SECONDS)
    assert not any(worker.is_alive() for worker in workers), "a worker waits for ever"


def _finish(workers: Sequence[Worker]) -> list[object]:
    _join(workers)
    for worker in workers:
        if worker.error is not None:
            raise worker.error
    return [worker.result for worker in workers]

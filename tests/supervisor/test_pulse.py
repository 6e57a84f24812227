"""Silence is counted from the last sign; what could not be asked says nothing."""

from collections.abc import Callable, Mapping

from reconciliation.supervisor.pulse import Pulse, Sign


class Scripted:
    """Gives the signs it was told, each after so many seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sign = Sign.SILENT
        self.while_looking: Callable[[], object] = lambda: None

    def begin(self) -> Mapping[str, str]:
        return {"NAME": "new"}

    def look(self) -> Sign:
        self.while_looking()
        return self.sign

    def after(self, pulse: Pulse, seconds: float, sign: Sign) -> bool:
        self.now += seconds
        self.sign = sign
        pulse.look()
        return pulse.overdue()


def watched() -> tuple[Scripted, Pulse]:
    source = Scripted()
    pulse = Pulse(source, limit=10, every=1, first_limit=30, monotonic=lambda: source.now)
    assert pulse.begin() == {"NAME": "new"}
    return source, pulse


def test_a_process_may_be_silent_up_to_its_limit() -> None:
    source, pulse = watched()
    assert not source.after(pulse, 1, Sign.ALIVE)
    assert not source.after(pulse, 10, Sign.SILENT)
    assert source.after(pulse, 1, Sign.SILENT)
    assert pulse.silence == 11


def test_a_sign_ends_the_silence() -> None:
    source, pulse = watched()
    source.after(pulse, 9, Sign.ALIVE)
    assert not source.after(pulse, 9, Sign.SILENT)
    assert not source.after(pulse, 9, Sign.ALIVE)
    assert not source.after(pulse, 9, Sign.SILENT)


def test_until_its_first_sign_it_has_the_time_that_a_start_takes() -> None:
    source, pulse = watched()
    assert not source.after(pulse, 30, Sign.SILENT)
    assert source.after(pulse, 1, Sign.SILENT)


def test_what_could_not_be_asked_is_no_silence() -> None:
    source, pulse = watched()
    source.after(pulse, 1, Sign.ALIVE)
    for _ in range(5):
        assert not source.after(pulse, 9, Sign.UNKNOWN)
    assert not source.after(pulse, 9, Sign.SILENT)
    assert source.after(pulse, 2, Sign.SILENT)


def test_a_look_that_hangs_is_no_silence_until_it_is_completed() -> None:
    source, pulse = watched()
    source.after(pulse, 1, Sign.ALIVE)
    source.now += 100
    assert not pulse.overdue()


def test_a_new_process_begins_with_no_silence_and_the_time_that_a_start_takes() -> None:
    source, pulse = watched()
    source.after(pulse, 1, Sign.ALIVE)
    assert source.after(pulse, 11, Sign.SILENT)
    pulse.begin()
    assert not pulse.overdue()
    assert not source.after(pulse, 30, Sign.SILENT)


def test_a_look_that_began_before_the_new_process_says_nothing_of_it() -> None:
    source, pulse = watched()

    source.while_looking = pulse.begin
    source.after(pulse, 1, Sign.ALIVE)
    source.while_looking = lambda: None
    # It has still the time that a start takes.
    assert not source.after(pulse, 30, Sign.SILENT)
    assert source.after(pulse, 1, Sign.SILENT)

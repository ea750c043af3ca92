import os
import signal

import pytest

from checker.lab.interrupts import Interrupted, interruptible, shielded


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ending_signal_becomes_an_exception(number: signal.Signals) -> None:
    with pytest.raises(Interrupted, match=f"interrupted by {number.name}"), interruptible():
        os.kill(os.getpid(), number)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_shield_holds_it_back_until_its_end() -> None:
    done = []

    def clean_up_and_go_on() -> None:
        with shielded():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("cleaned up")
        done.append("not reached")

    with pytest.raises(Interrupted), interruptible():
        clean_up_and_go_on()
    assert done == ["cleaned up"]


def test_an_error_within_the_shield_is_not_lost() -> None:
    def fail() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("broken")

    with pytest.raises(Interrupted) as caught, interruptible(), shielded():
        fail()
    assert isinstance(caught.value.__context__, ValueError)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

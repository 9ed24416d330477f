"""The fence around foreign code."""

import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from nnfw.conformance.isolation import TookTooLong, guarded, time_limit

UNIX = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals are of Unix")


def test_output_warnings_and_changes_are_noted(capfd):
    with guarded() as traces:
        sys.stdout.write("one")
        sys.stderr.write("two")
        warnings.warn("three", stacklevel=1)
        np.seterr(all="raise")
    assert traces.printed == "onetwo"
    assert traces.warned == ["UserWarning: three"]
    assert list(traces.changed) == ["np.seterr"]
    assert capfd.readouterr() == ("", "")


def test_process_is_as_before_after_an_error():
    before, filters = np.geterr(), list(warnings.filters)

    @guarded()
    def spoil_and_raise():
        np.seterr(all="ignore")
        warnings.simplefilter("ignore")
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        spoil_and_raise()
    assert np.geterr() == before
    assert warnings.filters == filters


@UNIX
def test_what_does_not_come_back_is_ended():
    @time_limit(0.05)
    def loop():
        while True:
            pass

    with pytest.raises(TookTooLong, match=r"did not come back within 0\.05 s"):
        loop()


@UNIX
def test_alarm_of_somebody_else_still_rings():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with time_limit(10):
            pass
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.2
        while not rung:
            time.sleep(0.01)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@UNIX
def test_no_alarm_is_left_behind():
    with time_limit(10):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_time_limit_in_another_thread_lets_the_body_run():
    done = []

    def work():
        with time_limit(0.01):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]

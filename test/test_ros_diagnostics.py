from time import perf_counter

import pytest
from ros_testing import values_of
from squeezedet_ros.ros.diagnostics import Account, camera_status, FrameAccount, Remark
from squeezedet_ros.ros.messages import OK, WARN
from squeezedet_ros.ros.scheduling import OUTCOMES

pytestmark = pytest.mark.ros


def test_every_frame_has_one_outcome_or_waits():
    account = FrameAccount()
    for _ in range(7):
        account.arrived(perf_counter())
    for outcome in OUTCOMES:
        account.ended(outcome, 10.0)
    read = account.read()
    assert read.received == 5
    assert read.waiting == 2
    assert dict(read.counts) == dict.fromkeys(OUTCOMES, 1)


def test_only_detected_frames_have_a_latency():
    account = FrameAccount()
    assert account.read().latencies_ms is None
    for latency in range(1, 102):
        account.arrived(perf_counter())
        account.ended('detected', float(latency))
    account.arrived(perf_counter())
    account.ended('superseded', 9999.0)
    assert account.read().latencies_ms == (51.0, 96.0, 100.0)


def test_rates_and_bad_frames_are_those_since_the_last_reading():
    account = FrameAccount()
    for outcome in ('detected', 'failed', 'undecodable'):
        account.arrived(perf_counter())
        account.ended(outcome, 1.0)
    first, second = account.read(), account.read()
    assert first.bad == 2
    assert first.rates[0] == pytest.approx(3 * first.rates[1])
    assert (second.bad, second.rates) == (0, (0.0, 0.0))
    assert second.received == 3


def read(**changes):
    values = {
        'counts': {**dict.fromkeys(OUTCOMES, 0), 'detected': 4, 'superseded': 1},
        'waiting': 1,
        'rates': (10.0, 8.0),
        'bad': 0,
        'latencies_ms': (1.0, 2.0, 3.0),
        'silent_for': 0.1,
    }
    return Account(**{**values, **changes})


def test_the_status_tells_the_account():
    status = camera_status('/detector: left', 'left', read(), None, {'publishers': 2})
    values = values_of(status)
    assert (status.level, status.name, status.hardware_id) == (b'\x00', '/detector: left', 'left')
    assert int(values['received']) == sum(int(values[outcome]) for outcome in OUTCOMES) == 5
    assert values['publishers'] == '2'
    assert (values['waiting'], values['latency p99 ms']) == ('1', '3.000')
    assert (values['received per second'], values['detected per second']) == ('10.000', '8.000')


def test_bad_frames_are_an_error_and_silence_a_warning():
    silent = Remark(WARN, 'no image on /left')
    assert camera_status('n', 'left', read(bad=2), silent, {}).level == b'\x02'
    status = camera_status('n', 'left', read(latencies_ms=None), silent, {})
    assert (status.level, status.message) == (b'\x01', 'no image on /left')
    assert 'latency p50 ms' not in values_of(status)


def test_a_remark_may_be_that_all_is_well():
    status = camera_status('n', 'left', read(), Remark(OK, 'nobody listens'), {})
    assert (status.level, status.message) == (b'\x00', 'nobody listens')

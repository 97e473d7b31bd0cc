import random

from squeezedet_ros.ros.rate_limit import RateLimit


def looked_at(arrivals, max_fps):
    """Return those of some arrivals that are looked at."""
    limit, seen = RateLimit(), []
    for arrival in arrivals:
        if not limit.is_too_soon(arrival, max_fps):
            limit.looked_at(arrival, max_fps)
            seen.append(arrival)
    return seen


def test_no_limit_lets_all_pass():
    assert looked_at([0.0, 0.0, 0.001], 0.0) == [0.0, 0.0, 0.001]


def test_30_hertz_held_to_10_by_hand():
    milliseconds = [0, 33, 67, 99, 133, 167, 203, 233, 267, 303]
    # Slots at -50, 50, 150, 250 and 350; each taken up to 50 early, and 50 after the one before.
    assert looked_at([ms / 1000 for ms in milliseconds], 10.0) == [0.0, 0.067, 0.133, 0.203, 0.303]


def test_jitter_costs_no_frame_where_the_limit_is_the_rate():
    noise = random.Random(1)
    arrivals = [number / 20 + noise.uniform(-0.01, 0.01) for number in range(500)]
    assert looked_at(arrivals, 20.0) == arrivals


def test_the_average_is_kept_for_every_rate():
    for rate in (11, 15, 25, 30, 60, 1000):
        seen = looked_at([number / rate for number in range(60 * rate)], 10.0)
        # 600 in a minute, and one for the half period it may be early.
        assert 599 <= len(seen) <= 601, rate


def test_a_silence_is_not_made_up_for():
    # The first after it is half a period late for its slot: one comes 50 ms on, then every 100.
    milliseconds = [0, 100_000, 100_010, 100_051, 100_090, 100_110, 100_160, 100_210, 100_310]
    seen = looked_at([ms / 1000 for ms in milliseconds], 10.0)
    assert seen == [0.0, 100.0, 100.051, 100.11, 100.21, 100.31]


def test_another_limit_counts_at_once():
    limit = RateLimit()
    limit.looked_at(0.0, 0.01)
    limit.looked_at(60.0, 0.01)
    assert limit.is_too_soon(61.0, 0.01)
    assert limit.is_too_soon(60.04, 10.0)
    assert not limit.is_too_soon(60.11, 10.0)
    assert not limit.is_too_soon(60.001, 0.0)
    assert limit.since_last(61.0) == 1.0

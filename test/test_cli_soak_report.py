from __future__ import annotations

import pytest
from squeezedet_ros.cli.soak_report import Memory, SoakBooks

STAGES = {'wait': 1.0, 'decode': 0.5, 'preprocess': 2.0, 'network': 20.0, 'select': 1.0}


def status(camera, stamp, outcome='detected', age=30.0, at=0.0):
    times = {**STAGES, 'publish': 0.5, 'total': 26.0, 'age': age}
    return {
        'kind': 'status',
        'camera': camera,
        'stamp': stamp,
        'at': at,
        'outcome': outcome,
        'milliseconds': times,
    }


def books_of(events, cameras=('left', 'right')):
    books = SoakBooks(cameras)
    for event in events:
        books.add(event)
    return books


def seen(camera, stamps):
    for stamp in stamps:
        yield status(camera, stamp)
        yield {'kind': 'array', 'camera': camera, 'stamp': stamp}


def account(camera, **counts):
    return {'kind': 'account', 'camera': camera, 'counts': {'waiting': 0, **counts}}


def verdict(*events, minutes=1):
    return books_of(events).verdict(minutes)


GOOD = [
    {'kind': 'ready'},
    *seen('left', range(10)),
    *seen('right', range(9)),
    status('right', 50, 'superseded'),
    account('left', received=10, detected=10),
    account('right', received=10, detected=9, superseded=1),
    {'kind': 'sent', 'counts': {'left': 10, 'right': 12}},
]


def test_a_soak_in_order():
    findings = verdict(*GOOD)
    assert [finding.right for finding in findings] == [True, True, True, True, None, None]
    assert findings[1].text == (
        'right: 10 received = 9 detected + 1 superseded, 0 waiting; of 12 sent 2 were lost on the '
        'way to the node'
    )


@pytest.mark.parametrize(
    ('event', 'wrong'),
    [
        # A frame that waits for ever, one nobody told of, one told of twice, an array of none.
        (account('left', received=10, detected=10, waiting=1), [0]),
        (account('left', received=11, detected=11), [0]),
        (status('left', 3), [0, 2, 3]),
        ({'kind': 'array', 'camera': 'left', 'stamp': 60}, [2]),
    ],
)
def test_what_is_not_accounted_for_is_found(event, wrong):
    findings = verdict(*GOOD, event)
    assert [n for n, finding in enumerate(findings) if finding.right is False] == wrong


def test_a_camera_that_never_came_through_is_wrong():
    findings = verdict(*seen('left', range(10)), account('left', received=10, detected=10))
    assert [finding.right for finding in findings[:4]] == [True, False, True, False]


@pytest.mark.parametrize(('left', 'right', 'fair'), [(4, 3, True), (4, 2, False), (30, 27, True)])
def test_a_camera_may_be_a_tenth_or_one_frame_ahead(left, right, fair):
    findings = verdict(*seen('left', range(left)), *seen('right', range(right)))
    assert findings[3].right is fair


def test_ages_may_not_grow_by_a_tenth():
    for last, right in ((32.9, True), (33.1, False)):
        events = [status('left', n, age=30.0, at=100.0 + n) for n in range(10)]
        events += [status('left', 70 + n, age=last, at=170.0 + n) for n in range(10)]
        finding = verdict(*events, minutes=2)[4]
        assert finding.right is right
    assert books_of(events).age_percentiles(0) == (30.0, 30.0)


def test_the_slope_of_memory_is_that_after_warm_up():
    books = books_of(GOOD)
    # 100 MiB in the first ten minutes, then one in half an hour.
    for second in range(0, 2400, 10):
        grown = 100 * second / 600 if second < 600 else 100 + (second - 600) / 1800
        books.memory.append(Memory(5.0 + second, 400 + grown, 300.0))
    slopes = books.memory_slopes()
    assert slopes == pytest.approx((2.0, 0.0), abs=1e-6)
    found = books.verdict(1)[5]
    assert found.right is False
    assert '+2.00 MiB an hour after the first 600 s' in found.text
    del books.memory[40:]
    assert books.verdict(1)[5].right is None


def test_overhead_is_what_is_not_the_network():
    line = books_of(GOOD).overhead_line()
    assert line.startswith('overhead: 6.00 ms less the network; median ms of wait 1.00')
    assert books_of([]).overhead_line() == 'overhead: nothing was detected'

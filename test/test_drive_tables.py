import re

from drives import drive, frame, START_NS
from kitti_scenes import found, truth
from squeezedet_ros.evaluation.drive_tables import (
    average_precision,
    summary,
    sweep_table,
    through_node,
    time_tables,
)

CAR = (100, 100, 200, 200)


def entries(text):
    return dict(re.findall(r'<dt>(.*?)</dt><dd>(.*?)</dd>', text))


def test_summary_by_hand():
    record = drive(
        frame(
            0,
            found((0, 0.9, *CAR)),
            truth=truth(),
            milliseconds={'wait': 4.0, 'network': 6.0},
            published_ns=START_NS + 12_000_000,
        ),
        frame(1, milliseconds={'wait': 90.0}),
        frame(2, found(), milliseconds={'wait': 9.0, 'total': 20.0}),
    )
    assert entries(summary(record, {})) == {
        'frames': '3',
        'looked at': '2 (66.7 %)',
        'duration': '0.2 s',
        'frames a second': '10.00',
        'frame size': '900x400',
        'latency p50 / p95 / p99': '15.0 / 19.5 / 19.9 ms',
        'age when published p50 / p95 / p99': '12.0 / 12.0 / 12.0 ms',
        'frames with truth': '1',
        'superseded': '1',
    }


def test_parts_without_facts_are_left_out():
    record = drive(frame(0, found()))
    assert average_precision({}) == ''
    assert time_tables(record, {}) == ''
    assert 'latency' not in summary(record, {})


def test_the_ways_of_scoring_stand_side_by_side():
    def scores(ap, **more):
        row = {'car': {'all': ap}}
        counts = {'classes': {'car': {'precision': 0.75, 'recall': None}}}
        return {'images': 9, 'kitti': {'ap11': row, 'ap40': row}, 'counts': counts, **more}

    told = {
        'mode': 'live',
        'rate': 2.0,
        'sent': 9,
        'received': 8,
        'lost': 1,
        'cpu_cores': 1.234,
        'memory_mib': {'first': 400.4, 'last': 401.0, 'peak': None},
        'scores': {
            'looked_at': scores(0.9),
            'all': scores(0.8),
            'streaming': scores(0.5, lag_ms=120.4, unanswered=1),
        },
    }
    text = through_node({'through_node': told})
    assert entries(text)['memory first / last / peak'] == '400 / 401 / - MiB'
    assert entries(text)['CPU cores'] == '1.23'
    assert '<th scope="col">looked at</th>' in text
    row = '<th scope="row">car, AP11</th><td>0.900</td><td>0.800</td><td>0.500</td>'
    assert row in text
    assert '<th scope="row">car, recall</th><td>-</td><td>-</td><td>-</td>' in text
    assert '120 ms older' in text
    told['scores'] = None
    assert 'looked at' not in through_node({'through_node': told})


def test_a_sweep_has_a_row_for_each_setting():
    rates = {'precision': 0.5, 'recall': None}
    row = {'top_n': 64, 'plot_prob_thresh': 0.1, 'select_ms': 1.5, 'detections_per_frame': 2.0}
    sweep = {'frames': 3, 'with_truth': 0, 'min_overlap': 0.5, 'network_ms': 20.0, 'rows': [row]}
    cells = '<th scope="row">64</th><td>0.1</td><td>1.500</td><td>2.000</td>'
    assert f'{cells}</tr>' in sweep_table({'sweep': sweep})
    row |= {'all': rates, 'classes': {'car': rates}}
    assert f'{cells}<td>0.500</td><td>-</td><td>0.500</td><td>-</td></tr>' in sweep_table(
        {'sweep': sweep}
    )


def test_gaps_are_told_in_seconds():
    record = drive(*(frame(number, found()) for number in range(3)), frame(3), frame(4))
    assert '1 gaps' in time_tables(record, {})
    row = '<th scope="row">superseded</th><td>0.250</td><td>0.450</td><td>2</td>'
    assert row in time_tables(record, {})


def test_all_that_vanished_is_counted_and_the_first_are_listed():
    drive_report = {
        'detections': {
            name: {
                'count': 9,
                'per_frame': 0.5,
                'frames': 5,
                'score': {'p10': 0.5, 'p50': 0.6, 'p90': 0.7},
                'vanished': {'1': gone, '2': 50},
            }
            for name, gone in (('car', 150), ('cyclist', 49))
        },
        'flicker': [{'frame': place, 'class': 'car', 'frames': 1} for place in range(200)],
    }
    text = time_tables(drive(frame(0, found())), {'drive': drive_report})
    assert '299 objects that vanished for a frame or two' in text

"""A drive through the node, in words."""

from dataclasses import replace

import numpy as np
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.node_report import format_node_report, report_node
from squeezedet_ros.evaluation.streaming_ap import score_three_ways

BOX = np.array([[10, 20, 60, 70]], np.float32)
TRUTH = GroundTruth(BOX, ('Car',), np.zeros(1, np.float32), np.zeros(1, np.int64))
SEEN = Detections(BOX, np.array([0.9], np.float32), np.zeros(1, np.int64))
ACCOUNT = {
    'mode': 'live',
    'rate': 0.5,
    'sent': 60,
    'received': 58,
    'lost': 2,
    'strangers': 0,
    'cpu_cores': 1.234,
    'memory_mib': {'first': 500.4, 'last': None, 'peak': 534.3},
}


def frames(*latencies_ms):
    """Return frames 100 ms apart with a car in each, dropped where there is no latency."""
    return [
        FrameRecord(
            stamp_ns=index * 100_000_000,
            size=(90, 160),
            outcome='superseded' if late is None else 'detected',
            detections=None if late is None else SEEN,
            truth=TRUTH,
            published_ns=None if late is None else index * 100_000_000 + late * 1_000_000,
        )
        for index, late in enumerate(latencies_ms)
    ]


def told(scores, **account):
    return format_node_report({**ACCOUNT, **account, 'scores': scores}).splitlines()


def test_the_account_without_truth():
    assert told(None) == [
        'through the node, live, 0.5 times the recorded pace: 60 images sent, 58 received, 2 lost',
        'ages are in the time of the bag, of which 0.5 s pass in a second',
        'the node took 1.23 cores, 500 MiB after its first frame, - MiB after its last, '
        '534 MiB at most',
    ]


def test_frames_of_nowhere_are_a_warning():
    assert told(None, strangers=3, rate=1)[1].startswith(
        'warning: 3 frames told of by the node are of no'
    )


def test_three_ways_side_by_side():
    scores = score_three_ways(frames(150, None, 150, 150), ('car',), 0.5, SelectionConfig())
    lines = told(scores)[5:]
    assert lines[0].split() == ['frames', 'looked', 'at', 'all', 'streaming']
    assert lines[1].split() == ['3', '4', '4']
    assert lines[2].startswith('AP car')
    assert lines[3].split() == ['precision', '1.000', '1.000', '1.000']
    # Of four cars one was in a dropped frame; two came before anything was published.
    assert lines[4].split() == ['recall', '1.000', '0.750', '0.500']
    assert lines[5] == (
        'streaming: what had been published was 250 ms older than the truth on average; '
        '2 truths came before anything was'
    )


def test_the_account_of_a_record_comes_with_its_scores():
    record = DriveRecord(
        name='drive',
        topic='camera/image_raw',
        classes=('car',),
        frames=frames(50),
        plot_prob_thresh=0.4,
        settings={'node': ACCOUNT},
    )
    report = report_node(record, SelectionConfig(), 0.5)
    assert report['sent'] == 60
    assert report['scores']['streaming']['unanswered'] == 1
    bare = replace(record, frames=[replace(record.frames[0], truth=None)])
    assert report_node(bare, SelectionConfig(), 0.5) == {**ACCOUNT, 'scores': None}


def test_a_replay_has_two_ways():
    [frame] = frames(0)
    replayed = FrameRecord(
        stamp_ns=1, size=(9, 9), outcome='detected', detections=SEEN, truth=frame.truth
    )
    lines = told(score_three_ways([replayed], ('car',), 0.5, SelectionConfig()), mode='replay')
    assert 'replay, at most 0.5 times' in lines[0]
    assert lines[5].split() == ['1', '1']
    assert lines[-1].startswith('no streaming: in a replay the bag waits')

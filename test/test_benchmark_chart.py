import cv2
import numpy as np
import pytest
from squeezedet_ros.evaluation.benchmark_chart import least_times, Limits, save_chart

MACHINE = {'gflops_float32': 100.0, 'gflops_bfloat16': 400.0, 'copy_gb_per_second': 10.0}
COST = {'operations': 10_000_000_000, 'values': 50_000_000}


def engine(least, **more):
    times = {'least': least, 'median': 1.1 * least}
    total = {'least': least + 5, 'median': 1.1 * least + 5}
    return {'network_ms': times, 'total_ms': total, 'precision': 'float32', **more}


REPORT = {
    'engine': 'torch',
    'input_size': [384, 1248],
    'cost': COST,
    'machine': MACHINE,
    'milliseconds': {
        name: {'median': value, 'p99': 1.5 * value}
        for name, value in (('preprocess', 2), ('network', 70), ('select', 3), ('total', 75))
    },
}


@pytest.mark.parametrize(
    ('precision', 'limits'),
    [('float32', (100, 20)), ('bfloat16', (25, 10)), ('int8', (None, 5))],
)
def test_limits_by_hand(precision, limits):
    assert least_times(COST, precision, MACHINE) == Limits(*limits)


def test_each_part_that_was_timed_has_a_panel(tmp_path):
    pytest.importorskip('matplotlib')
    heights = []
    rows = {
        'torch_eager float32': engine(70.0),
        'yolov8n': engine(90.0, peer=True, cost=COST),
        'tensorrt float32': {'absent': 'needs a CUDA device'},
    }
    batch = {'forward_images_per_second': 14.0, 'images_per_second': 13.0}
    for more in ({}, {'engines': rows}, {'engines': rows, 'batches': {'1': batch, '2': batch}}):
        save_chart(tmp_path / 'chart.png', REPORT | more)
        picture = cv2.imread(str(tmp_path / 'chart.png'))
        heights.append(picture.shape[0])
        # Orange, the colour of peers, is there when they are.
        orange = (np.abs(picture.astype(int) - (0, 159, 230)).max(-1) < 3).any()
        assert orange == bool(more)
    assert heights == sorted(set(heights))

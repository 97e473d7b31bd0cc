from importlib.util import find_spec

import numpy as np
import pytest
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.errors import MissingPackageError
from squeezedet_ros.evaluation.peers import load_peers, smallest_models
import torch

IMAGE = np.zeros((96, 160, 3), np.uint8)
NAMES = ('v8/yolov8', 'v8/yolov8-p2', 'v9/yolov9t', '11/yolo11', '11/yolo11-seg', 'v10/yolov10n')


def test_the_smallest_are_of_version_8_and_of_the_newest(tmp_path):
    for name in NAMES:
        path = tmp_path / f'{name}.yaml'
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert smallest_models(tmp_path) == ['yolov8n', 'yolo11n']
    (tmp_path / '11/yolo11.yaml').unlink()
    assert smallest_models(tmp_path) == ['yolov8n']


def test_no_models_no_names(tmp_path):
    assert smallest_models(tmp_path) == []


@pytest.mark.skipif(find_spec('ultralytics') is not None, reason='ultralytics is installed')
def test_without_ultralytics_the_reason_is_told():
    with pytest.raises(MissingPackageError, match='pip install ultralytics'):
        next(load_peers(IMAGE, (96, 160), EngineConfig()))


@pytest.mark.skipif(find_spec('ultralytics') is None, reason='ultralytics is not installed')
def test_peers_see_whole_strides_and_leave_the_threads_alone():
    config = EngineConfig(device='cpu', num_threads=2)
    peers = list(load_peers(IMAGE, (96, 176), config))
    assert peers[0].name == 'yolov8n'
    for peer in peers:
        assert peer.size == (96, 192)
        assert torch.get_num_threads() == 2
        assert peer.look(IMAGE) > 0

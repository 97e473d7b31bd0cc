import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.frames import list_frames
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.loading_rate import LoadingRate, measure_loading
from squeezedet_ros.training.recipe import TrainingConfig
import torch


def test_ratio():
    assert LoadingRate(30.0, 12.0).ratio == 2.5


@pytest.mark.parametrize('workers', [0, 1])
def test_both_are_timed(tmp_path, workers):
    write_kitti(tmp_path, [render_scene(0, (96, 192))])
    model = ModelConfig(fit='adaptive', anchor_placement='stride', input_size=(64, 128))
    training = TrainingConfig(window=(64, 96), batch_size=2, workers=workers)
    rate = measure_loading(
        SqueezeDet(model),
        list_frames(tmp_path, 'train'),
        training,
        torch.device('cpu'),
        batches=3,
        steps=2,
    )
    assert 0 < rate.training < float('inf')
    assert 0 < rate.loading < float('inf')

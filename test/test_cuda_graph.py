"""What the engine records, replayed on a CPU by calling it again, and the engine where CUDA is."""

from copy import deepcopy
from dataclasses import replace
import math

from gpu import needs_cuda
import numpy as np
import pytest
from squeezedet_ros.checkpoint import load_checkpoint, resolve_weights
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.device_selection import read_table, selection_settings
from squeezedet_ros.engines.choice import choose_engine
from squeezedet_ros.engines.cuda_graph import RecordedPass
from squeezedet_ros.engines.engine import Engine
from squeezedet_ros.engines.parity import parity_frame, TOLERANCES
from squeezedet_ros.engines.torch_engine import TorchEngine
from squeezedet_ros.errors import DeviceError
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import make_selector
from squeezedet_ros.preprocessing import FitTransform, normalize, Placement
import torch
from torch.utils._pytree import tree_leaves

ON_CPU = EngineConfig(engine='torch_eager', device='cpu')
TRANSFORM = FitTransform((1.25, 2.0), (30.0, 0.0))


def call_again(work):
    """Record as CUDA does: what is done again fills the tensors of the first time."""
    result = work()

    def again():
        for old, new in zip(tree_leaves(result), tree_leaves(work()), strict=True):
            old.copy_(new)

    return again, result


class Replaying(Engine):
    """An engine on the CPU that does what :class:`GraphEngine` does on CUDA."""

    def __init__(self, network):
        super().__init__(network.config, torch.device('cpu'))
        self.network, self.taken, self.recorded = network.eval(), None, []

    def describe(self):
        return 'replaying'

    def record(self, work):
        self.recorded.append(work)
        return call_again(work)

    @torch.inference_mode()
    def prepare(self, images):
        if self.taken is None:
            self.taken = RecordedPass(self.look, torch.zeros_like(images), self.record)
        return self.taken.images.copy_(images)

    def look(self, images):
        mean = torch.tensor(self.model.pixel_mean)
        return self.network(normalize(images, mean, torch.float32))

    def _run(self, *_):
        self.taken.forward()
        return self.taken.raw

    def _is_finite(self, _):
        return self.taken.is_finite()

    def detections(self, _, size, placements, selector):
        settings = torch.from_numpy(selection_settings(selector, placements))
        top_n, exp_thresh = selector.config.top_n, self.model.exp_thresh
        anchors = self._anchors_for(size)
        table = self.taken.selection_table(anchors, settings, top_n, exp_thresh)
        return read_table(table.numpy(), selector.config.nms_variant)


@pytest.fixture(scope='module')
def network():
    return load_checkpoint(resolve_weights(''))


@pytest.fixture(scope='module')
def frames(network):
    frame = parity_frame(network.config)
    return [frame, np.ascontiguousarray(frame[:, ::-1]), np.zeros_like(frame), frame]


def assert_alike(found, expected, tolerance):
    """Hold boxes against each other in whatever order, which near scores may exchange."""
    assert len(found) == len(expected)
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        side = (box[2:] - box[:2]).max()
        near = np.abs(expected.boxes - box).max(1) <= tolerance.boxes * side
        near &= np.abs(expected.scores - score) <= tolerance.scores
        assert (near & (expected.labels == label)).sum() == 1


def found_by(engine, frames, selector):
    size = frames[0].shape[:2]
    batch = torch.from_numpy(np.stack(frames))
    placements = [Placement(TRANSFORM, (frame.shape[0] // 2, 900)) for frame in frames]
    return engine.detections(engine.forward(engine.prepare(batch)), size, placements, selector)


def test_a_replay_finds_what_the_plain_network_finds(network, frames):
    plain, replaying = TorchEngine(deepcopy(network), ON_CPU), Replaying(network)
    selections = [
        SelectionConfig(),
        SelectionConfig(),
        SelectionConfig(class_thresh=('pedestrian=0.9',)),
        SelectionConfig(class_thresh=('pedestrian=0.9',), top_n=3),
        SelectionConfig(),
    ]
    counts = []
    for shift, selection in enumerate(selections):
        selector = make_selector(selection, network.config.classes)
        batch = [frames[shift % 4], frames[(shift + 1) % 4]]
        pairs = zip(
            found_by(plain, batch, selector), found_by(replaying, batch, selector), strict=True
        )
        for expected, found in pairs:
            counts.append(len(expected))
            assert found.labels.tolist() == expected.labels.tolist()
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
            np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2)
    assert max(counts) > 3
    assert counts.count(0) == 2
    # The forward pass once, the selection again for each new number of anchors.
    assert len(replaying.recorded) == 1 + 3


def test_numbers_that_are_not_finite_are_told(network, frames):
    broken = deepcopy(network)
    engine = Replaying(broken)
    engine.forward(engine.prepare(torch.from_numpy(frames[0][None])))
    assert engine.taken.is_finite()
    with torch.no_grad():
        broken.convdet.bias[0] = float('inf')
    with torch.inference_mode():
        engine._run(engine.prepare(torch.from_numpy(frames[0][None])), -math.inf)
    assert not engine.taken.is_finite()


def test_it_needs_cuda(network):
    setting = EngineConfig(engine='cuda_graph', device='cpu')
    with pytest.raises(DeviceError, match='cuda_graph needs a CUDA device, got cpu'):
        choose_engine(deepcopy(network), replace(setting, allow_fallback=False))
    taken = choose_engine(deepcopy(network), setting)
    assert taken.fell_back
    assert taken.engine.describe().startswith('torch')


@needs_cuda
@pytest.mark.parametrize('precision', ['float32', 'float16'])
@pytest.mark.parametrize('name', ['cuda_graph', 'tensorrt'])
def test_on_cuda_it_finds_what_torch_finds(
    network, frames, precision, name, monkeypatch, tmp_path
):
    if name == 'tensorrt':
        pytest.importorskip('tensorrt')
        pytest.importorskip('onnx')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    settings = EngineConfig(device='cuda', precision=precision, allow_fallback=False)
    selections = [SelectionConfig(), SelectionConfig(top_n=3), SelectionConfig()]
    tolerance = TOLERANCES[getattr(torch, precision)]
    graph, eager = (
        Detector(deepcopy(network), None, replace(settings, engine=name))
        for name in (name, 'torch_eager')
    )
    assert graph.describe().endswith('CUDA graph')
    for selection in selections:
        graph.selection = eager.selection = selection
        for count in (1, 2, 4, 1):
            pairs = zip(graph.detect(frames[:count]), eager.detect(frames[:count]), strict=True)
            for found, expected in pairs:
                assert_alike(found, expected, tolerance)


@needs_cuda
def test_on_cuda_each_number_of_images_is_recorded_once_and_few_are_kept(network):
    engine = choose_engine(deepcopy(network), EngineConfig(engine='cuda_graph')).engine
    for count in (*range(1, 11), 1):
        images = torch.zeros((count, 384, 1248, 3), dtype=torch.uint8)
        raw = engine.forward(engine.prepare(images))
        assert isinstance(raw, RawPrediction)
        assert len(raw.deltas) == count
    assert len(engine._passes) == 8

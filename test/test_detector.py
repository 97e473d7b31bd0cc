from copy import deepcopy
from dataclasses import replace

from gpu import needs_cuda
import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import ConfigError, DeviceError, PredictionError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.postprocessing import make_selector
from squeezedet_ros.preprocessing import fit_image, normalize
import torch

MODEL = ModelConfig(input_size=(128, 256), fit='letterbox')
SELECTION = SelectionConfig(plot_prob_thresh=0.0, top_n=16)


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    network = SqueezeDet(MODEL).eval()
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            gain = 0.05 if name == 'convdet' else 1.0
            torch.nn.init.kaiming_normal_(module.weight)
            module.weight.data *= gain
    return network


@pytest.fixture(scope='module')
def images():
    rng = np.random.default_rng(0)
    sizes = [(90, 120), (200, 300), (90, 120), (64, 300)]
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def test_detect_is_the_steps_in_a_row(network, images):
    """The pipe written out by hand, in plain order, without top N or suppression."""
    image = images[1]
    selection = SelectionConfig(plot_prob_thresh=0.0, top_n=1, nms_thresh=1.0)
    (found,) = Detector(network, selection).detect([image])
    fitted, transform = fit_image(image, MODEL)
    pixels = normalize(
        torch.from_numpy(fitted[None]), torch.tensor(MODEL.pixel_mean), torch.float32
    )
    with torch.inference_mode():
        raw = network(pixels)
    scores = raw.class_logits[0].softmax(-1) * raw.confidence_logits[0].sigmoid()[:, None]
    best = int(scores.max(1).values.argmax())
    box = decode(raw.deltas[0, best], make_anchors(MODEL, (128, 256))[best], 1.0)
    x0, y0, x1, y1 = transform.to_source(cxcywh_to_xyxy(box)[None].numpy())[0]
    expected = np.clip([x0, y0, x1 - 1, y1 - 1], 0, [299, 199, 299, 199])
    np.testing.assert_allclose(found.boxes[0], expected, rtol=1e-4, atol=1e-3)
    assert found.scores[0] == pytest.approx(float(scores.max()), abs=1e-6)
    assert found.labels[0] == int(scores[best].argmax())


@pytest.mark.parametrize('size', [(2, 512), (512, 2), (2, 2)])
def test_no_box_ends_before_it_begins(network, size):
    """The boxes are the anchors: of images so small that some are less than a pixel there."""
    indifferent = deepcopy(network)
    torch.nn.init.zeros_(indifferent.convdet.weight)
    detector = Detector(
        indifferent, SelectionConfig(plot_prob_thresh=0.0, top_n=1000, nms_thresh=1.0)
    )
    (found,) = detector.detect([np.zeros((*size, 3), np.uint8)])
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    assert sides.min() == 0
    assert sides.max() > 0


def test_sizes_may_be_mixed(network, images):
    """Under adaptive fit each size is a batch of its own; results come back in order."""
    network.config = replace(MODEL, fit='adaptive')
    detector = Detector(network, SELECTION)
    together = detector.detect(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-2)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)
        height, width = image.shape[:2]
        assert found.boxes.min() >= 0
        assert found.boxes[:, [0, 2]].max() <= width - 1
        assert found.boxes[:, [1, 3]].max() <= height - 1
    network.config = MODEL


def test_a_size_of_long_ago_is_as_new(network, images):
    """More sizes than an engine keeps anchors of, smaller and larger ones in turn."""
    network.config = replace(MODEL, fit='adaptive')
    detector = Detector(network, SELECTION)
    (before,) = detector.detect(images[:1])
    for side in range(64, 384, 16):
        (found,) = detector.detect([np.resize(images[0], (90, side, 3))])
        assert found.boxes[:, [0, 2]].max() <= side - 1
    (after,) = detector.detect(images[:1])
    np.testing.assert_array_equal(after.boxes, before.boxes)
    np.testing.assert_array_equal(after.scores, before.scores)
    network.config = MODEL


def test_scores_descend_and_selection_may_change(network, images):
    detector = Detector(network, SELECTION)
    first = detector.detect(images[:1])[0]
    assert list(first.scores) == sorted(first.scores, reverse=True)
    limit = float(np.median(first.scores))
    detector.selection = replace(SELECTION, plot_prob_thresh=limit)
    second = detector.detect(images[:1])[0]
    assert len(second) == int((first.scores >= limit).sum()) < len(first)


def test_images_may_be_looked_at_with_another_selection(network, images):
    detector = Detector(network, SELECTION)
    other = make_selector(replace(SELECTION, top_n=1), MODEL.classes)
    ((found,), _) = detector.detect_timed(images[:1], other)
    assert len(found) == 1
    assert detector.selection == SELECTION
    assert len(detector.detect(images[:1])[0]) > 1


def test_a_selection_names_classes_of_the_model(network):
    unknown = replace(SELECTION, class_filter=('car', 'bus'))
    with pytest.raises(ConfigError, match="got 'bus'"):
        Detector(network, unknown)
    detector = Detector(network, SELECTION)
    with pytest.raises(ConfigError, match="got 'bus'"):
        detector.selection = unknown
    assert detector.selection == SELECTION


def test_stages_are_timed(network, images):
    _, seconds = Detector(network, SELECTION).detect_timed(images)
    assert all(value > 0 for value in seconds)


def test_no_images(network):
    assert Detector(network).detect([]) == []


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(network, image):
    with pytest.raises(ValueError, match=r'expected an image \(height, width, 3\) uint8, got'):
        Detector(network).detect([image])


def test_from_checkpoint(network, images, tmp_path):
    save_checkpoint(network, tmp_path / 'model.safetensors')
    loaded = Detector.from_checkpoint(tmp_path / 'model.safetensors', SELECTION)
    assert loaded.model == MODEL
    found, expected = (
        loaded.detect(images[:1])[0],
        Detector(network, SELECTION).detect(images[:1])[0],
    )
    np.testing.assert_array_equal(found.boxes, expected.boxes)


@pytest.fixture
def modest(network):
    """Return a network whose numbers in half precision are within what an engine may differ."""
    twin = deepcopy(network)
    twin.convdet.weight.data *= 0.2
    return twin


def test_bfloat16_sees_about_the_same(modest, images):
    exact = Detector(modest, SELECTION, EngineConfig(device='cpu')).detect(images[:1])[0]
    detector = Detector(modest, SELECTION, EngineConfig(device='cpu', precision='bfloat16'))
    assert 'bfloat16' in detector.describe()
    assert detector.detect(images[:1])[0].scores.max() == pytest.approx(
        exact.scores.max(), abs=0.05
    )


def test_devices_that_are_not_there(network):
    missing = f'cuda:{torch.cuda.device_count()}'
    with pytest.raises(DeviceError, match=f'{missing} was asked for'):
        Detector(network, engine=EngineConfig(device=missing))
    with pytest.raises(DeviceError, match='float16 needs a CUDA device'):
        Detector(network, engine=EngineConfig(device='cpu', precision='float16'))


@needs_cuda
def test_half_precision_on_cuda_sees_about_the_same(modest, images):
    exact = Detector(modest, SELECTION, EngineConfig(device='cpu')).detect(images)
    # The engine halves its network where it is.
    found = Detector(deepcopy(modest), SELECTION, EngineConfig(device='cuda:0')).detect(images)
    for one, other in zip(found, exact, strict=True):
        assert one.scores.max() == pytest.approx(other.scores.max(), abs=0.02)


def test_columns_must_fit():
    with pytest.raises(ValueError, match='expected boxes'):
        Detections(np.zeros((2, 4), np.float32), np.zeros(1, np.float32), np.zeros(1, np.int64))


def test_rows_are_selected_together():
    found = Detections(
        np.arange(12, dtype=np.float32).reshape(3, 4), np.float32([3, 2, 1]), np.int64([0, 1, 2])
    ).select(np.array([True, False, True]))
    assert found.boxes[1].tolist() == [8, 9, 10, 11]
    assert found.labels.tolist() == [0, 2]


@pytest.mark.parametrize('part', ['class_logits', 'confidence_logits', 'deltas'])
@pytest.mark.parametrize('number', [float('nan'), float('inf')])
def test_a_network_that_gives_no_numbers_has_not_seen_nothing(
    network, images, part, number, monkeypatch
):
    detector = Detector(network, SELECTION)
    run = detector.choice.engine._run

    def spoilt(inputs, least_logit):
        raw = run(inputs, least_logit)
        getattr(raw, part)[-1, -1] = number
        return raw

    with monkeypatch.context() as patch:
        patch.setattr(detector.choice.engine, '_run', spoilt)
        with pytest.raises(PredictionError, match='expected finite numbers'):
            detector.detect([images[0]])
    assert len(detector.detect([images[0]])) == 1

"""Every engine that is installed, beside the plain network."""

from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
import gc
from importlib.util import find_spec
import os
import subprocess
import sys
import weakref

import cv2
import numpy as np
import pytest
from real_data import DATA
from squeezedet_ros.checkpoint import load_checkpoint, resolve_weights
from squeezedet_ros.config import EngineConfig, ModelConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines import choice
from squeezedet_ros.engines.choice import choose_engine
from squeezedet_ros.engines.fusion import can_fuse
from squeezedet_ros.engines.parity import (
    check_parity,
    measure_parity,
    Parity,
    parity_frame,
    reference_prediction,
    TOLERANCES,
)
from squeezedet_ros.engines.plan_cache import plan_folder
from squeezedet_ros.engines.torch_engine import full_float32, TorchEngine
from squeezedet_ros.errors import ConfigError, DeviceError, EngineError, MissingPackageError
from squeezedet_ros.network import RawPrediction, SqueezeDet
import torch

MODEL = ModelConfig(input_size=(96, 160))


def needs(*packages):
    missing = [name for name in packages if find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f'not installed: {", ".join(missing)}')


def installed(name):
    packages = () if name.startswith('torch') else (name, 'onnx')
    return pytest.param(name, marks=needs(*packages))


ENGINES = [installed(name) for name in ('torch_eager', 'torch', 'onnxruntime', 'openvino')]


@lru_cache
def original(model):
    torch.manual_seed(0)
    network = SqueezeDet(model).eval()
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
            module.weight.data *= 0.01 if name == 'convdet' else 1.0
            torch.nn.init.normal_(module.bias, std=0.1)
    return network


def make_network(model=MODEL):
    return deepcopy(original(model))


def shipped():
    return load_checkpoint(resolve_weights(''))


def config(name, **settings):
    return EngineConfig(engine=name, device='cpu', allow_fallback=False, **settings)


@pytest.mark.parametrize('name', ENGINES)
@pytest.mark.parametrize(
    ('architecture', 'padding'),
    [('squeezedet', 'same'), ('squeezedet', 'symmetric'), ('squeezedet_plus', 'valid')],
)
def test_engines_say_what_the_network_says(name, architecture, padding):
    """In one engine, for several numbers and sizes of images, odd ones too."""
    model = replace(MODEL, architecture=architecture, padding=padding, fit='adaptive')
    engine = choose_engine(make_network(model), config(name)).engine
    network, mean = original(model), torch.tensor(model.pixel_mean)
    rng = np.random.default_rng(0)
    for shape in ((1, 96, 160, 3), (2, 97, 131, 3)):
        images = rng.integers(0, 256, shape, np.uint8)
        found = engine.forward(engine.prepare(torch.from_numpy(images)))
        with torch.inference_mode():
            planes = (torch.from_numpy(images).float() - mean).permute(0, 3, 1, 2)
            expected = network(planes)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize('name', ENGINES)
def test_what_is_confident_is_known_when_no_more_is_asked_for(name):
    engine = choose_engine(make_network(), config(name)).engine
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 160, 3), np.uint8)
    with torch.inference_mode():
        planes = (torch.from_numpy(images).float() - torch.tensor(MODEL.pixel_mean)).permute(
            0, 3, 1, 2
        )
        expected = original(MODEL)(planes)
    for asked in (0, 7, 500):
        least = float(expected.confidence_logits.flatten().topk(asked + 1).values[-1]) + 1e-3
        found = engine.forward(engine.prepare(torch.from_numpy(images)), least)
        confident = expected.confidence_logits >= least
        assert asked / 2 <= confident.sum() <= asked
        torch.testing.assert_close(
            found.confidence_logits, expected.confidence_logits, atol=2e-4, rtol=1e-4
        )
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one[confident], other[confident], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize('name', ENGINES)
def test_making_an_engine_draws_no_random_numbers(name):
    """A training draws them, and looks at its validation images in between."""
    network, before = make_network(), torch.get_rng_state()
    choose_engine(network, config(name))
    assert torch.equal(torch.get_rng_state(), before)


@needs('openvino', 'onnx')
def test_openvino_compiles_for_few_sizes_and_takes_any(monkeypatch):
    from squeezedet_ros.engines import openvino_engine

    monkeypatch.setattr(openvino_engine, '_SIZES', 2)
    model = replace(MODEL, fit='adaptive')
    # Its check has the first size.
    engine = choose_engine(make_network(model), config('openvino')).engine
    compiled, compile_model = [], engine._compile

    def compile_and_tell(graph, **more):
        compiled.append((graph.is_dynamic(), more))
        return compile_model(graph, **more)

    monkeypatch.setattr(engine, '_compile', compile_and_tell)
    network, mean = original(model), torch.tensor(model.pixel_mean)
    for width in (160, 128, 144, 112, 128):
        images = torch.full((2, 96, width, 3), 200, dtype=torch.uint8)
        found = engine.forward(engine.prepare(images))
        with torch.inference_mode():
            expected = network((images.float() - mean).permute(0, 3, 1, 2))
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-4)
    # Of any size it would keep thousands of kernels.
    assert compiled == [(False, {}), (True, {'CPU_RUNTIME_CACHE_CAPACITY': '1000'})]


@needs('onnxruntime', 'onnx')
@pytest.mark.parametrize('architecture', ['squeezedet', 'squeezedet_plus'])
def test_halves_that_are_added_say_what_one_tensor_says(architecture):
    import onnxruntime
    from squeezedet_ros.engines.onnx_graph import build_onnx

    network = make_network(replace(MODEL, architecture=architecture))
    images = np.random.default_rng(0).integers(0, 256, (2, 96, 160, 3), np.uint8)
    graphs = [build_onnx(network, concat=concat) for concat in (True, False)]
    operators = [[node.op_type for node in graph.graph.node] for graph in graphs]
    assert [names.count('Concat') for names in operators] == [10, 0]
    # All but the first of ten Fire modules, and ConvDet, have two halves to add.
    assert [names.count('Add') for names in operators] == [0, 10]
    whole, halves = (
        onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {'images': images})
        for graph in graphs
    )
    for one, other in zip(halves, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4)


@lru_cache
def seen_by(name):
    """Return what the shipped weights see in the first 50 frames of the real drive."""
    detector = Detector(shipped(), engine=config(name))
    paths = sorted((DATA / 'drive').glob('*.jpg'))[:50]
    return [detector.detect([cv2.imread(str(path))])[0] for path in paths]


@pytest.mark.skipif(
    not (DATA / 'drive').is_dir(), reason='needs the data folder: set SQUEEZEDET_DATA'
)
@pytest.mark.parametrize('name', ENGINES[1:])
def test_engines_find_the_same_boxes_in_real_frames(name):
    pairs = list(zip(seen_by('torch_eager'), seen_by(name), strict=True))
    assert len(pairs) == 50
    assert sum(len(expected) for expected, _ in pairs) > 100
    allowed = TOLERANCES[torch.float32]
    for expected, found in pairs:
        assert found.labels.tolist() == expected.labels.tolist()
        np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=allowed.scores)
        sides = (expected.boxes[:, 2:] - expected.boxes[:, :2]).max(1, keepdims=True)
        assert (np.abs(found.boxes - expected.boxes) <= allowed.boxes * sides).all()


@pytest.mark.skipif(sys.platform != 'linux', reason='binds a process to cores')
def test_without_a_setting_threads_are_those_of_the_cores_allowed():
    script = (
        'import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n'
        'from squeezedet_ros.engines.engine import thread_count\n'
        'print(thread_count(0), thread_count(3))'
    )
    command = [sys.executable, '-c', script]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == '1 3\n'


def test_openvino_tells_nobody_of_its_use(tmp_path):
    pytest.importorskip('openvino')
    script = (
        'from squeezedet_ros.config import EngineConfig\n'
        'from squeezedet_ros.detector import Detector\n'
        'from squeezedet_ros.checkpoint import resolve_weights\n'
        "engine = EngineConfig(engine='openvino', allow_fallback=False)\n"
        "print(Detector.from_checkpoint(resolve_weights(''), None, engine).describe())"
    )
    command = [sys.executable, '-c', script]
    environment = {**os.environ, 'HOME': str(tmp_path)}
    said = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert said.stdout.startswith('openvino ')
    # Where it keeps its count and the number it is known by.
    assert not (tmp_path / 'intel').exists()


@pytest.mark.parametrize('name', ENGINES)
def test_images_lie_in_the_same_memory_and_none_is_seen_again(name):
    engine = choose_engine(make_network(), config(name)).engine
    rng = np.random.default_rng(0)
    largest = engine.images(2, (96, 160))
    whole = engine.forward(
        engine.prepare(
            largest.copy_(torch.from_numpy(rng.integers(0, 256, (2, 96, 160, 3), np.uint8)))
        )
    )
    expected = [part[1:].clone() for part in whole]
    one = engine.images(1, (96, 160))
    assert one.shape == (1, 96, 160, 3)
    assert one.data_ptr() == largest.data_ptr()
    again = engine.forward(engine.prepare(one.copy_(largest[1:].clone())))
    for found, right in zip(again, expected, strict=True):
        torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('name', ENGINES[1:])
def test_detections_are_those_of_torch(name):
    """With the weights that are shipped, on a drawn street with all classes."""
    frame = parity_frame(shipped().config)
    found, expected = (
        Detector(shipped(), None, config(engine)).detect([frame])[0] for engine in (name, 'torch')
    )
    assert set(expected.labels) == {0, 1, 2}
    assert found.labels.tolist() == expected.labels.tolist()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.skipif(not can_fuse(), reason='no x86 CPU, or no oneDNN in PyTorch')
def test_fused_is_named_and_as_exact_as_float32_is():
    taken = choose_engine(make_network(), config('torch'))
    assert taken.engine.describe().endswith('cpu, float32, fused')
    assert taken.parity.scores < 1e-5
    assert taken.parity.boxes < 1e-4


@needs('openvino', 'onnx')
def test_bfloat16_passes_its_check_and_is_not_float32():
    import openvino

    if 'BF16' not in openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        pytest.skip('no bfloat16 in this CPU')
    taken = choose_engine(shipped(), config('openvino', precision='bfloat16'))
    assert 1e-5 < taken.parity.scores < 0.05
    assert 'bfloat16' in taken.engine.describe()


@needs('onnxruntime', 'onnx')
def test_a_graph_in_float16_says_about_the_same():
    import onnxruntime
    from squeezedet_ros.engines.onnx_graph import build_onnx

    network, frame = make_network(), parity_frame(MODEL)
    graph = build_onnx(network, torch.float16, batch=1, size=MODEL.input_size)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    assert session.get_inputs()[0].shape == [1, 96, 160, 3]
    assert session.get_outputs()[2].shape == [1, 6 * 10 * 9, 4]
    found = RawPrediction(*map(torch.from_numpy, session.run(None, {'images': frame[None]})))
    reference = reference_prediction(network, frame)
    parity = measure_parity(found, reference, MODEL, MODEL.input_size)
    assert 0 < parity.scores < 0.01
    assert 0 < parity.boxes < 0.02


@pytest.mark.parametrize('name', ENGINES[2:])
@needs('onnxruntime', 'onnx')
def test_int8_is_fitted_to_images(tmp_path, name):
    frame = parity_frame(shipped().config)
    cv2.imwrite(str(tmp_path / 'street.png'), frame)
    (tmp_path / 'labels.txt').write_text('no image')
    settings = config(name, precision='int8', calibration=str(tmp_path), num_threads=1)
    taken = choose_engine(shipped(), settings)
    assert 0.001 < taken.parity.scores < 0.15
    assert 0.001 < taken.parity.boxes < 0.2
    assert taken.engine.describe().endswith('int8')


@needs('onnxruntime', 'onnx')
def test_int8_without_images_is_refused(tmp_path):
    for folder in ('', str(tmp_path)):
        with pytest.raises(ConfigError, match='int8 needs calibration to name a folder'):
            choose_engine(
                make_network(), config('onnxruntime', precision='int8', calibration=folder)
            )
    (tmp_path / 'broken.png').write_bytes(b'no image')
    with pytest.raises(ConfigError, match=r'broken\.png cannot be read as one'):
        choose_engine(
            make_network(), config('onnxruntime', precision='int8', calibration=str(tmp_path))
        )


def test_torch_has_no_int8():
    with pytest.raises(DeviceError, match='needs engine openvino or onnxruntime'):
        choose_engine(make_network(), config('torch', precision='int8'))


def test_parity_is_the_largest_difference():
    """Half a pixel of shift in one delta, and one logit, changed by hand."""
    network, frame = make_network(), parity_frame(MODEL)
    reference = reference_prediction(network, frame)
    assert measure_parity(reference, reference, MODEL, MODEL.input_size) == (0.0, 0.0)
    moved = RawPrediction(*(part.clone() for part in reference))
    best = reference.class_logits.softmax(-1).amax(-1) * reference.confidence_logits.sigmoid()
    at = int(best.argmax())
    # The centre moves by a delta times the anchor's width: 0.1 of the longer side or less.
    moved.deltas[0, at, 0] += 0.1
    parity = measure_parity(moved, reference, MODEL, MODEL.input_size)
    assert parity.scores == 0
    assert 0 < parity.boxes <= 0.15
    moved.confidence_logits[0, at] = -100
    parity = measure_parity(moved, reference, MODEL, MODEL.input_size)
    assert parity.scores == pytest.approx(float(best.max()), rel=1e-5)


def test_beyond_the_tolerance_is_refused():
    engine = choose_engine(make_network(), config('torch')).engine
    frame, other = parity_frame(MODEL), make_network()
    other.convdet.bias.data += 1.0
    reference = reference_prediction(other, frame)
    with pytest.raises(EngineError, match=r'torch .* differs .* at most 0.001 in scores'):
        check_parity(engine, frame, reference, Parity(0.001, 0.001))
    nan = RawPrediction(*(part * float('nan') for part in reference))
    with pytest.raises(EngineError, match='nan in scores'):
        check_parity(engine, frame, nan, Parity(0.001, 0.001))


def test_the_plain_network_in_float32_is_the_measure_itself():
    taken = choose_engine(make_network(), config('torch_eager'))
    assert (taken.parity, taken.why, taken.fell_back) == (None, 'as set', False)
    assert choose_engine(shipped(), config('torch', precision='bfloat16')).parity.scores > 0


def test_auto_takes_the_first_that_is_installed(monkeypatch):
    order = [name for name in ('openvino', 'onnxruntime') if find_spec(name) and find_spec('onnx')]
    taken = choose_engine(make_network(), EngineConfig(device='cpu'))
    assert taken.engine.describe().startswith([*order, 'torch'][0])
    assert taken.why.startswith('the fastest that is installed')
    monkeypatch.setattr(choice, 'find_spec', lambda _: None)
    taken = choose_engine(make_network(), EngineConfig(device='cpu'))
    assert taken.engine.describe().startswith('torch')
    assert not taken.fell_back


@pytest.mark.parametrize('name', ['onnxruntime', 'onnxruntime_tensorrt', 'openvino', 'tensorrt'])
def test_what_is_not_installed_is_named(monkeypatch, name):
    monkeypatch.setattr(choice, 'find_spec', lambda _: None)
    package = name.removesuffix('_tensorrt')
    with pytest.raises(MissingPackageError, match=rf'engine {name} .*pip install {package}\)'):
        choose_engine(make_network(), config(name))
    taken = choose_engine(make_network(), EngineConfig(engine=name, device='cpu'))
    assert taken.fell_back
    assert taken.why.endswith(f'(pip install {package}); fell back to torch')


@pytest.mark.parametrize('allow_fallback', [True, False])
def test_nothing_is_held_of_an_engine_that_is_refused(monkeypatch, allow_fallback):
    """Nor until Python looks for rings: it may be all that a device has room for."""
    built = []

    def build(name, network, config):
        engine = TorchEngine(network, config)
        built.append(weakref.ref(engine))
        if len(built) == 1:
            raise EngineError(f'{name} says something else')
        return engine

    monkeypatch.setattr(choice, '_build', build)
    setting = EngineConfig(engine='torch', device='cpu', allow_fallback=allow_fallback)
    gc.disable()
    try:
        if allow_fallback:
            taken = choose_engine(make_network(), setting)
            assert taken.why == 'torch says something else; fell back to torch_eager'
        else:
            with suppress(EngineError):
                choose_engine(make_network(), setting)
        assert built[0]() is None
    finally:
        gc.enable()


@needs('onnxruntime', 'onnx')
def test_what_onnxruntime_cannot_do_is_refused():
    with pytest.raises(DeviceError, match='onnxruntime has no precision bfloat16'):
        choose_engine(make_network(), config('onnxruntime', precision='bfloat16'))
    with pytest.raises(DeviceError, match='onnxruntime_tensorrt needs a CUDA device'):
        choose_engine(make_network(), config('onnxruntime_tensorrt'))


@needs('onnxruntime', 'onnx')
def test_onnxruntime_keeps_the_networks_of_each_model_apart(monkeypatch, tmp_path):
    """Its provider tells them apart by the names in the graph, which all of ours share."""
    from squeezedet_ros.engines.onnxruntime_engine import _settings

    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    first, second = (
        _settings('TensorrtExecutionProvider', torch.device('cuda', 1), torch.float16, graph)
        for graph in (b'weights', b'other weights')
    )
    folders = {first.pop('trt_engine_cache_path'), second.pop('trt_engine_cache_path')}
    assert len(folders) == 2
    assert first == second
    assert (first['device_id'], first['trt_fp16_enable']) == (1, True)


def test_float32_on_cuda_is_float32_and_only_there():
    before = torch.backends.cudnn.allow_tf32
    with full_float32():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_tensorrt_has_a_folder_for_what_it_builds(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'none' / 'yet'))
    assert plan_folder() == tmp_path / 'none' / 'yet' / 'squeezedet_ros' / 'tensorrt'
    assert plan_folder('of-one-model') == plan_folder() / 'of-one-model'
    assert plan_folder('of-one-model').is_dir()
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(DeviceError, match=r'needs a folder for what it builds: .*Not a directory'):
        plan_folder()


def test_without_a_compiler_another_is_taken(monkeypatch):
    def fail(_):
        raise RuntimeError('\nno C++ compiler\nat all')

    monkeypatch.setattr(torch, 'compile', lambda _: fail)
    setting = EngineConfig(device='cpu', compile_network=True)
    taken = choose_engine(make_network(), setting)
    assert taken.why == 'engine torch does not start: no C++ compiler; fell back to torch_eager'
    assert taken.engine.describe().endswith('float32')
    with pytest.raises(EngineError, match='engine torch does not start: no C'):
        choose_engine(make_network(), replace(setting, allow_fallback=False))


def test_an_engine_that_cannot_be_imported_is_passed_over(monkeypatch):
    monkeypatch.setattr(choice, '_lacking', lambda *_: [])
    # The module is there, what it imports is not.
    monkeypatch.setitem(sys.modules, 'openvino', None)
    monkeypatch.delitem(sys.modules, 'squeezedet_ros.engines.openvino_engine', raising=False)
    setting = EngineConfig(engine='openvino', device='cpu')
    taken = choose_engine(make_network(), setting)
    assert taken.fell_back
    assert taken.why.startswith('engine openvino is installed, but cannot be loaded: ')
    with pytest.raises(EngineError, match='openvino is installed, but cannot be loaded'):
        choose_engine(make_network(), replace(setting, allow_fallback=False))


def test_compiling_is_of_torch():
    with pytest.raises(ConfigError, match="compile_network needs engine torch, got 'openvino'"):
        EngineConfig(engine='openvino', compile_network=True)


def test_engines_are_imported_only_when_chosen():
    code = (
        'import sys, squeezedet_ros.detector; '
        'sys.exit(bool({"onnx", "onnxruntime", "openvino"} & set(sys.modules)))'
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0

import numpy as np
import pytest
from squeezedet_ros.config import EngineConfig, ModelConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.evaluation.memory_trace import heap_bytes, memory_lines, trace_memory
from squeezedet_ros.network import SqueezeDet

IMAGES = [np.full((60, 140, 3), value, np.uint8) for value in (0, 90)]
ENGINE = EngineConfig(engine='torch_eager', device='cpu', precision='float32')


class LeakingDetector(Detector):
    """Keeps 10 KiB of each call."""

    def detect(self, images):
        self.kept = [*getattr(self, 'kept', []), np.zeros(10 * 1024, np.uint8)]
        return super().detect(images)


@pytest.fixture(scope='module')
def network():
    return SqueezeDet(ModelConfig(input_size=(64, 128)))


def test_the_way_of_a_frame_keeps_nothing(network):
    found = trace_memory(Detector(network, engine=ENGINE), IMAGES, 50)
    assert found['python_growth'] < 10
    assert found['python_peak'] > 64 * 128 * 3 / 1024, 'the fitted image is held for a while'
    # The plain network has 32 convolutions, each with an output of its own.
    assert found['torch_allocations'] >= 32
    assert found['torch_allocated'] * 1024 > 64 * 32 * 64 * 4, "the first layer's output alone"


def test_what_is_kept_is_found(network):
    found = trace_memory(LeakingDetector(network, engine=ENGINE), IMAGES, 50)
    assert found['python_growth'] == pytest.approx(50 * 10, rel=0.1)
    assert f'by Python and NumPy +{found["python_growth"]:.1f} KiB' in memory_lines(found)


def test_malloc_counts_what_is_not_freed():
    before = heap_bytes()
    if before is None:
        pytest.skip('the C library has no mallinfo2')
    kept = np.ones(5_000_000, np.uint8)
    assert heap_bytes() - before == pytest.approx(kept.nbytes, rel=0.05)

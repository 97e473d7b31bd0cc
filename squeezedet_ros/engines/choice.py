"""Which engine runs the network: the one that was asked for, or the fastest that is present."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
import sys
from typing import NamedTuple

from squeezedet_ros.config import EngineConfig, EngineName
from squeezedet_ros.engines.engine import Engine
from squeezedet_ros.engines.parity import Parity, parity_check, TOLERANCES
from squeezedet_ros.engines.torch_engine import resolve_device, resolve_dtype, TorchEngine
from squeezedet_ros.errors import EngineError, MissingPackageError, SqueezeDetError
from squeezedet_ros.network import SqueezeDet
import torch

# Module and class of each, and the packages it needs; imported only when it is tried.
_ENGINES: dict[EngineName, tuple[str, str, tuple[str, ...]]] = {
    'cuda_graph': ('cuda_graph', 'CudaGraphEngine', ()),
    'openvino': ('openvino_engine', 'OpenVinoEngine', ('openvino', 'onnx')),
    'onnxruntime': ('onnxruntime_engine', 'OnnxRuntimeEngine', ('onnxruntime', 'onnx')),
    'onnxruntime_tensorrt': ('onnxruntime_engine', 'OnnxRuntimeEngine', ('onnxruntime', 'onnx')),
    'tensorrt': ('tensorrt_engine', 'TensorRtEngine', ('tensorrt', 'onnx')),
}
# Fastest first, as doc/performance.md measured them. Those on CUDA have not been timed.
_ON_CPU: dict[torch.dtype, tuple[EngineName, ...]] = {
    torch.float32: ('openvino', 'onnxruntime'),
    torch.bfloat16: ('openvino',),
    torch.int8: ('openvino', 'onnxruntime'),
}


class EngineChoice(NamedTuple):
    """
    An engine and how it came to be taken.

    :param why: in words, with what was tried before it.
    :param parity: its distance to torch float32; none for torch float32 itself.
    :param fell_back: whether another was to be taken and could not be.
    """

    engine: Engine
    why: str
    parity: Parity | None
    fell_back: bool


def choose_engine(network: SqueezeDet, config: EngineConfig) -> EngineChoice:
    """
    Return the engine a setting asks for, checked against PyTorch in float32.

    The network is the engine's from then on: its weights may be moved and converted.

    :raises MissingPackageError: when the engine needs a package that is not installed.
    :raises DeviceError: when the device or precision is not to be had.
    :raises EngineError: when the engine does not start, or says something else than PyTorch.
    """
    names, why = _to_try(config)
    dtype = resolve_dtype(config.precision, resolve_device(config.device))
    check: Callable[[Engine], Parity] | None = None
    if names[0] != 'torch_eager' or dtype != torch.float32:
        check = parity_check(network, TOLERANCES[dtype])
    failures: list[SqueezeDetError] = []
    for name in names:
        try:
            engine = _build(name, network, config)
            plain = name == 'torch_eager' and dtype == torch.float32
            parity = check(engine) if check and not plain else None
        except SqueezeDetError as error:
            # Without its traceback, which holds what was built of the engine.
            failures.append(error.with_traceback(None))
            continue
        except RuntimeError as error:
            reason = str(error).strip().partition('\n')[0]
            failures.append(EngineError(f'engine {name} does not start: {reason}'))
            continue
        if failures:
            why = '; '.join(f'{error}' for error in failures) + f'; fell back to {name}'
        return EngineChoice(engine, why, parity, bool(failures))
    raise failures.pop(0)


def _to_try(config: EngineConfig) -> tuple[list[EngineName], str]:
    """Return the engines to try in turn, and why the first of them."""
    names: list[EngineName] = ['torch', 'torch_eager']
    if config.engine != 'auto':
        names, why = [config.engine, *names], 'as set'
    elif config.compile_network:
        names, why = ['torch', 'torch_eager'], 'compile_network is of torch alone'
    else:
        device = resolve_device(config.device)
        order = _ON_CPU.get(resolve_dtype(config.precision, device), ())
        fast = [name for name in order if device.type == 'cpu' and not _lacking(name, config)]
        names, why = [*fast, *names], 'the fastest that is installed for this device'
    names = list(dict.fromkeys(names))
    return (names if config.allow_fallback else names[:1]), why


def _lacking(name: EngineName, config: EngineConfig) -> list[str]:
    packages = _ENGINES[name][2]
    if packages and config.precision == 'int8':
        packages = (*packages, 'onnxruntime')
    return [package for package in packages if find_spec(package) is None]


def _build(name: EngineName, network: SqueezeDet, config: EngineConfig) -> Engine:
    compiled = config.compile_network and name == 'torch'
    config = replace(config, engine=name, compile_network=compiled)
    if name not in _ENGINES:
        return TorchEngine(network, config)
    for package in _lacking(name, config):
        raise MissingPackageError(f'engine {name}', package)
    module, kind, _ = _ENGINES[name]
    # OpenVINO would tell Google Analytics of its use, without being asked, when it is imported.
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    try:
        found = import_module(f'squeezedet_ros.engines.{module}')
    except (ImportError, AttributeError) as error:
        # Built for another NumPy, or without a library that it needs.
        raise EngineError(f'engine {name} is installed, but cannot be loaded: {error}') from error
    engine: Engine = getattr(found, kind)(network, config)
    return engine

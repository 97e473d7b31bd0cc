"""
SqueezeDet as other implementations lay it out, run and read it, in plain PyTorch operations.

Written from their published descriptions, apart from the package's own network.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

WIDTHS = {
    'squeezedet': [(16, 64), (32, 128), (48, 192), (64, 256), (96, 384)],
    'squeezedet_plus': [(96, 64), (192, 128), (288, 192), (384, 256), (384, 256)],
}
POOL_AFTER = {'squeezedet': (3, 5), 'squeezedet_plus': (4, 8)}
# Where features.N of the PyTorch implementation is which layer.
FEATURES = {
    'squeezedet': '3 4 6 7 9 10 11 12 13 14',
    'squeezedet_plus': '3 4 5 7 8 9 10 12 13 14',
}


def draw_layers(architecture='squeezedet', outputs=72, convdet=3, seed=0):
    """Return {layer: (OIHW kernel, bias)} by the reference's layer names, at random."""
    random = np.random.default_rng(seed)

    def layer(out, channels, size, scale=1.0):
        deviation = scale * (2 / (channels * size * size)) ** 0.5
        kernel = random.normal(0, deviation, (out, channels, size, size))
        return kernel.astype(np.float32), random.normal(0, 0.1, out).astype(np.float32)

    stem = (64, 3) if architecture == 'squeezedet' else (96, 7)
    layers = {'conv1': layer(stem[0], 3, stem[1])}
    channels = stem[0]
    for number in range(2, 12):
        squeeze, expand = WIDTHS[architecture][number // 2 - 1]
        name = f'fire{number}'
        layers[f'{name}/squeeze1x1'] = layer(squeeze, channels, 1)
        layers[f'{name}/expand1x1'] = layer(expand, squeeze, 1)
        layers[f'{name}/expand3x3'] = layer(expand, squeeze, 3)
        channels = 2 * expand
    layers['conv12'] = layer(outputs, channels, convdet, 0.25)
    return layers


def pad_same(x, size, value=0.0):
    pads = []
    for side in (x.shape[3], x.shape[2]):
        total = max((-(-side // 2) - 1) * 2 + size - side, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads, value=value)


def pool(x, rule):
    if rule == 'symmetric':
        return functional.max_pool2d(x, 3, 2, ceil_mode=True)
    return functional.max_pool2d(pad_same(x, 3, -1e30) if rule == 'same' else x, 3, 2)


def forward(layers, architecture, pixels, rule):
    """Return (N, H, W, outputs) for normalised (N, 3, height, width) pixels."""
    weights = {name: [torch.from_numpy(part) for part in layers[name]] for name in layers}

    def convolve(x, name, **settings):
        return functional.conv2d(x, *weights[name], **settings)

    size = layers['conv1'][0].shape[-1]
    if rule == 'same':
        pixels = pad_same(pixels, size)
    padding = size // 2 if rule == 'symmetric' else 0
    x = pool(convolve(pixels, 'conv1', stride=2, padding=padding).relu(), rule)
    for number in range(2, 12):
        squeezed = convolve(x, f'fire{number}/squeeze1x1').relu()
        parts = [
            convolve(squeezed, f'fire{number}/expand1x1'),
            convolve(squeezed, f'fire{number}/expand3x3', padding=1),
        ]
        x = torch.cat(parts, 1).relu()
        x = pool(x, rule) if number in POOL_AFTER[architecture] else x
    padding = layers['conv12'][0].shape[-1] // 2
    return convolve(x, 'conv12', padding=padding).permute(0, 2, 3, 1)


def read_as_reference(output, size, shapes, classes):
    """Return class probabilities, confidences and cxcywh boxes, (N, A, ...)."""
    images, rows, columns, _ = output.shape
    k = len(shapes)
    probabilities = output[..., : k * classes].reshape(images, -1, classes).softmax(-1)
    confidences = output[..., k * classes : k * (classes + 1)].reshape(images, -1).sigmoid()
    deltas = output[..., k * (classes + 1) :].reshape(images, -1, 4)
    centres = [
        ((i + 1) * size[1] / (columns + 1), (j + 1) * size[0] / (rows + 1))
        for j in range(rows)
        for i in range(columns)
        for _ in shapes
    ]
    anchor_sizes = torch.tensor(list(shapes) * rows * columns, dtype=torch.float32)
    grown = torch.where(deltas[..., 2:] > 1, np.e * deltas[..., 2:], deltas[..., 2:].exp())
    boxes = [torch.tensor(centres) + deltas[..., :2] * anchor_sizes, anchor_sizes * grown]
    return probabilities, confidences, torch.cat(boxes, -1)


def read_as_pytorch(output, shapes, classes):
    """Return class probabilities, confidences and xyxy boxes that end in the last pixel."""
    images, rows, columns, _ = output.shape
    anchors = output.reshape(images, -1, classes + 5)
    centres = [
        (16 * i + 8.0, 16 * j + 8.0) for j in range(rows) for i in range(columns) for _ in shapes
    ]
    anchor_sizes = torch.tensor(list(shapes) * rows * columns, dtype=torch.float32)
    middle = torch.tensor(centres) + anchors[..., classes + 1 : classes + 3] * anchor_sizes
    reach = (anchor_sizes * anchors[..., classes + 3 :].exp() - 1) / 2
    boxes = torch.cat([middle - reach, middle + reach], -1)
    return anchors[..., :classes].softmax(-1), anchors[..., classes].sigmoid(), boxes


def tensorflow_arrays(layers, suffix=''):
    named = {}
    for name, (kernel, bias) in layers.items():
        named[f'{name}/kernels{suffix}'] = kernel.transpose(2, 3, 1, 0)
        named[f'{name}/biases{suffix}'] = bias
    return named


def write_keras(path: Path, layers, root='', conv1='conv2d_1'):
    """Write what Keras 2's save_weights (or with ``model_weights`` its save) writes."""
    import h5py

    with h5py.File(path, 'w') as file:
        top = file.create_group(root) if root else file
        names = [conv1 if name == 'conv1' else name for name in layers]
        top.attrs['layer_names'] = [name.encode() for name in ['input', *names, 'pool1']]
        for empty in ('input', 'pool1'):
            top.create_group(empty).attrs['weight_names'] = []
        for name, (kernel, bias) in zip(names, layers.values(), strict=True):
            group = top.create_group(name)
            group.attrs['weight_names'] = [f'{name}/kernel:0'.encode(), f'{name}/bias:0'.encode()]
            group[f'{name}/kernel:0'] = kernel.transpose(2, 3, 1, 0)
            group[f'{name}/bias:0'] = bias


def pytorch_state(layers, architecture='squeezedet', prefix='base.'):
    places = {'conv1': 'features.0', 'conv12': 'convdet'}
    for number, place in enumerate(FEATURES[architecture].split(), 2):
        for part in ('squeeze1x1', 'expand1x1', 'expand3x3'):
            ours = part.replace('squeeze1x1', 'squeeze')
            places[f'fire{number}/{part}'] = f'features.{place}.{ours}'
    state = {}
    for name, (kernel, bias) in layers.items():
        state[f'{prefix}{places[name]}.weight'] = torch.from_numpy(kernel)
        state[f'{prefix}{places[name]}.bias'] = torch.from_numpy(bias)
    return state

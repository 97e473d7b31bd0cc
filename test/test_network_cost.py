import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.evaluation.network_cost import model_cost, network_cost
import torch
from torch import nn


def test_a_convolution_and_a_pool_by_hand():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2))
    cost = network_cost(network, (4, 6), torch.device('cpu'))
    assert cost.operations == 2 * 3 * 3 * 3 * 8 * 4 * 6
    image, weights, seen, pooled = 3 * 4 * 6, 8 * 3 * 3 * 3, 8 * 4 * 6, 8 * 2 * 3
    assert cost.values == image + weights + seen + seen + pooled


def test_weights_and_activations_are_what_doc_performance_says():
    cost = model_cost(ModelConfig(), (384, 1248))
    assert 2 * cost.values / 2**20 == pytest.approx(125 + 4, abs=1)

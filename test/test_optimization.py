import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.optimization import (
    AveragedWeights,
    clip_gradients,
    make_optimizer,
    one_cycle,
    staircase,
)
from squeezedet_ros.training.recipe import TrainingConfig
import torch
from torch import nn

PAPER = TrainingConfig(recipe='paper', learning_rate=0.01)


@pytest.mark.parametrize(
    ('step', 'rate'), [(0, 0.01), (9999, 0.01), (10000, 0.005), (25000, 0.0025)]
)
def test_staircase(step, rate):
    assert staircase(step, 0.01) == pytest.approx(rate)


def test_one_cycle_rises_then_falls():
    rates = [one_cycle(step, 1000, 1e-3) for step in range(1000)]
    peak = rates.index(max(rates))
    assert 75 <= peak <= 85
    assert max(rates) == pytest.approx(1e-3, rel=0.02)
    assert rates[0] < 2e-5
    assert rates[-1] < 2e-6
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def module_with_gradients():
    module = nn.Linear(4, 4)
    module.weight.grad = torch.zeros(4, 4)
    module.weight.grad[0, 0] = 5.0
    module.bias.grad = torch.full((4,), 0.1)
    return module


def test_paper_clips_each_tensor():
    module = module_with_gradients()
    clip_gradients(module, PAPER)
    assert float(module.weight.grad.norm()) == pytest.approx(1, abs=1e-5)
    assert float(module.bias.grad.norm()) == pytest.approx(0.2)


def test_paper_steps_with_momentum():
    network = SqueezeDet(ModelConfig())
    network.conv1.requires_grad_(False)
    optimizer = make_optimizer(network, PAPER)
    frozen = network.conv1.bias.clone()
    start = network.convdet.bias.detach().clone()
    for _ in range(2):
        network.convdet.bias.grad = torch.ones_like(start)
        optimizer.step()
    # Velocities 1 and 0.9 + 1, each times 0.01.
    torch.testing.assert_close(network.convdet.bias.detach(), start - 0.029)
    assert torch.equal(network.conv1.bias, frozen)


def test_average_of_a_constant_and_of_a_step():
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = AveragedWeights(module, 0.5)
    nn.init.ones_(module.weight)
    average.update(module, 0)  # Decay is (1 + 0) / (10 + 0) at first.
    assert float(average.values['weight']) == pytest.approx(0.9)
    average.update(module, 1000)
    assert float(average.values['weight']) == pytest.approx(0.95)

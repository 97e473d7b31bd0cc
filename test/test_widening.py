import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.network import pad_input, pool, SqueezeDet
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.widening import widen
import torch
import torch.nn.functional as F  # noqa: N812


def trained(padding='same'):
    torch.manual_seed(0)
    network = SqueezeDet(ModelConfig(input_size=(96, 96), padding=padding)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape) * (2 / weight[0].numel()) ** 0.5)
    return network


def features(network, pixels):
    """Return what comes out of each layer, the pool after it included."""
    padding = network.config.padding
    x = pad_input(pixels, network.conv1.kernel_size[0], padding)
    found = [pool(F.relu(network.conv1(x)), padding)]
    for number, fire in enumerate(network.fires.values(), 2):
        found.append(fire(found[-1]))
        if number in network.pool_after:
            found[-1] = pool(found[-1], padding)
    return found


@pytest.mark.parametrize('padding', ['same', 'symmetric'])
def test_it_computes_what_the_small_one_does(padding):
    old = trained(padding)
    new = widen(old, 'squeezedet_plus', TrainingConfig())
    assert new.config == ModelConfig(
        architecture='squeezedet_plus', input_size=(96, 96), padding=padding
    )
    pixels = torch.randn(2, 3, 96, 80)
    with torch.inference_mode():
        small, wide = features(old, pixels), features(new, pixels)
    # Layers as counted from conv1, and where the channels of the small one's lie.
    for layer, wide_layer, channels in (
        (0, 0, [(0, 64)]),
        (1, 1, [(0, 128)]),
        (2, 3, [(0, 128)]),
        (3, 4, [(0, 128), (128, 256)]),
        (4, 5, [(0, 128), (192, 320)]),
        (4, 7, [(0, 256)]),
        (5, 8, [(0, 192), (256, 448)]),
        (7, 10, [(0, 512)]),
    ):
        found = torch.cat([wide[wide_layer][:, start:end] for start, end in channels], 1)
        if (layer, wide_layer) == (4, 5):
            found = pool(found, padding)
        torch.testing.assert_close(found, small[layer], atol=1e-4, rtol=1e-3)


def test_what_is_new_is_awake():
    new = widen(trained(), 'squeezedet_plus', TrainingConfig(confidence_bias=-3.0))
    squeeze = new.fires['fire9'].squeeze.weight.detach()
    assert not squeeze[:48, 256:].any()
    assert float(squeeze[48:].std()) == pytest.approx((2 / 512) ** 0.5, rel=0.03)
    assert float(new.convdet.weight.detach().std()) == pytest.approx(1e-4, rel=0.2)
    assert new.convdet.bias.unique().tolist() == [-3.0, 0.0]


def test_a_random_start_is_repeatable():
    first, second = (
        widen(trained(), 'squeezedet_plus', TrainingConfig(seed=4)).state_dict() for _ in range(2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_only_wider_ones():
    wide = widen(trained(), 'squeezedet_plus', TrainingConfig())
    with pytest.raises(ConfigError, match='not those of squeezedet_plus a squeezedet'):
        widen(wide, 'squeezedet', TrainingConfig())

import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.carry_over import carry_over
import torch


def trained():
    torch.manual_seed(0)
    network = SqueezeDet(ModelConfig(input_size=(96, 96), padding='symmetric')).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape) * (weight[0].numel() ** -0.5))
    return network


def test_shared_channels_do_what_they_did():
    """Up to fire3: nothing lies between that differs but the number of channels and the kernel."""
    old = trained()
    new = carry_over(old, 'squeezedet_plus')
    assert new.config == ModelConfig(
        architecture='squeezedet_plus', input_size=(96, 96), padding='symmetric'
    )
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        first, wider = (net.conv1(pixels).relu() for net in (old, new))
        torch.testing.assert_close(wider[:, :64], first, atol=1e-5, rtol=1e-4)
        assert wider.shape[1] == 96
        for fire in ('fire2', 'fire3'):
            first, wider = old.fires[fire](first), new.fires[fire](wider)
            torch.testing.assert_close(wider, first, atol=1e-4, rtol=1e-3)


def test_the_halves_of_a_fire_module_are_each_their_own():
    old = trained()
    new = carry_over(old, 'squeezedet_plus')
    # fire10 expands to 384 + 384 channels in the one and to 256 + 256 in the other.
    before, after = old.convdet.weight.detach(), new.convdet.weight.detach()
    assert torch.equal(after[:, :256], before[:, :256])
    assert torch.equal(after[:, 256:], before[:, 384:640])
    assert torch.equal(new.convdet.bias, old.convdet.bias)
    squeeze = new.fires['fire11'].squeeze.weight.detach()
    assert torch.equal(squeeze[:96, 256:512], old.fires['fire11'].squeeze.weight[:, 384:640])
    # Untrained channels send nothing to the shared ones, and are awake themselves.
    assert not new.fires['fire5'].expand3x3.weight[:, 32:].any()
    assert float(squeeze[96:].std()) == pytest.approx((2 / 512) ** 0.5, rel=0.03)


def test_back_again():
    small = trained()
    again = carry_over(carry_over(small, 'squeezedet_plus'), 'squeezedet')
    for name in ('conv1', 'fires.fire2.expand3x3', 'fires.fire9.squeeze'):
        assert torch.equal(
            again.get_parameter(f'{name}.weight'), small.get_parameter(f'{name}.weight')
        )

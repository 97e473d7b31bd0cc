import time

from gpu import needs_cuda
import pytest
from squeezedet_ros.evaluation.energy import energy_lines, find_meters, RaplMeter
import torch

CPU = torch.device('cpu')


def rapl(system, microjoules, most=262_143_328_850):
    zone = system / 'class/powercap/intel-rapl:0'
    zone.mkdir(parents=True, exist_ok=True)
    (zone / 'name').write_text('package-0\n')
    (zone / 'energy_uj').write_text(f'{microjoules}\n')
    (zone / 'max_energy_range_uj').write_text(f'{most}\n')
    return zone


def rail(system, number, label, millivolts, milliamperes, sensor='ina3221'):
    monitor = system / 'class/hwmon/hwmon3'
    monitor.mkdir(parents=True, exist_ok=True)
    (monitor / 'name').write_text(f'{sensor}\n')
    (monitor / f'in{number}_label').write_text(f'{label}\n')
    (monitor / f'in{number}_input').write_text(f'{millivolts}\n')
    if milliamperes is not None:
        (monitor / f'curr{number}_input').write_text(f'{milliamperes}\n')


def test_rapl_counts_microjoules(tmp_path):
    rapl(tmp_path, 5_000_000)
    (meter,), absent = find_meters(CPU, tmp_path)
    assert meter.name == 'RAPL package-0'
    assert 'RAPL' not in absent
    meter.start()
    rapl(tmp_path, 12_500_000)
    assert meter.stop() == 7.5


def test_rapl_begins_again_at_its_range(tmp_path):
    meter = RaplMeter(rapl(tmp_path, 9_000_000, most=9_999_999))
    meter.start()
    rapl(tmp_path, 500_000, most=9_999_999)
    assert meter.stop() == 1.5


def test_a_counter_that_may_not_be_read_says_so(tmp_path):
    zone = rapl(tmp_path, 1)
    (zone / 'energy_uj').unlink()
    (zone / 'energy_uj').mkdir()
    meters, absent = find_meters(CPU, tmp_path)
    assert not meters
    assert str(zone / 'energy_uj') in absent['RAPL']


def test_rails_are_added_up_over_time(tmp_path):
    rail(tmp_path, 1, 'VDD_GPU_SOC', 5000, 2000)
    rail(tmp_path, 2, 'VDD_CPU_CV', 5000, 1000)
    rail(tmp_path, 7, 'sum of shunt voltages', 3, None)
    (meter,), _ = find_meters(CPU, tmp_path)
    assert meter.name == 'rails VDD_GPU_SOC + VDD_CPU_CV'
    start = time.perf_counter()
    meter.start()
    time.sleep(0.2)
    joules = meter.stop()
    # 15 W for the time between the first and the last sample.
    assert 0 < joules <= 15 * (time.perf_counter() - start)
    assert joules >= 15 * 0.15


def test_the_rail_through_which_all_goes_is_enough(tmp_path):
    rail(tmp_path, 1, 'VDD_IN', 5000, 3000)
    rail(tmp_path, 2, 'VDD_SOC', 5000, 1000)
    (meter,), _ = find_meters(CPU, tmp_path)
    assert meter.name == 'rails VDD_IN'


def test_sensors_of_other_machines_are_no_rails(tmp_path):
    rail(tmp_path, 1, 'VDD_IN', 5000, 3000, sensor='coretemp')
    meters, absent = find_meters(CPU, tmp_path)
    assert not meters
    assert 'ina3221' in absent['rails']


def test_where_nothing_can_be_read_the_reasons_are_told(tmp_path):
    meters, absent = find_meters(CPU, tmp_path)
    assert not meters
    text = energy_lines({}, absent)
    assert text.startswith('energy cannot be read here: ')
    assert all(name in text for name in ('RAPL', 'rails', 'NVML'))


def test_what_was_read_is_told_by_meter():
    text = energy_lines({'RAPL package-0': {'joules_per_frame': 1.5, 'watts': 30.0}}, {})
    assert text == 'energy: 1.500 J a frame, 30.0 W (RAPL package-0)'


@needs_cuda
def test_a_gpu_counts():
    pytest.importorskip('pynvml')
    meters, _ = find_meters(torch.device('cuda', 0))
    meter = next(meter for meter in meters if meter.name.startswith('NVML'))
    meter.start()
    time.sleep(0.5)
    assert meter.stop() > 0

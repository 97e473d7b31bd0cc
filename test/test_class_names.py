import numpy as np
import pytest
from squeezedet_ros.data.class_names import class_of, with_class_names
from squeezedet_ros.data.ground_truth import GroundTruth

# What is a class by its name needs no alias, and an alias to no class makes none.
ALIASES = {'Van': 'CAR', 'Tram': 'car', 'Dog': 'pet'}


@pytest.mark.parametrize(
    ('name', 'expected'),
    [('Car', 0), ('car', 0), ('TRAM', 1), ('Van', 0), ('van', -1), ('DontCare', -1), ('Dog', -1)],
)
def test_class_of_a_label(name, expected):
    assert class_of(name, ('car', 'Tram'), ALIASES) == expected


def test_truth_by_class():
    names = ('Van', 'CAR', 'Dog', 'DontCare')
    boxes = np.arange(16, dtype=np.float32).reshape(4, 4)
    truth = GroundTruth(boxes, names, np.zeros(4, np.float32), np.zeros(4, np.int64))
    found = with_class_names(truth, ('car', 'Tram'), ALIASES)
    assert found.names == ('car', 'car', 'Dog', 'DontCare')
    assert np.array_equal(found.boxes, boxes)

import numpy as np
import pytest
from squeezedet_ros.data.class_names import check_aliases, class_of, with_class_names
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.errors import ConfigError

# What is a class by its name needs no alias, and an alias to no class makes none.
ALIASES = {'van': 'CAR', 'tram': 'car', 'dog': 'pet'}


@pytest.mark.parametrize(
    ('name', 'expected'),
    [('Car', 0), ('car', 0), ('TRAM', 1), ('Van', 0), ('van', 0), ('DontCare', -1), ('Dog', -1)],
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


def test_an_alias_of_no_class_is_refused():
    check_aliases({'van': 'CAR'}, ('car', 'Tram'))
    with pytest.raises(ConfigError, match=r"a class of car, Tram, got 'dog=pet'"):
        check_aliases(ALIASES, ('car', 'Tram'))

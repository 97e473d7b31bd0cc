import pytest
from squeezedet_ros.cli.node_rate import bisect_rate, trial_line
from squeezedet_ros.cli.soak_report import Tally


def node_of(capacity):
    """Return a node that detects so many images a second and loses the rest, for 100 seconds."""

    def attempt(rate):
        return Tally(round(100 * rate), round(100 * min(rate, capacity)), min(rate, capacity))

    return attempt


def test_the_rate_is_found_by_halving():
    rate, trials = bisect_rate(node_of(10.0), 32.0, 0.01)
    assert [trial.rate for trial in trials] == [16, 16, 8, 12, 12, 10, 11, 11, 10.5, 10.5]
    assert rate == 10.0


def test_a_trial_that_something_else_spoils_is_made_again():
    node, rates = node_of(10.0), []

    def attempt(rate):
        rates.append(rate)
        return node(rate if len(rates) != 3 else 1000.0)

    rate, trials = bisect_rate(attempt, 32.0, 0.01)
    assert rates == [16, 16, 8, 8, 12, 12, 10, 11, 11, 10.5, 10.5]
    assert [trial.tally.lost > 0.01 for trial in trials[2:4]] == [True, False]
    assert rate == 10.0


@pytest.mark.parametrize('capacity', [3.0, 7.7, 15.9])
def test_it_is_within_the_tolerance(capacity):
    rate, _ = bisect_rate(node_of(capacity), 16.0, 0.01)
    # A node loses one in a hundred at 1.01 times what it can do.
    assert capacity - 0.03 * 16 <= rate <= capacity / 0.99


def test_none_at_all_may_be_lost():
    rate, _ = bisect_rate(node_of(10.0), 32.0, 0.0)
    assert rate == 10.0


def test_a_node_that_answers_nothing_has_no_rate():
    rate, trials = bisect_rate(lambda rate: Tally(round(rate), 0, 0.0), 16.0, 0.01)
    assert rate == 0.0
    assert all(trial.tally.lost == 1 for trial in trials)
    assert '0 of 8 detected, 100.0 % lost' in trial_line(trials[0])


def test_when_nothing_was_sent_all_is_lost():
    assert Tally(0, 0, 0.0).lost == 1.0


def test_no_rate_is_tried_that_a_soak_cannot_send():
    rate, trials = bisect_rate(lambda _: Tally(9, 0, 0.0), 3.0, 0.01)
    assert rate == 0.0
    assert min(trial.rate for trial in trials) >= 0.1

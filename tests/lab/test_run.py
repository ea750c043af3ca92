from typing import TYPE_CHECKING

import pytest

from checker.lab.run import Limit, between, fixed, over_worst, share_of_growth

if TYPE_CHECKING:
    from conftest import Make


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(fixed(123), 123, id="as given"),
        pytest.param(share_of_growth(0.5), 250, id="half of what the fork adds to 200 resident"),
        pytest.param(share_of_growth(1.25), 325, id="a quarter more than the fork adds"),
        pytest.param(between(0.5), 350, id="midway between the peaks of 300 and 400"),
        pytest.param(over_worst(1.1), 440, id="above the worst peak"),
    ],
)
def test_limits_follow_from_the_prediction(make: "Make", limit: Limit, expected: int) -> None:
    run = make.recorded(100)
    assert limit(run.prediction, run.case) == expected

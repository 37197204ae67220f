"""Links against plain definitions: what a raw score means, and the derivatives that solve for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from handlers.recommender.model.link import Link, Logistic, Ordinal, Regression

ORDINAL = Ordinal((0.5, 1.0, 3.0, 5.0), (-1.0, 0.5, 2.0), 0.8)


LINKS: list[Link] = [Regression(1, 5, 0.7), Logistic(2.0), ORDINAL]


def probabilities(raw: float) -> list[float]:
    """Of the levels, as areas under the normal density."""
    ends = [-np.inf, *ORDINAL.cuts, np.inf]
    return np.diff(norm.cdf(ends, raw, ORDINAL.noise_std)).tolist()


def test_an_ordinal_score_is_the_expected_level() -> None:
    raw = torch.linspace(-4, 5, 19)
    expected = [sum(np.multiply(ORDINAL.levels, probabilities(one))) for one in raw.tolist()]
    np.testing.assert_allclose(ORDINAL.inverse_link(raw), expected, atol=1e-5)


def test_the_ordinal_negative_log_likelihood_is_that_of_the_levels() -> None:
    raw, ratings = torch.tensor([-2.0, 0.3, 1.0, 9.0]), torch.tensor([0.5, 1.0, 5.0, 5.0])
    chances = [probabilities(one)[ORDINAL.levels.index(level)] for one, level in zip(raw.tolist(), ratings.tolist())]
    assert ORDINAL.negative_log_likelihood(raw, ratings).numpy() == pytest.approx(-np.log(chances), rel=1e-5)


def test_a_rating_between_two_levels_is_the_nearer_one() -> None:
    raw = torch.zeros(2)
    between, levels = (torch.tensor(ratings) for ratings in ([0.7, 4.2], [0.5, 5.0]))
    assert torch.equal(ORDINAL.negative_log_likelihood(raw, between), ORDINAL.negative_log_likelihood(raw, levels))


@pytest.mark.parametrize("link", LINKS, ids=lambda one: type(one).__name__)
class TestEveryLink:
    def test_gradient_and_curvature_are_derivatives_of_the_log_likelihood(self, link: Link) -> None:
        raw = torch.tensor([-3.0, -0.2, 0.4, 1.7, 6.0], dtype=torch.float64, requires_grad=True)
        ratings = torch.tensor([1.0, 5.0, 0.5, 3.0, 1.0], dtype=torch.float64)
        slope, curvature = link.gradient_and_curvature(raw.detach(), ratings)
        (first,) = torch.autograd.grad(link.negative_log_likelihood(raw, ratings).sum(), raw)
        torch.testing.assert_close(slope, -first)
        up, down = (link.gradient_and_curvature(raw.detach() + step, ratings)[0] for step in (1e-5, -1e-5))
        torch.testing.assert_close(curvature, (down - up) / 2e-5, rtol=1e-4, atol=1e-6)

    def test_higher_raw_scores_are_not_lower_on_the_scale(self, link: Link) -> None:
        assert (link.inverse_link(torch.linspace(-20, 20, 400)).diff() >= 0).all()

    def test_far_away_scores_still_pull_the_right_way(self, link: Link) -> None:
        raw, ratings = torch.tensor([-25.0, 25.0]), torch.tensor([5.0, 0.5])
        slope, curvature = link.gradient_and_curvature(raw, ratings)
        assert slope[0] > 0 > slope[1]
        assert torch.isfinite(curvature).all()
        assert torch.isfinite(link.negative_log_likelihood(raw, ratings)).all()

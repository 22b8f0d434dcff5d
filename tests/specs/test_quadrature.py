"""The cells of a workload: exact quantiles, means and weights, whatever the sizes."""

import numpy as np
import pytest

from splitmodel.specs.quadrature import PROBABILITIES, quadrature
from splitmodel.specs.requests import Requests


@pytest.fixture(params=range(40))
def rows(request):
    """Few requests of small sizes, hence with many ties: prompt, output and weight."""
    rng = np.random.default_rng(request.param)
    return rng.integers(1, 2 + request.param, size=(3, 1 + request.param // 2))


def cells(prompt, output, weight=None):
    return quadrature(Requests.checked(prompt, output, weight))


def check_column(edges, means, tokens, weight):
    every = np.repeat(tokens, weight)
    exact = np.quantile(every, PROBABILITIES, method="inverted_cdf")
    np.testing.assert_array_equal(edges, exact)
    assert (edges[:-1] <= means * (1 + 1e-9)).all() and (means <= edges[1:] * (1 + 1e-9)).all()
    assert np.diff(PROBABILITIES) @ means == pytest.approx(every.mean())


def test_quantiles_means_and_weights_are_exact(rows):
    prompt, output, weight = rows
    grid = cells(*rows)
    check_column(grid.prompt_edges_tokens, grid.prompt_tokens, prompt, weight)
    check_column(grid.output_edges_tokens, grid.output_tokens, output, weight)
    np.testing.assert_allclose(grid.weight.sum(axis=1), np.diff(PROBABILITIES), rtol=1e-9)
    np.testing.assert_allclose(grid.weight.sum(axis=0), np.diff(PROBABILITIES), rtol=1e-9)


def test_order_of_requests_does_not_matter(rows):
    for one, other in zip(cells(*rows), cells(*rows[:, ::-1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)


def test_an_atom_is_shared_by_the_cells_that_it_fills():
    # 13 fills the ranks from 0.2 to 0.7: five cells of 0.1 each, and each has 0.1.
    grid = cells([1, 2, 3], [5, 13, 20], [2, 5, 3])
    inside = (PROBABILITIES[:-1] > 0.15) & (PROBABILITIES[1:] < 0.75)
    np.testing.assert_allclose(grid.output_tokens[inside], 13.0)
    np.testing.assert_allclose(grid.weight.sum(axis=0)[inside], 0.1)


def test_one_request_fills_every_cell():
    grid = cells([300], [7])
    np.testing.assert_array_equal(grid.prompt_edges_tokens, 300.0)
    np.testing.assert_allclose(grid.output_tokens, 7.0)
    step = np.diff(PROBABILITIES)
    np.testing.assert_allclose(grid.weight, np.outer(step, step))


def test_correlation_is_kept_or_dropped():
    sizes = np.arange(1, 1001)
    together = cells(sizes, sizes)
    np.testing.assert_allclose(together.weight, np.diag(np.diff(PROBABILITIES)), atol=1e-12)
    apart = quadrature(Requests(sizes / 1.0, sizes / 1.0, np.ones(1000), independent=True))
    np.testing.assert_allclose(
        apart.weight, np.outer(np.diff(PROBABILITIES), np.diff(PROBABILITIES))
    )

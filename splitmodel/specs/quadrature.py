"""Request sizes as a grid of cells: the same shapes for every workload, made on the host."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from splitmodel.specs.requests import Requests

PROBABILITIES = np.array(
    [0, 0.04, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.94, 0.97, 0.99, 0.996, 0.999, 1]
)
"""Cells of either column lie between its quantiles at these probabilities; the reported
percentiles are among these, and they are dense in the tail, which service times depend on most."""
_SLACK = 1e-12
"""Relative; keeps rounding of a cumulative weight from passing a probability it equals."""


class Quadrature(NamedTuple):
    """Joint distribution of prompt and output sizes on a grid of cells."""

    prompt_edges_tokens: Float[ndarray, " edges"]
    prompt_tokens: Float[ndarray, " cells"]
    output_edges_tokens: Float[ndarray, " edges"]
    output_tokens: Float[ndarray, " cells"]
    weight: Float[ndarray, "cells cells"]


class _Column(NamedTuple):
    edges: ndarray
    means: ndarray
    shares: ndarray
    """How much of each request is in each cell, shape [requests, cells]."""


def quadrature(requests: Requests) -> Quadrature:
    """Cells of a set of requests: exact quantiles at the edges, exact means, exact joint weights.

    A quantile is the smallest value whose cumulative weight reaches the probability (numpy's
    "inverted_cdf"). Where one value fills the ranks of several cells, edges coincide and each
    request of that value belongs to these cells in proportion, so that a cell always has the
    weight of its probabilities.
    """
    weight = requests.weight / requests.weight.sum()
    prompt = _column(requests.prompt_tokens, weight)
    output = _column(requests.output_tokens, weight)
    if requests.independent:
        joint = np.outer(np.diff(PROBABILITIES), np.diff(PROBABILITIES))
    else:
        joint = (weight[:, None] * prompt.shares).T @ output.shares
    return Quadrature(prompt.edges, prompt.means, output.edges, output.means, joint)


def _column(tokens: ndarray, weight: ndarray) -> _Column:
    values, row = np.unique(tokens, return_inverse=True)
    mass = np.bincount(row, weights=weight)
    reached = np.cumsum(mass)
    reached[-1] = 1.0
    begun = np.concatenate([[0.0], reached[:-1]])
    upper = np.minimum(reached[:, None], PROBABILITIES[None, 1:])
    lower = np.maximum(begun[:, None], PROBABILITIES[None, :-1])
    overlap = np.maximum(upper - lower, 0.0)
    return _Column(
        edges=values[np.searchsorted(reached, PROBABILITIES * (1.0 - _SLACK))],
        means=values @ overlap / np.diff(PROBABILITIES),
        shares=(overlap / overlap.sum(axis=1, keepdims=True))[row],
    )

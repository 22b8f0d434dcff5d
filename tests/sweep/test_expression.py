"""Expressions over columns: their values, and what they refuse."""

import jax.numpy as jnp
import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.sweep.expression import Expression

COLUMNS = {
    "prompt": jnp.array([1.0, 2.0, 3.0]),
    "token": jnp.array([3.0, 2.0, 0.0]),
    "slo_met": jnp.array([1.0, 0.0, 1.0]),
    "ttft_s": jnp.array([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("prompt + 2 * token", [7.0, 6.0, 3.0]),
        ("-prompt / 2", [-0.5, -1.0, -1.5]),
        ("ttft_s[99] - ttft_s[50]", [0.2, 2.0, 2.0]),
        ("prompt <= token", [1, 1, 0]),
        ("1 < prompt <= 2", [0, 1, 0]),
        ("slo_met and token", [1, 0, 0]),
        ("slo_met or prompt == 2", [1, 1, 1]),
        ("not slo_met", [0, 1, 0]),
        (" prompt != 2 ", [1, 0, 1]),
    ],
)
def test_values(text, value):
    found = Expression.of("where", text, COLUMNS)(COLUMNS)
    np.testing.assert_allclose(np.asarray(found, float), value, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tokens > 1", "where: 'tokens > 1': name: unknown name 'tokens'; did you mean token"),
        ("token >", "is not an expression"),
        ("", "'' is not an expression"),
        ("__import__('os')", "unknown name '__import__'"),
        ("prompt.real > 1", "'prompt.real' is not allowed"),
        ("prompt ** 9", r"'prompt \*\* 9' is not allowed"),
        ("prompt < 'b'", "is not allowed"),
        ("1 < 2", "says nothing about a configuration"),
        ("prompt in [1]", "is not allowed"),
        ("prompt[50] > 1", "prompt has one value alone"),
        ("ttft_s > 1", "ttft_s has several values"),
        ("ttft_s[95] > 1", "label of ttft_s: unknown name '95'"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Expression.of("where", text, COLUMNS)

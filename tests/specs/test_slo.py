"""Limits: the paper's, one's own, their file, and every bad input."""

import jax
import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.specs.slo import METRICS, SLO, _limits


def test_the_papers_limits():
    slo = SLO.resolve("splitwise")
    np.testing.assert_array_equal(slo.ttft_slowdown, [2, 3, 6])
    np.testing.assert_array_equal(slo.tbt_slowdown, [1.25, 1.5, 5])
    np.testing.assert_array_equal(slo.e2e_slowdown, [1.25, 1.5, 5])
    np.testing.assert_array_equal([slo.ttft_s, slo.tbt_s, slo.e2e_s], np.inf)
    assert slo.reference.value == "DGX-A100"


def test_every_slo_has_one_structure():
    one, other = SLO(ttft_s={99: 0.5}), SLO(tbt_slowdown={50: 2}, reference="DGX-H100")
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert all(leaf.dtype == np.float64 and leaf.shape == (3,) for leaf in jax.tree.leaves(one))
    np.testing.assert_array_equal(one.ttft_s, [np.inf, np.inf, 0.5])


def test_what_can_stand_for_an_slo(tmp_path):
    own = SLO(e2e_s={50: 1.0})
    assert SLO.resolve(own) is own
    assert np.isinf(jax.tree.leaves(SLO.resolve(None))).all()
    file = tmp_path / "own.toml"
    file.write_text(own.to_toml())
    np.testing.assert_array_equal(SLO.resolve(str(file)).e2e_s, own.e2e_s)


@pytest.mark.parametrize("slo", [SLO(), SLO.splitwise(), SLO(tbt_s={90: 0.1}, reference='"x\\')])
def test_file_round_trip(slo, tmp_path):
    file = tmp_path / "slo.toml"
    file.write_text(slo.to_toml())
    again = SLO.from_toml(file)
    for metric in METRICS:
        np.testing.assert_array_equal(getattr(again, metric), getattr(slo, metric))
    assert again.reference.value == slo.reference.value


@pytest.mark.parametrize("limit", [0, -1.0, np.nan, np.inf])
def test_bad_limit(limit):
    with pytest.raises(InputError, match=r"ttft_s\[99\].*outside the allowed range"):
        SLO(ttft_s={99: limit})


def test_bad_percentile():
    with pytest.raises(InputError, match=r"ttft_s: percentile: unknown name '95'.*50, 90, 99"):
        SLO(ttft_s={95: 1.0})


def test_limits_without_percentile():
    with pytest.raises(InputError, match=r"ttft_s: 0\.5 is not a mapping"):
        _limits("ttft_s", 0.5)


def test_unknown_name_offers_the_nearest():
    with pytest.raises(InputError, match="slo: unknown name 'splitwize'; did you mean splitwise"):
        SLO.resolve("splitwize")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ttft_s", "malformed TOML"),
        ("ttft_s = 0.5", "ttft_s: 0.5 is not a table"),
        ("[ttft_s]\n95 = 1", "field: unknown name '95'"),
        ("[ttft_s]\n99 = -1", "ttft_s.99: -1 is outside"),
        ("[ttft_s]\n99 = 'fast'", "ttft_s.99: 'fast' is not a number"),
        ("[ttft]\n99 = 1", "unknown name 'ttft'; did you mean ttft_s"),
        ("reference = 7", "reference: 7 is not a text"),
    ],
)
def test_bad_file(text, message, tmp_path):
    file = tmp_path / "slo.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        SLO.from_toml(file)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        SLO.from_toml(tmp_path / "none.toml")

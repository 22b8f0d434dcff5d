"""What reductions tell, against the same told from the full table."""

from itertools import pairwise

import cheap_sweep
import numpy as np
import pytest
import xarray as xr
from cheap_sweep import REDUCTIONS, job, run

import splitmodel as sm
from splitmodel.sweep.compute import FATES


@pytest.fixture(scope="module")
def table() -> xr.Dataset:
    return cheap_sweep.table()


@pytest.fixture(scope="module")
def reduced() -> xr.DataTree:
    return run()


def found(results: xr.Dataset) -> list[tuple]:
    """Configurations as tuples, in their order."""
    axes = ("design", "prompt", "token", "machines", "rate_rps", "ttft_s")
    values = [results[name].values.tolist() for name in axes]
    return [(*row[:-1], *row[-1]) for row in zip(*values, strict=True)]


def test_the_best_are_those_of_the_sorted_table(table, reduced):
    met = table.isel(config=np.flatnonzero(table["slo_met"]))
    keys = (met["cost_usd_per_hour"] / met["throughput_rps"]).values
    best = met.isel(config=np.argsort(keys, kind="stable")[:12])
    assert found(reduced["best"].to_dataset()) == found(best)
    np.testing.assert_array_equal(reduced["best"]["rank"], np.arange(1, 13))


def test_equals_rank_in_the_order_of_the_space(table):
    ranked = run({"tied": sm.TopK("machines", 40, where="status == 0", largest=True)})["tied"]
    served = table.isel(config=np.flatnonzero(table["status"] == 0))
    order = np.argsort(-served["machines"].values, kind="stable")[:40]
    assert len(set(ranked["machines"].values)) == 1
    assert found(ranked.to_dataset()) == found(served.isel(config=order))


@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wider than there is room at first"])
def test_fronts_are_those_of_the_table(table, reduced, wide):
    more = ("throughput_rps", "rate_rps", "token", "prompt") if wide else ("throughput_rps",)
    front = sm.pareto(table, maximise=more)
    if wide:
        assert front.sizes["config"] > 1000
        reduced = run({"front": sm.Pareto(maximise=more)})
    assert found(reduced["front"].to_dataset()) == found(front)


def test_tallies_are_those_of_the_table(table, reduced):
    spread = reduced["spread"]
    served = table["ttft_s"].sel(percentile=99).values[table["status"] == 0]
    edges = np.array([*spread["low"].values, spread["high"].values[-1]])
    counts, _ = np.histogram(served, edges.astype(served.dtype))
    np.testing.assert_array_equal(spread["configurations"], counts)
    assert spread["configurations"].attrs["above"] == np.sum(served > edges[-1]) > 0
    large = ((table["slo_met"] > 0) & (table["machines"] >= 40)).sum()
    assert reduced["large"]["configurations"] == large > 0
    assert reduced.attrs["status_unstable"] == (table["status"] == 1).sum() > 0
    assert reduced.attrs["configurations"] == table.sizes["config"] == len(cheap_sweep.SPACE)


def test_neither_order_nor_grouping_changes_a_bit():
    whole = job(REDUCTIONS)
    rng = np.random.default_rng(0)

    def parts(cuts: list[int]) -> dict:
        edges = [0, *sorted(cuts), whole.lattice.blocks]
        spans = list(pairwise(edges))
        rng.shuffle(spans)
        return whole.merge([whole.run(*span) for span in spans])

    one, other = parts([10]), parts(rng.permutation(np.arange(1, 40))[:15].tolist())
    assert one.keys() == other.keys() == {FATES, *REDUCTIONS}
    for name, partial in one.items():
        assert partial.keys() == other[name].keys()
        for key, each in partial.items():
            np.testing.assert_array_equal(each, other[name][key])


def test_a_front_beyond_its_bound_is_refused():
    with pytest.raises(sm.InputError, match=r"most: the front has .* most = 3"):
        run({"front": sm.Pareto(most=3)})


@pytest.mark.parametrize(
    ("reduction", "message"),
    [
        (lambda: sm.TopK("ttft_s[99]", 0), "k: 0 is not a whole number"),
        (lambda: sm.Histogram("ttft_s[99]", (1.0, 1.0)), "edges: .* must be at least two numbers"),
        (lambda: sm.Histogram("ttft_s[99]", ("low",)), "edges: .* are not numbers"),
        (lambda: sm.TopK("ttft", 1), "unknown name 'ttft'; did you mean ttft_s"),
        (lambda: sm.TopK("ttft_s", 1), "ttft_s has several values; choose one of ttft_s.50."),
        (lambda: sm.Count("cost <= "), "'cost <= ' is not an expression"),
        (lambda: sm.Pareto((), ()), "needs at least one objective"),
        (lambda: "best", "'best' is no reduction"),
        (lambda: {"a/b": sm.Count()}, "'a/b' cannot be a name"),
    ],
)
def test_bad_reductions_are_refused(reduction, message):
    space = sm.DesignSpace(design="AA", prompt=1, token=1)
    with pytest.raises(sm.InputError, match=message):
        sm.sweep(space, cheap_sweep.LOAD, model="bloom-176b", reduce=reduction())

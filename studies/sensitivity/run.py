"""Elasticities of the highest rate of each design's best split, by gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.compilation import quick_jit
from splitmodel.specs.cluster import DESIGNS, Pool
from splitmodel.units import Scalar
from splitmodel_studies.published import POWER_W
from splitmodel_studies.routes import PHYSICAL, best_split
from splitmodel_studies.style import ink, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL = "bloom-176b"
ROLES = ("prompt", "token")
LIMITED = ("ttft_slowdown", "tbt_slowdown", "e2e_slowdown")
CAUSES: dict[str, Callable[[Pool], Scalar]] = {
    "matrix rate": lambda pool: pool.machine.gpu.flop_per_s,
    "HBM bandwidth": lambda pool: pool.machine.gpu.hbm_bytes_per_s,
    "HBM capacity": lambda pool: pool.machine.gpu.hbm_bytes,
    "NVLink": lambda pool: pool.machine.gpu.nvlink_bytes_per_s,
    "InfiniBand": lambda pool: pool.machine.infiniband_bytes_per_s,
    "machines": lambda pool: pool.machines,
}


def run() -> xr.Dataset:
    """Elasticities over design, role and cause; and what follows for price and power."""
    designs = list(DESIGNS)
    clusters, slopes = [], []
    for name in designs:
        best = best_split(name, PHYSICAL, "analytic", maximise="rate", budget_power_w=POWER_W)
        clusters.append(sm.cluster_of(name, **{role: best[role] for role in ROLES}))
        slopes.append(_elasticities(clusters[-1], best["highest_rate_rps"]))
    elasticity = np.stack(slopes)
    counts = elasticity[:, :, -1]
    returns = counts.sum(axis=1)
    cost, power = (
        np.array([_shares(cluster, of) for cluster in clusters]) for of in (_usd_per_hour, _power_w)
    )
    over_roles = (("design", "role"), ("design",))
    return xr.Dataset(
        {
            "elasticity": (("design", "role", "cause"), elasticity, {"units": "1"}),
            "to_price": (over_roles[0], -cost, {"units": "1"}),
            "to_power": (over_roles[0], -power * returns[:, None], {"units": "1"}),
            "returns": (over_roles[1], returns, {"units": "1"}),
            "token_bandwidth": elasticity[:, 1, list(CAUSES).index("HBM bandwidth")].max(),
            "largest_network": elasticity[:, :, list(CAUSES).index("InfiniBand")].max(),
            "least_returns": returns.min(),
        },
        coords={"design": designs, "role": list(ROLES), "cause": list(CAUSES)},
    )


def _elasticities(cluster: sm.Cluster, rate_rps: float) -> np.ndarray:
    """Slopes of the logarithm of the highest rate against those of the causes, [role, cause].

    Where a limit binds, its percentile stays put while cause and rate change together.
    """
    # One cause after the other: code for all at once takes long to compile.
    directions = np.eye(len(ROLES) * len(CAUSES) + 1)
    found = [_excess(jnp.log(rate_rps), cluster, jnp.asarray(each)) for each in directions]
    binds = int(np.argmax(found[0][0]))
    *by_cause, by_rate = (slopes[binds] for _, slopes in found)
    return -np.reshape(by_cause, (len(ROLES), len(CAUSES))) / by_rate


@quick_jit
def _excess(
    log_rate: Scalar, cluster: sm.Cluster, direction: Scalar
) -> tuple[jax.Array, jax.Array]:
    """Logarithms of all percentiles over their limits, and their slopes along a direction.

    The direction has all causes of both roles, and then the rate.
    """
    load, limits = sm.Workload.azure("conv", 1.0), sm.SLO.splitwise()

    def excess(shift: Scalar) -> jax.Array:
        pools = [
            eqx.tree_at(_leaves(CAUSES), pool, _scaled(pool, row))
            for pool, row in zip(
                (cluster.prompt, cluster.token),
                jnp.reshape(shift[:-1], (len(ROLES), len(CAUSES))),
                strict=True,
            )
        ]
        changed = eqx.tree_at(lambda tree: (tree.prompt, tree.token), cluster, pools)
        out = sm.metrics(changed, load.with_rate(jnp.exp(log_rate + shift[-1])), MODEL)
        shares = [getattr(out, name) / getattr(limits, name) for name in LIMITED]
        return jnp.log(jnp.concatenate(shares))

    return jax.jvp(excess, (jnp.zeros_like(direction),), (direction,))


def _leaves(causes: dict[str, Callable[[Pool], Scalar]]) -> Callable[[Pool], list[Scalar]]:
    """All leaves at once, as `tree_at` takes them."""
    return lambda pool: [leaf(pool) for leaf in causes.values()]


def _scaled(pool: Pool, factors: Scalar) -> list[Scalar]:
    leaves = (leaf(pool) for leaf in CAUSES.values())
    return [each * jnp.exp(factor) for each, factor in zip(leaves, factors, strict=True)]


def _usd_per_hour(pool: Pool) -> Scalar:
    return pool.machines * pool.machine.usd_per_hour


def _power_w(pool: Pool) -> Scalar:
    return pool.machines * pool.machine.power_provisioned_w * pool.power_cap


def _shares(cluster: sm.Cluster, of: Callable[[Pool], Scalar]) -> np.ndarray:
    """What each role has of the whole."""
    parts = np.array([float(of(pool)) for pool in (cluster.prompt, cluster.token)])
    return parts / parts.sum()


def plot(result: xr.Dataset) -> Figure:
    """Bars by cause, one panel for each role."""
    figure, both = panels(len(ROLES), sharex=True)
    designs = result["design"].values
    width = 0.8 / len(designs)
    shown = xr.concat(
        [
            result["elasticity"],
            result["to_power"].expand_dims(cause=["power of a machine"], axis=-1),
        ],
        dim="cause",
    )
    for panel, role in zip(both, ROLES, strict=True):
        for turn, design in enumerate(designs):
            at = np.arange(shown.sizes["cause"]) + width * (turn - 0.5 * (len(designs) - 1))
            panel.barh(at, shown.sel(role=role, design=design), width, label=str(design))
        panel.axvline(0.0, color=ink(), linewidth=0.8)
        panel.set_yticks(range(shown.sizes["cause"]), [str(name) for name in shown["cause"].values])
        panel.invert_yaxis()
        panel.set_title(f"{role} machines")
    both[-1].set_xlabel("elasticity of the highest rate (1)")
    both[0].legend()
    return figure

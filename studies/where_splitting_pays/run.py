"""Highest rate of the best split over that of as many machines that run both phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import numpy as np
import xarray as xr

import splitmodel as sm
from splitmodel.compilation import quick_jit
from splitmodel.units import Scalar
from splitmodel_studies.style import ink, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL = "bloom-176b"
MACHINES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
NETWORK_GB_PER_S = (1.0, 3.0, 10.0, 30.0, 100.0, 400.0)
"""InfiniBand of a machine; a DGX-H100 has 400."""
PROMPT_TOKENS = (64, 128, 256, 512, 1024, 2048, 4096)
OUTPUT_TOKENS = (8, 32, 128, 512)
_SIZED = 16
"""Machines of the map over sizes."""
_SPLITS = 12
"""Splits tried of a cluster."""
_SHARES = (np.arange(12) + 0.5) / 12.0
"""Probabilities at which the distribution of sizes is taken."""


def run() -> xr.Dataset:
    """Both maps."""
    conversation = sm.Workload.azure("conv", 1.0)
    by_network = _gains(
        [(conversation, count, each) for count in MACHINES for each in NETWORK_GB_PER_S]
    ).reshape(len(MACHINES), len(NETWORK_GB_PER_S))
    own = NETWORK_GB_PER_S[-1]
    by_size = _gains(
        [
            (_exponential(prompt, output), _SIZED, own)
            for prompt in PROMPT_TOKENS
            for output in OUTPUT_TOKENS
        ]
    ).reshape(len(PROMPT_TOKENS), len(OUTPUT_TOKENS))
    attrs = {"units": "1", "long_name": "rate with splitting over rate without"}
    return xr.Dataset(
        {
            "conversation": by_network[-1, -1],
            "two_machines": by_network[0, -1],
            "slow_network": by_network[-1, 0],
            "slow_gb_per_s": NETWORK_GB_PER_S[0],
            "splits": _SPLITS,
            "short_prompts": by_size[0, -1],
            "pays_from_machines": _first(MACHINES, by_network[:, -1]),
            "pays_from_gb_per_s": _first(NETWORK_GB_PER_S, by_network[-1]),
            "by_network": (("machines", "network_gb_per_s"), by_network, attrs),
            "by_size": (("prompt_tokens", "output_tokens"), by_size, attrs),
        },
        coords={
            "machines": list(MACHINES),
            "network_gb_per_s": list(NETWORK_GB_PER_S),
            "prompt_tokens": list(PROMPT_TOKENS),
            "output_tokens": list(OUTPUT_TOKENS),
        },
    )


def _first(values: Sequence[float], gains: np.ndarray) -> float:
    """The least value from which on splitting pays."""
    return float(values[np.flatnonzero(gains <= 1.0).max() + 1])


def _exponential(prompt_tokens: float, output_tokens: float) -> sm.Workload:
    """Requests whose sizes are exponentially distributed about their means."""
    spread = -np.log1p(-_SHARES)
    prompts, outputs = np.meshgrid(prompt_tokens * spread, output_tokens * spread)
    sizes = (np.ceil(each).ravel() for each in (prompts, outputs))
    return sm.Workload.from_arrays(*sizes, rate_rps=1.0)


def _gains(questions: list[tuple[sm.Workload, int, float]]) -> np.ndarray:
    """Gain for each workload, number of machines and network."""
    asked = []
    for load, count, gb_per_s in questions:
        prompts = np.round(np.linspace(1, count - 1, _SPLITS))
        split = [_networked("HH", gb_per_s, prompt=each, token=count - each) for each in prompts]
        joint = _networked("baseline-H100", gb_per_s, machines=count)
        asked += [(cluster, load) for cluster in (*split, joint)]
    clusters, loads = (
        jax.tree.map(lambda *leaves: np.stack(leaves), *each) for each in zip(*asked, strict=True)
    )
    rates = np.asarray(_highest_rates(clusters, loads)).reshape(len(questions), -1)
    return rates[:, :-1].max(axis=1) / rates[:, -1]


def _networked(design: str, gb_per_s: float, **counts: float) -> sm.Cluster:
    cluster = sm.cluster_of(design, **counts)
    return eqx.tree_at(
        lambda tree: [pool.machine.infiniband_bytes_per_s for pool in tree.pools],
        cluster,
        replace=[1e9 * gb_per_s] * len(cluster.pools),
    )


@quick_jit
def _highest_rates(clusters: sm.Cluster, loads: sm.Workload) -> Scalar:
    """One after the other in compiled code: side by side they would need much memory."""
    return jax.lax.map(lambda each: sm.highest_rate(each[0], each[1], MODEL), (clusters, loads))


def plot(result: xr.Dataset) -> Figure:
    """Two maps; the line is the break-even."""
    figure, both = panels(2)
    _map(both[0], result["by_network"], "machines", "InfiniBand of a machine (GB/s)")
    both[0].set_title("conversations")
    _map(both[1], result["by_size"], "mean prompt (tokens)", "mean output (tokens)")
    both[1].set_title(f"{_SIZED} machines, exponential sizes")
    return figure


def _map(panel: Axes, gain: xr.DataArray, across: str, up: str) -> None:
    axes = [gain[dim].values for dim in gain.dims]
    shades = panel.contourf(*axes, gain.values.T, 12, cmap="cividis")
    if gain.min() < 1.0 < gain.max():
        panel.contour(*axes, gain.values.T, [1.0], colors="white", linewidths=2.0)
    panel.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    panel.set_xticks(axes[0], [f"{each:g}" for each in axes[0]])
    panel.set_yticks(axes[1], [f"{each:g}" for each in axes[1]])
    panel.minorticks_off()
    bar = panel.figure.colorbar(shades, ax=panel, label="rate with splitting ÷ without")
    bar.outline.set_edgecolor(ink())

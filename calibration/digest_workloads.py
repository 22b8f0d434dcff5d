"""Digests of the two Azure traces: at most 2,000 weighted points that keep sizes and correlation.

Run as `python -m splitmodel_calibration.digest_workloads`; it reads the raw traces from
`SPLITMODEL_DATA`, else downloads them, and rewrites the digests from which workloads are made.

References:
    Patel et al., Splitwise, ISCA 2024; traces in github.com/Azure/AzurePublicDataset (CC-BY 4.0).
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from splitmodel.results import complete_file
from splitmodel.specs.quadrature import PROBABILITIES
from splitmodel.specs.raw_files import AZURE_TRACES, RawFile
from splitmodel.specs.request_files import read_requests

CATALOG = Path(str(files("splitmodel.specs") / "catalog"))
TAIL = 0.985
"""Requests above this quantile of either column are kept one by one."""
STRATA = 35
"""The others fall in this many strata of output size, each in as many groups of prompt size."""


def digest(trace: RawFile) -> str:
    """CSV text of the weighted points of one trace."""
    requests = read_requests(trace.path())
    sizes = np.stack([requests.prompt_tokens, requests.output_tokens], axis=1)
    rare = (sizes > np.quantile(sizes, TAIL, axis=0)).any(axis=1)
    fixed = np.concatenate(
        [np.quantile(sizes, PROBABILITIES, axis=0, method=side) for side in ("lower", "higher")]
    )
    condensed = np.concatenate([_condense(sizes[~rare], fixed), sizes[rare]])
    points, counts = np.unique(condensed, axis=0, return_counts=True)
    header = (
        "# Weighted points of a trace of Azure's LLM services, November 2023 (CC-BY 4.0).\n"
        f"# source: {trace.url}\n"
        f"# sha256 of the raw file: {trace.sha256}\n"
        "# made by: python -m splitmodel_calibration.digest_workloads\n"
        "prompt_tokens,output_tokens,weight\n"
    )
    rows = np.column_stack([points, counts]).astype(int)
    return header + "".join(f"{prompt},{output},{count}\n" for prompt, output, count in rows)


def _condense(sizes: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Requests moved together in groups of similar rank in both columns, shape as `sizes`.

    Moving each group to its mean would narrow the distributions. So its means only rank it: in
    either column, the groups in order of rank share out the sorted sizes block by block, and a
    block moves to its own mean. Sizes below, at and above a `fixed` one stay so, which keeps the
    quantiles that these are.
    """
    groups = [
        group
        for stratum in np.array_split(sizes[np.lexsort(sizes.T)], STRATA)
        for group in np.array_split(stratum[np.lexsort(stratum.T[::-1])], STRATA)
    ]
    lengths = np.array([len(group) for group in groups])
    means = np.stack([group.mean(axis=0) for group in groups])
    moved = np.empty_like(sizes)
    for column in range(2):
        ascending = np.sort(sizes[:, column])
        rank = np.argsort(np.argsort(means[:, column], kind="stable"))
        members = np.argsort(np.repeat(rank, lengths), kind="stable")
        cuts = [np.cumsum(lengths[np.argsort(rank)])]
        cuts += [np.searchsorted(ascending, fixed[:, column], side) for side in ("left", "right")]
        moved[members, column] = _block_means(ascending, np.unique(np.concatenate(cuts)))
    return moved


def _block_means(ascending: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Each entry's block mean, rounded; a block makes up for what rounding left before it."""
    means, left = np.empty_like(ascending), 0.0
    start = 0
    for stop in cuts[cuts > 0]:
        block = ascending[start:stop]
        left += block.sum()
        means[start:stop] = np.clip(np.rint(left / len(block)), block[0], block[-1])
        left -= means[start:stop].sum()
        start = stop
    return means


def main() -> None:
    """Rewrite the shipped digests from the raw files."""
    for service, trace in AZURE_TRACES.items():
        path = CATALOG / f"azure_{service}.csv"
        with complete_file(path) as unfinished:
            unfinished.write_text(digest(trace), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

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

from splitmodel.specs.raw_files import AZURE_TRACES, RawFile
from splitmodel.specs.request_files import read_requests

CATALOG = Path(str(files("splitmodel.specs") / "catalog"))
TAIL = 0.985
"""Requests above this quantile of either column are kept one by one."""
STRATA = 37
"""The others fall in this many strata of output size, each in as many groups of prompt size."""


def digest(trace: RawFile) -> str:
    """CSV text of the weighted points of one trace."""
    requests = read_requests(trace.path())
    sizes = np.stack([requests.prompt_tokens, requests.output_tokens], axis=1)
    rare = (sizes > np.quantile(sizes, TAIL, axis=0, method="inverted_cdf")).any(axis=1)
    points, weight = _condense(sizes[~rare])
    points = np.concatenate([points, sizes[rare]])
    weight = np.concatenate([weight, np.ones(rare.sum())])
    merged, row = np.unique(points, axis=0, return_inverse=True)
    counts = np.bincount(row.ravel(), weights=weight)
    header = (
        "# Weighted points of a trace of Azure's LLM services, November 2023 (CC-BY 4.0).\n"
        f"# source: {trace.url}\n"
        f"# sha256 of the raw file: {trace.sha256}\n"
        "# made by: python -m splitmodel_calibration.digest_workloads\n"
        "prompt_tokens,output_tokens,weight\n"
    )
    rows = np.column_stack([merged, counts]).astype(int)
    return header + "".join(f"{p},{o},{w}\n" for p, o, w in rows)


def _condense(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of groups of requests of similar rank in both columns.

    The means of a group would narrow the distribution of its less similar column. So they only
    rank the groups: of either column, the group ranked k-th gets the mean of the block of sorted
    sizes that begins where the block of the (k−1)-th ends. This keeps both marginals to within
    a block.
    """
    groups = [
        group
        for stratum in np.array_split(sizes[np.lexsort(sizes.T)], STRATA)
        for group in np.array_split(stratum[np.lexsort(stratum.T[::-1])], STRATA)
    ]
    weight = np.array([len(group) for group in groups])
    means = np.stack([group.mean(axis=0) for group in groups])
    points = np.empty_like(means)
    for column in range(2):
        order = np.argsort(means[:, column], kind="stable")
        points[order, column] = _whole_means(np.sort(sizes[:, column]), weight[order])
    return points, weight


def _whole_means(ascending: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Means of consecutive blocks, rounded; each makes up for what rounding left before it."""
    means, left = np.empty(len(lengths)), 0.0
    for k, block in enumerate(np.split(ascending, np.cumsum(lengths)[:-1])):
        total = left + block.sum()
        means[k] = np.rint(total / len(block))
        left = total - len(block) * means[k]
    return means


def main() -> None:
    """Rewrite the shipped digests from the raw files."""
    for service, trace in AZURE_TRACES.items():
        path = CATALOG / f"azure_{service}.csv"
        partial = path.with_suffix(".partial")
        partial.write_text(digest(trace), encoding="utf-8", newline="\n")
        partial.replace(path)


if __name__ == "__main__":
    main()

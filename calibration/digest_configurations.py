"""Digest of the published Splitwise profile by configuration: median, spread and repeats.

Run as `python -m splitmodel_calibration.digest_configurations`; it reads the raw profile from
`SPLITMODEL_DATA`, else downloads it, and rewrites the digest that calibration fits.

References:
    Patel et al., Splitwise, ISCA 2024; profile in github.com/Mutinifni/splitwise-sim (MIT),
    data/perf_model.csv, commit 8f99e7dc9b40.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from splitmodel.results import complete_file
from splitmodel_calibration.datasets.splitwise import CONFIGURATIONS, PROFILE

_KEYS = {
    "model": "model",
    "hardware": "gpu",
    "tensor_parallel": "tensor_parallel",
    "prompt_size": "prompt_tokens",
    "batch_size": "batch_size",
    "token_size": "output_tokens",
}


def digest(raw: Path) -> str:
    """CSV text with one row per configuration.

    Args:
        raw: the published profile, times in milliseconds.
    """
    rows = pd.read_csv(raw).rename(columns=_KEYS)
    rows = rows.assign(prefill_s=rows.prompt_time / 1e3, decode_s=rows.token_time / 1e3)
    groups = rows.groupby(list(_KEYS.values()))
    table = groups[["prefill_s", "decode_s", "average_power", "peak_power"]].median()
    for name in ("prefill_s", "decode_s"):
        relative = (groups[name].quantile(0.75) - groups[name].quantile(0.25)) / table[name]
        table[name.replace("_s", "_spread")] = relative
    # Some rows are in the file three times: a repeat is a distinct pair of times.
    distinct = rows.drop_duplicates([*_KEYS.values(), "prefill_s", "decode_s"])
    table["repeats"] = distinct.groupby(list(_KEYS.values())).size()
    header = (
        "# Configurations of the Splitwise profile (MIT licence): medians over repeats [s],\n"
        "# spread (interquartile range over median), power over TDP (0: not measured).\n"
        f"# source: {PROFILE.url}\n"
        f"# sha256 of the raw file: {PROFILE.sha256}\n"
        "# made by: python -m splitmodel_calibration.digest_configurations\n"
    )
    return header + table.reset_index().to_csv(index=False, float_format="%.6g")


def main() -> None:
    """Rewrite the committed digest from the raw file."""
    with complete_file(CONFIGURATIONS) as unfinished:
        unfinished.write_text(digest(PROFILE.path()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

"""Digest of the published Splitwise profile: iteration times pooled by batched tokens.

Run as `python -m splitmodel_calibration.digest_profile`; it reads the raw profile from
`SPLITMODEL_DATA`, else downloads it, and rewrites the digest that the `interpolated` timing reads.

References:
    Patel et al., Splitwise, ISCA 2024; profile in github.com/Mutinifni/splitwise-sim (MIT),
    data/perf_model.csv, commit 8f99e7dc9b40.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from splitmodel.parameters.profile import DIGEST, GPUS
from splitmodel.results import complete_file
from splitmodel_calibration.datasets.splitwise import PROFILE


def digest(raw: Path) -> str:
    """CSV text of the medians over all rows of one (model, GPU, TP) with equal prompt × batch.

    Args:
        raw: the published profile, times in milliseconds.
    """
    rows = pd.read_csv(raw)
    # The third GPU of the file, the capped H100, is these times multiplied by a constant.
    rows = rows[rows.hardware.isin(GPUS)]
    pooled = (
        rows.assign(
            batched_tokens=rows.prompt_size * rows.batch_size,
            prefill_s=rows.prompt_time / 1e3,
            decode_s=rows.token_time / 1e3,
        )
        .groupby(["model", "hardware", "tensor_parallel", "batched_tokens"])[
            ["prefill_s", "decode_s"]
        ]
        .median()
        .reset_index()
        .rename(columns={"hardware": "gpu"})
    )
    header = (
        "# Medians by prompt x batch of the Splitwise profile (MIT licence), seconds.\n"
        "# source: github.com/Mutinifni/splitwise-sim data/perf_model.csv @ 8f99e7dc9b40\n"
        f"# sha256 of the raw file: {PROFILE.sha256}\n"
        "# made by: python -m splitmodel_calibration.digest_profile\n"
    )
    return header + pooled.to_csv(index=False, float_format="%.9g")


def main() -> None:
    """Rewrite the shipped digest from the raw file."""
    with complete_file(DIGEST) as unfinished:
        unfinished.write_text(digest(PROFILE.path()), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

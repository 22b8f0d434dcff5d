"""Digest of the published Splitwise profile: iteration times pooled by batched tokens.

Run as `python -m splitmodel_calibration.digest_profile`; it reads `splitwise_profile.csv` from
`SPLITMODEL_DATA` and rewrites the digest that the `interpolated` timing reads.

References:
    Patel et al., Splitwise, ISCA 2024; profile in github.com/Mutinifni/splitwise-sim (MIT),
    data/perf_model.csv, commit 8f99e7dc9b40.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pandas as pd

from splitmodel.parameters.profile import DIGEST

MEASURED_GPUS = ("a100-80gb", "h100-80gb")
"""The third GPU of the file, the capped H100, is these times multiplied by a constant."""


def digest(raw: Path) -> str:
    """CSV text of the medians over all rows of one (model, GPU, TP) with equal prompt × batch.

    Args:
        raw: the published profile, times in milliseconds.
    """
    rows = pd.read_csv(raw)
    rows = rows[rows.hardware.isin(MEASURED_GPUS)]
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
    sha256 = hashlib.sha256(raw.read_bytes()).hexdigest()
    header = (
        "# Medians by prompt x batch of the Splitwise profile (MIT licence), seconds.\n"
        "# source: github.com/Mutinifni/splitwise-sim data/perf_model.csv @ 8f99e7dc9b40\n"
        f"# sha256 of the raw file: {sha256}\n"
        "# made by: python -m splitmodel_calibration.digest_profile\n"
    )
    return header + pooled.to_csv(index=False, float_format="%.9g")


def main() -> None:
    """Rewrite the shipped digest from the raw file."""
    folder = os.environ.get("SPLITMODEL_DATA")
    if not folder:
        raise SystemExit("SPLITMODEL_DATA: not set; name the folder with splitwise_profile.csv")
    text = digest(Path(folder) / "splitwise_profile.csv")
    partial = DIGEST.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(DIGEST)


if __name__ == "__main__":
    main()

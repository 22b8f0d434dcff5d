"""The published Splitwise profile: iteration times and power of two models on two machines.

References:
    Patel et al., Splitwise, ISCA 2024; profile in github.com/Mutinifni/splitwise-sim (MIT),
    data/perf_model.csv, commit 8f99e7dc9b40.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from splitmodel.specs.raw_files import RawFile
from splitmodel_calibration.datasets.measurements import COLUMNS, Measurements

PROFILE = RawFile(
    "splitwise_profile.csv",
    "https://raw.githubusercontent.com/Mutinifni/splitwise-sim/"
    "8f99e7dc9b407f4ce2488d03dd44c0b8b946dab0/data/perf_model.csv",
    "dbbe505d1d64fc4bd1ec03c50edf944643586de4f68a81e94cbd55dd5bdfbf41",
)
CONFIGURATIONS = Path(__file__).with_name("splitwise_configurations.csv")
MACHINES = {"a100-80gb": "DGX-A100", "h100-80gb": "DGX-H100"}
OUTPUT_TOKENS = 128
"""Output of the configurations that vary prompt and batch; decode sees half of it on average."""


def configurations() -> pd.DataFrame:
    """The committed digest: one row per configuration."""
    return pd.read_csv(CONFIGURATIONS, comment="#")


def splitwise_profile() -> Measurements:
    """Iteration times to fit, without what is derived or broken."""
    table, notes = configurations(), []
    excluded = {
        "gpu h100-80gb-pcap is derived, not measured: 1.3 times the prompt time of h100-80gb and "
        "its token time": ~table.gpu.isin(MACHINES),
        "llama2-70b at tensor_parallel 2, batch 64 is broken: its prompt time falls by 7 to 8 "
        "times": (table.model == "llama2-70b")
        & (table.tensor_parallel == 2)
        & (table.batch_size == 64),
        f"outputs other than {OUTPUT_TOKENS} tokens repeat the batch (1, 512 tokens), and the long "
        "ones stopped early": table.output_tokens != OUTPUT_TOKENS,
    }
    left = pd.Series(True, index=table.index)
    for reason, out in excluded.items():
        notes.append(f"left out {(left & out).sum()} of {len(table)} configurations: {reason}")
        left &= ~out
    table = table[left].assign(pipeline_parallel=1)
    table["machine"] = table.gpu.map(MACHINES)
    prefill = table.assign(phase="prefill", tokens=table.prompt_tokens, time_s=table.prefill_s)
    decode = table.assign(
        phase="decode", tokens=table.prompt_tokens + OUTPUT_TOKENS // 2, time_s=table.decode_s
    )
    rows = pd.concat([prefill, decode], ignore_index=True).loc[:, list(COLUMNS)]
    return Measurements(rows, tuple(notes), PROFILE.url, PROFILE.sha256)

"""The shipped digest of the published profile, against the raw file and pandas."""

import numpy as np
import pandas as pd
import pytest

from splitmodel.parameters.profile import (
    DIGEST,
    GPUS,
    MODELS,
    TENSOR_PARALLEL,
    published_profile,
)

MEASURED = [("llama2-70b", 2), ("llama2-70b", 4), ("llama2-70b", 8), ("bloom-176b", 8)]


def test_the_profile_holds_what_was_measured_and_nothing_else():
    profile = published_profile()
    assert profile.batched_tokens.tolist() == [128.0 * 2**power for power in range(9)]
    for times_s in (profile.prefill_s, profile.decode_s):
        assert times_s.shape == (len(MODELS), len(GPUS), len(TENSOR_PARALLEL), 9)
        for i, model in enumerate(MODELS):
            for k, tensor_parallel in enumerate(TENSOR_PARALLEL):
                known = np.isfinite(times_s[i, :, k])
                assert (known == ((model, tensor_parallel) in MEASURED)).all()
        assert (np.nan_to_num(times_s, nan=1.0) > 0.0).all()


def test_the_digest_is_reproduced_to_the_byte(data_dir):
    script = pytest.importorskip("splitmodel_calibration.digest_profile")
    assert script.digest(data_dir / "splitwise_profile.csv").encode() == DIGEST.read_bytes()


def test_the_digest_has_the_medians_of_all_raw_rows(data_dir):
    raw = pd.read_csv(data_dir / "splitwise_profile.csv")
    x = raw.prompt_size * raw.batch_size
    profile = published_profile()
    known = np.argwhere(np.isfinite(profile.prefill_s))
    assert len(known) == 8 * 9
    for i, j, k, knot in known:
        rows = raw[
            (raw.model == MODELS[i])
            & (raw.hardware == GPUS[j])
            & (raw.tensor_parallel == TENSOR_PARALLEL[k])
            & (x == profile.batched_tokens[knot])
        ]
        medians_ms = (np.median(rows.prompt_time), np.median(rows.token_time))
        shipped_s = (profile.prefill_s[i, j, k, knot], profile.decode_s[i, j, k, knot])
        assert 1e3 * np.array(shipped_s) == pytest.approx(medians_ms, rel=1e-8)

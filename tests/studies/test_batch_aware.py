"""The one change to the authors' timing, and the draws behind the intervals."""

from typing import Any

import numpy as np
import pytest

import splitmodel as sm
from splitmodel.parameters.profile import published_profile
from splitmodel_studies.batch_aware.by_batch import BY_BATCH, PROFILED_PROMPT_TOKENS
from splitmodel_studies.batch_aware.conclusions import CONCLUSIONS
from splitmodel_studies.published import POWER_W

BLOOM_A100 = (1, 0, 2)
ASKED: dict[str, Any] = {"model": "bloom-176b", "machine": "DGX-A100"}


def test_decode_is_the_profile_s_at_its_batch():
    profile = published_profile()
    batch = profile.batched_tokens / PROFILED_PROMPT_TOKENS
    batches = batch[batch >= 1.0]
    decode_s = sm.iteration_time(
        "decode", **ASKED, batch_size=batches, context_tokens=1.0, timing=BY_BATCH.timing
    )
    np.testing.assert_allclose(decode_s, profile.decode_s[BLOOM_A100][batch >= 1.0], rtol=1e-5)


def test_prefill_is_theirs():
    tokens = np.array([100.0, 2048.0, 5000.0])
    ours_s, theirs_s = (
        sm.iteration_time("prefill", **ASKED, prompt_tokens=tokens, timing=timing)
        for timing in (BY_BATCH.timing, "interpolated")
    )
    np.testing.assert_allclose(ours_s, theirs_s)


def test_a_mixed_iteration_is_no_faster_than_its_decodes():
    batch: dict[str, Any] = {"batch_size": 64.0, "context_tokens": 1.0, "timing": BY_BATCH.timing}
    mixed_s = sm.iteration_time("mixed", **ASKED, prompt_tokens=8.0, **batch)
    assert mixed_s == pytest.approx(float(sm.iteration_time("decode", **ASKED, **batch)), rel=1e-5)


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_splits_near_the_best_use_the_budget(name):
    each = CONCLUSIONS[name]
    near = each.near({"prompt": 20.0})
    assert len({split.first for split in near}) == len(near) >= 5
    budget = {"budget_power_w": "power_provisioned_w", "budget_usd_per_hour": "usd_per_hour"}
    (name,) = each.goal.keys() & budget.keys()
    for split in near:
        one_more = sm.cluster_of(split.design, prompt=split.first, token=split.second + 1)
        assert getattr(split.cluster, budget[name]) <= each.goal[name] * (1.0 + 1e-6)
        assert getattr(one_more, budget[name]) > each.goal[name]
    assert pytest.approx(408e3) == POWER_W

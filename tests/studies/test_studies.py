"""Every study: its claims are reproduced, or fail for the reason that is written down."""

from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from splitmodel_studies.store import result_of
from splitmodel_studies.study import GROUP, study

RESULTS = Path(__file__).parents[2] / "docs" / "_generated" / "studies"
"""Where the docs read them, too; a study runs where its result is missing or of other code."""
NAMES = sorted(entry_points(group=GROUP).names)


@pytest.mark.parametrize("name", NAMES)
def test_claims_have_the_verdict_that_is_written_down(name):
    found = study(name)
    result = result_of(found, RESULTS)
    verdicts = {claim.name: claim.verdict(result) for claim in found.claims.claims}
    expected = {
        claim.name: "expected fail" if claim.fails else "pass" for claim in found.claims.claims
    }
    assert verdicts == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_part_of_a_figure_is_empty(name):
    result = result_of(study(name), RESULTS)
    empty = [
        variable
        for variable, values in result.items()
        if values.dtype.kind == "f" and not np.isfinite(values).any()
    ]
    assert empty == []

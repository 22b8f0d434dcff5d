"""Every study: its claims are reproduced, or fail for the reason that is written down."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from splitmodel_studies.store import result_of
from splitmodel_studies.study import GROUP, study

RESULTS = Path(__file__).parents[2] / "docs" / "_generated" / "studies"
"""Where the docs read them, too; a study runs where its result is missing or of other code."""


@pytest.mark.parametrize("name", sorted(entry_points(group=GROUP).names))
def test_claims_have_the_verdict_that_is_written_down(name):
    found = study(name)
    result = result_of(found, RESULTS)
    verdicts = {claim.name: claim.verdict(result) for claim in found.claims.claims}
    expected = {
        claim.name: "expected fail" if claim.fails else "pass" for claim in found.claims.claims
    }
    assert verdicts == expected

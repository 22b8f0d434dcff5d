import numpy as np
import pytest
import xarray as xr

from splitmodel.errors import InputError
from splitmodel_studies.claim import Claim, read_claims

RESULT = xr.Dataset(
    {"ratio": 0.8, "routed": ("route", [0.8, 2.0])}, coords={"route": ["ours", "theirs"]}
)


@pytest.mark.parametrize(
    "limits, verdict",
    [
        ({"tolerance": 0.2}, "pass"),
        ({"tolerance": 0.19}, "fail"),
        ({"at_least": 0.8}, "pass"),
        ({"at_most": 0.7}, "fail"),
        ({"at_least": 0.9, "at_most": 1.1, "fails": "reason"}, "expected fail"),
        ({"tolerance": 0.3, "fails": "reason"}, "unexpected pass"),
    ],
)
def test_verdict(limits, verdict):
    assert Claim("ratio", "", published=1.0, **limits).verdict(RESULT) == verdict


def test_one_route_is_judged():
    assert Claim("routed", "", 1.0, tolerance=0.1, route="theirs").value(RESULT) == 2.0


def test_an_undefined_number_reproduces_nothing():
    claim = Claim("ratio", "", published=1.0, tolerance=10.0)
    assert claim.verdict(xr.Dataset({"ratio": np.nan})) == "fail"


@pytest.mark.parametrize(
    "claim",
    [
        "published = 1.0",
        "published = 1.0\ntolerance = 0.1\nat_least = 0.5",
        "published = 1.0\ntolerance = 0.1\nlimit = 2",
        "tolerance = 0.1",
    ],
    ids=["nothing can contradict it", "two limits", "unknown field", "nothing published"],
)
def test_bad_claims_are_named(tmp_path, claim):
    path = tmp_path / "claim.toml"
    path.write_text(f'order = 1\ntitle = ""\nsource = ""\n[claims.one]\nsays = ""\n{claim}\n')
    with pytest.raises(InputError, match=r"^claims: "):
        read_claims(path)

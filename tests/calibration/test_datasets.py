"""The published profile as it is fitted; profiles of one's own and what may be wrong in them."""

import numpy as np
import pandas as pd
import pytest

import splitmodel as sm
from splitmodel.errors import InputError
from splitmodel_calibration.datasets.own_profile import own_profile
from splitmodel_calibration.datasets.splitwise import CONFIGURATIONS, PROFILE, configurations
from splitmodel_calibration.digest_configurations import digest


def test_the_digest_is_reproduced_to_the_byte(data_dir):
    assert digest(data_dir / PROFILE.name) == CONFIGURATIONS.read_text(encoding="utf-8")


def test_what_is_left_out_is_what_the_reasons_say(profile):
    table = configurations()
    keys = ["model", "tensor_parallel", "prompt_tokens", "batch_size", "output_tokens"]
    measured, derived = (
        table.query(f"gpu == '{gpu}'").set_index(keys) for gpu in ("h100-80gb", "h100-80gb-pcap")
    )
    np.testing.assert_allclose(derived.prefill_s / measured.prefill_s, 1.3, rtol=2e-5)
    np.testing.assert_allclose(derived.decode_s / measured.decode_s, 1.0, rtol=1e-5)
    broken = table.query("model == 'llama2-70b' and tensor_parallel == 2")
    large, larger = (
        broken.query(f"batch_size == {size}").set_index("gpu").prefill_s for size in (32, 64)
    )
    assert (larger < large / 3.0).all()
    assert len(profile.rows) == 2 * 102
    assert len(profile.notes) == 3
    assert sum(int(note.split()[2]) for note in profile.notes) == len(table) - 102


def test_the_profile_that_is_fitted(profile):
    rows = profile.rows
    assert set(rows.machine) == {"DGX-A100", "DGX-H100"}
    assert (rows.time_s > 0.0).all()
    assert not rows.duplicated(["machine", "model", "tensor_parallel", "phase", "batch_size",
                                "tokens"]).any()  # fmt: skip
    prompts = rows[rows.phase == "prefill"].tokens.to_numpy()
    assert (rows[rows.phase == "decode"].tokens.to_numpy() == prompts + 64).all()


def table(**changes):
    """A small good profile with columns changed."""
    rows = {
        "phase": ["prefill", "prefill", "decode", "decode"],
        "model": ["llama2-70b"] * 4,
        "tensor_parallel": [8] * 4,
        "batch_size": [1, 1, 1, 16],
        "tokens": [512, 2048, 1000, 1000],
        "time_s": [0.06, 0.14, 0.03, 0.034],
    }
    return pd.DataFrame(rows | changes)


def written(tmp_path, frame):
    path = tmp_path / "own.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_good_profile_is_read(tmp_path):
    found = own_profile(written(tmp_path, table()), "DGX-H100")
    assert len(found.rows) == 4
    assert set(found.rows.machine) == {"DGX-H100"}
    assert found.notes == ()


def test_repeats_are_joined_and_copies_left_out(tmp_path):
    slower = table(time_s=[0.066, 0.14, 0.033, 0.034])
    slowest = table(time_s=[0.069, 0.15, 0.036, 0.04])
    found = own_profile(written(tmp_path, pd.concat([table(), slower, slowest])), "DGX-H100")
    assert dict(zip(found.rows.tokens, found.rows.time_s, strict=True))[512.0] == 0.066
    assert "2 rows that are exact copies" in found.notes[0]
    assert "the median of each configuration" in found.notes[1]


NAN = float("nan")
BAD = {
    "missing column": (table().drop(columns="time_s"), "lacks time_s.*needed are phase"),
    "milliseconds by name": (
        table().rename(columns={"time_s": "time_ms"}),
        "lacks time_s.*time_ms must be given in seconds",
    ),
    "milliseconds by value": (
        table(time_s=[60.0, 140.0, 30.0, 34.0]),
        "look like milliseconds: divide them by 1000",
    ),
    "far too fast": (table(time_s=[6e-5, 1.4e-4, 3e-5, 3.4e-5]), "times below those expected"),
    "negative time": (table(time_s=[0.06, -0.14, 0.03, 0.034]), "line 3 has -0.14; a positive"),
    "zero time": (table(time_s=[0.06, 0.0, 0.03, 0.034]), "time_s: .* line 3 has 0.0"),
    "no number": (table(time_s=[0.06, NAN, 0.03, 0.034]), "line 3 has nan"),
    "text": (table(tokens=["512", "many", "1000", "1000"]), "tokens: .* line 3 has many"),
    "contradicting repeats": (
        pd.concat([table(), table(time_s=[0.06, 0.14, 0.3, 0.034])]),
        "lines 4, 8 are of one configuration, but their times differ 10.0 times",
    ),
    "unknown phase": (table(phase=["prefil", *["decode"] * 3]), "phase.*prefil"),
    "unknown model": (table(model=["lama2-70b"] * 4), "lama2-70b.*did you mean llama2-70b"),
    "impossible parallelism": (table(tensor_parallel=[7] * 4), "tensor_parallel: 7"),
    "no rows": (table().iloc[:0], "no rows"),
}


@pytest.mark.parametrize(("frame", "message"), BAD.values(), ids=BAD)
def test_a_bad_profile_is_named(tmp_path, frame, message):
    with pytest.raises(InputError, match=message):
        own_profile(written(tmp_path, frame), "DGX-H100")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00bad", b'a,b\n"1,2\n3'])
def test_what_is_no_csv_is_named(tmp_path, content):
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"own\.csv"):
        own_profile(path, "DGX-H100")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        own_profile(tmp_path / "nowhere.csv", "DGX-H100")


def test_expected_times_are_those_of_the_library():
    """The unit check relies on them: the good table above is of this machine."""
    expected = sm.iteration_time(
        "prefill", model="llama2-70b", machine="DGX-H100", prompt_tokens=np.array([512, 2048])
    )
    np.testing.assert_allclose(expected, table().time_s[:2], rtol=0.2)

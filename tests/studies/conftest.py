import pytest
import xarray as xr

from splitmodel_studies.claim import Claim, Claims


class Double:
    """A study that counts its runs: the width of a board, published as 2, and by routes."""

    name = "double"
    fingerprint = "code"

    def __init__(self, folder):
        self.folder, self.runs = folder, 0
        (folder / "claim.toml").write_text("")
        (folder / "about.md").write_text("")

    claims = Claims(
        order=1.0,
        title="A board",
        source="a book",
        claims=(
            Claim("width", "width of a board", 2.0, unit="m", tolerance=0.1),
            Claim("ratio", "ratio", 1.0, at_least=1.0, route="theirs", fails="{width:.1f} m off"),
        ),
    )
    about = "It is {width:.1f} m wide, not {published[width]:g}, by theirs {ratio[theirs]:.2f}."

    def run(self):
        self.runs += 1
        return xr.Dataset(
            {"width": 2.1, "ratio": ("route", [1.5, 0.5])}, coords={"route": ["ours", "theirs"]}
        )

    def plot(self, result):
        from splitmodel_studies.style import panels

        figure, (panel,) = panels()
        panel.plot([0.0, result["width"].item()])
        return figure


@pytest.fixture
def double(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    return Double(folder)

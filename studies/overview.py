"""All studies of a folder in one table, and as the contents of a page of the docs."""

from __future__ import annotations

from pathlib import Path

from splitmodel.results import complete_file
from splitmodel_studies.store import stored
from splitmodel_studies.study import study, study_names
from splitmodel_studies.style import THEMES


def write_overview(folder: Path) -> None:
    """Write `overview.txt`: the studies whose results are there, with their verdicts.

    Raises:
        InputError: where the folder cannot be written.
    """
    lines, pages = ["| | study | claims reproduced | source |", "|---|---|---|---|"], []
    for name in study_names():
        each = study(name)
        result = stored(each, folder)
        if result is not None:
            claims = each.claims
            passed = sum(claim.reproduced(result) for claim in claims.claims)
            pages.append(f"_generated/studies/{name}/index")
            lines.append(
                f"| {_thumbnails(name)} | [{claims.title}]({pages[-1]}.md) "
                f"| {passed} of {len(claims.claims)} | {claims.source} |"
            )
    lines += ["", "```{toctree}", ":hidden:", "", *pages, "```"]
    with complete_file(folder / "overview.txt") as unfinished:
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _thumbnails(name: str) -> str:
    """The study's figure, small, on either theme."""
    return " ".join(
        f"![](_generated/studies/{name}/figure-{theme}.svg){{.thumbnail .only-{theme}}}"
        for theme in THEMES
    )

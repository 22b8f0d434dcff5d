"""A study as a page of the docs: explanation, figure, our numbers beside the published ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from splitmodel.cli.show import text
from splitmodel.results import complete_file
from splitmodel_studies.claim import Claim
from splitmodel_studies.study import Study
from splitmodel_studies.style import THEMES, theme, write_svg

_SIGNS = {
    "pass": "✓ reproduced",
    "expected fail": "✗ not reproduced, as explained",
    "fail": "✗ **not reproduced**",
    "unexpected pass": "✓ **reproduced, against the explanation**",
}


def write_page(study: Study, result: xr.Dataset, folder: Path) -> None:
    """Write `index.md` and the figure on both themes.

    Raises:
        InputError: where the folder cannot be written.
    """
    for name in THEMES:
        with theme(name):
            write_svg(study.plot(result), folder / f"figure-{name}.svg")
    with complete_file(folder / "index.md") as unfinished:
        unfinished.write_text(page(study, result), encoding="utf-8")


def page(study: Study, result: xr.Dataset) -> str:
    """Text of the page, in MyST Markdown."""
    claims = study.claims
    return "\n\n".join(
        [
            f"# {claims.title}",
            f"*Source: {claims.source}.*",
            filled(study.about, claims.claims, result),
            *(_image(name, claims.title) for name in THEMES),
            "## Published and reproduced",
            _judged(claims.claims, result),
            *_routes(claims.claims, result),
            *_reasons(claims.claims, result),
            f"```console\n$ splitmodel study {study.name}\n```\n",
        ]
    )


def allowed(claim: Claim) -> str:
    """What a claim allows, in words."""
    if claim.tolerance is not None:
        return f"±{100.0 * claim.tolerance:g}%"
    low, high = claim.limits
    bounds = (f"≥ {text(low)}" if low > -float("inf") else "", f"≤ {text(high)}")
    return ", ".join(bound for bound in bounds if bound and "inf" not in bound)


def filled(prose: str, claims: Iterable[Claim], result: xr.Dataset) -> str:
    """An explanation with its numbers.

    Ours are `{name:.2f}` or `{name[entry of route]:.2f}`, a claim's is `{published[name]:g}`.
    """
    numbers: dict[str, Any] = {
        str(name): each.item() if not each.dims else _by_route(each)
        for name, each in result.items()
        if each.dims in ((), ("route",))
    }
    published = {claim.name: claim.published for claim in claims}
    return prose.strip().format(**numbers, published=published)


def _by_route(values: xr.DataArray) -> dict[str, float]:
    return dict(zip(map(str, values["route"].values), values.values.tolist(), strict=True))


def _image(name: str, title: str) -> str:
    return f"```{{image}} figure-{name}.svg\n:class: only-{name}\n:alt: {title}\n```"


def _judged(claims: Iterable[Claim], result: xr.Dataset) -> str:
    rows = [
        [
            claim.says + (f" ({claim.route})" if claim.route else ""),
            f"{text(float(claim.published))} {_unit(claim)}",
            f"{text(claim.value(result))} {_unit(claim)}",
            allowed(claim),
            _SIGNS[claim.verdict(result)],
        ]
        for claim in claims
    ]
    return _table(["claim", "published", "ours", "allowed", "verdict"], rows)


def _routes(claims: Iterable[Claim], result: xr.Dataset) -> list[str]:
    """The same claims by every route, where there are several."""
    several = [claim for claim in claims if claim.route]
    if not several:
        return []
    labels = [str(label) for label in result["route"].values]
    rows = [
        [
            claim.says,
            text(float(claim.published)),
            *(text(float(result[claim.name].sel(route=label))) for label in labels),
        ]
        for claim in several
    ]
    return ["## By every route", _table(["claim", "published", *labels], rows)]


def _reasons(claims: Iterable[Claim], result: xr.Dataset) -> list[str]:
    """Why claims are not reproduced, each reason once."""
    reasons = {claim.fails: claim.says for claim in claims if claim.fails}
    listed = "\n".join(f"- {says}: {filled(why, claims, result)}" for why, says in reasons.items())
    return ["## What is not reproduced, and why", listed] if reasons else []


def _unit(claim: Claim) -> str:
    return "" if claim.unit == "1" else claim.unit


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.strip() for cell in line)} |" for line in lines)

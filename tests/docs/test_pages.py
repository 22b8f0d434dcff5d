"""Every page of the site: complete in itself, without complaints, and as wide as the screen."""

import pytest

SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
"""Width and height in pixels."""
OVERFLOW_PX = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNSET = "document.querySelectorAll('.math:not(:has(mjx-container))').length"


@pytest.fixture
def screen(browser):
    """Shows the page on a screen of that kind; the browser's own window is never that narrow."""

    def show(kind: str) -> None:
        width, height = SCREENS[kind]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        metrics["mobile"] = kind == "phone"
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    yield show
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_page_is_whole_and_fits_the_screen(page, site, screen):
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert {"index.html", "approximations.html", "explorer.html"} <= set(names)
    found = {}
    for name in names:
        page.open(name)
        page.wait(f"document.readyState === 'complete' && {UNSET} === 0")
        overflow_px = {}
        for kind in SCREENS:
            screen(kind)
            overflow_px[kind] = page.run(f"return {OVERFLOW_PX}")
        found[name] = {
            "wider than the screen": {kind: px for kind, px in overflow_px.items() if px > 0},
            "asked for elsewhere": [
                address
                for address in page.requests()
                if not address.startswith((page.site, "data:", "blob:", "about:"))
            ],
            "formulas with errors": page.run(
                "return document.querySelectorAll('mjx-merror').length"
            ),
            "complaints": page.complaints(),
        }
    assert {
        name: {what: each for what, each in faults.items() if each}
        for name, faults in found.items()
        if any(faults.values())
    } == {}

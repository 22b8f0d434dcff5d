"""Every page of the site: complete in itself, without complaints, and as wide as the screen."""

import time

import pytest

SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}
"""Width and height in pixels."""
OVERFLOW_PX = """Math.max(...["html", "body", ".content"].map(
    (part) => document.querySelector(part)).filter((part) => part).map(
    (part) => part.scrollWidth - part.clientWidth))"""
"""How much of the page is beyond its sides, whichever part would scroll."""
PATIENCE_S = 5.0
UNSET = "document.querySelectorAll('.math:not(:has(mjx-container))').length"
ERRORS = "document.querySelectorAll('mjx-merror').length"


@pytest.fixture
def screen(browser):
    """Shows the page on a screen of that kind; the browser's own window is never that narrow."""

    def show(kind: str) -> None:
        width, height = SCREENS[kind]
        # A browser that thinks itself mobile would zoom out of a page that is too wide.
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    yield show
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def settled(page) -> float:
    """Overflow once the page has adapted to the screen, which a figure does after a while."""
    end_s = time.monotonic() + PATIENCE_S
    while (overflow_px := page.run(f"return {OVERFLOW_PX}")) > 0 and time.monotonic() < end_s:
        time.sleep(0.1)
    return overflow_px


def test_every_page_is_whole_and_fits_the_screen(page, site, screen):
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert {"index.html", "approximations.html", "explorer.html"} <= set(names)
    page.open(names[0])
    faults = {}
    for name in names:
        page.browser.get(f"{page.site}/{name}")
        page.wait(f"document.readyState === 'complete' && {UNSET} === 0")
        for kind in SCREENS:
            screen(kind)
            faults[f"{name} is wider than a {kind} by"] = settled(page)
        faults[f"{name} has formulas with errors"] = page.run(f"return {ERRORS}")
    assert {what: count for what, count in faults.items() if count > 0} == {}
    own = (page.site, "data:", "blob:", "about:")
    assert [address for address in page.requests() if not address.startswith(own)] == []
    assert page.complaints() == []

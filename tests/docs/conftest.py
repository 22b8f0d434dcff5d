"""The built site in a real browser."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

BUILT = Path(__file__).parents[2] / "docs" / "_build" / "html"
_PATIENCE_S = 30.0
"""How long a page may take; a machine that runs other tests beside this one is slow."""


def missing(what: str) -> None:
    """Skip, except in continuous integration, which has to provide everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


class Page:
    """A page of the site in a browser, with all that it asked for and complained about."""

    def __init__(self, browser: webdriver.Chrome, site: str):
        self.browser = browser
        self.site = site

    def open(self, name: str) -> None:
        """Load a page, with nothing left of the one before."""
        self.browser.get("about:blank")
        self.complaints()
        self.requests()
        self.browser.get(f"{self.site}/{name}")

    def wait(self, script: str) -> None:
        """Wait until a JavaScript expression is true."""
        waiting = WebDriverWait(self.browser, _PATIENCE_S)
        waiting.until(lambda browser: browser.execute_script(f"return {script}"))

    def run(self, script: str, *values: object):
        """Value of JavaScript."""
        return self.browser.execute_script(script, *values)

    def complaints(self) -> list[str]:
        """Messages on the console since the last call."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for since the last call."""
        events = [
            json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")
        ]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing("no chromium with its driver is installed; .ci/install-browser does it on Debian")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    # Without a sandbox, because continuous integration runs as root, for which there is none.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def site() -> Path:
    """Folder of what the last `make docs` built."""
    if not (BUILT / "explorer.html").exists():
        missing(f"{BUILT} holds no site; make docs builds it")
    return BUILT


@pytest.fixture(scope="session")
def page(browser: webdriver.Chrome, site: Path) -> Iterator[Page]:
    """A tab on the site."""
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Page(browser, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """A server that keeps its log to itself."""

    def log_message(self, format: str, *args: object) -> None:
        pass

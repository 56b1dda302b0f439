"""One JupyterLab and one Chromium for all browser tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosts import CHROMIUM, QUIET, Lab, Server, jupyter
from playwright.sync_api import Browser, Page, sync_playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("the browser tests need Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield one
        one.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    one = context.new_page()
    yield one
    context.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter(tmp_path_factory.mktemp("jupyter")) as (port, folder):
        yield Server(port, folder)


@pytest.fixture
def lab(page: Page, server: Server):
    def open_notebook(name: str, cells: list[str], theme: str | None = None) -> Lab:
        return Lab(page, server, server.notebook(name, cells), theme)

    return open_notebook


@pytest.fixture
def errors(page: Page) -> Iterator[list[str]]:
    """What goes wrong in the page's scripts: nothing, when the test is over."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert not found

"""Headless Chromium for the tests that look at pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE_S = 120.0
"""How long a page may take to show what is waited for; Playwright's own is 30 s."""


@contextmanager
def chromium_page(width: int = 1360, height: int = 900) -> Iterator[Any]:
    """Open a page in the system's Chromium; skip where there is none."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("chromium is not installed; `make test` installs it where it may")
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[*arguments, "--disable-component-update"],
            timeout=PATIENCE_S * 1000,
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(PATIENCE_S * 1000)
            yield page
        finally:
            browser.close()

"""A real browser for tests and screenshots: Chromium, headless, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tools.stack import ADMIN, Stack

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PACKAGE: Final = "chromium"


class Unavailable(Exception):
    """No browser can be had here; the message says why."""


def find(playwright: Playwright) -> Path:
    """The program: the one in CHROMIUM, on the path, Playwright's own, or Debian's, which is installed if we may.

    Raises:
        Unavailable: none of them, and what to do.
    """
    own = playwright.chromium.executable_path
    for place in (os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), own):
        if place and Path(place).exists():
            return Path(place)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return _install()
    raise Unavailable(
        "no Chromium: install one (apt-get install chromium, or playwright install chromium), or name it in CHROMIUM"
    )


def _install() -> Path:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, timeout=500)
    if found := shutil.which(PACKAGE):
        return Path(found)
    raise Unavailable(f"Debian gives no {PACKAGE}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium.

    Raises:
        Unavailable: there is none, and none to be had.
    """
    with sync_playwright() as playwright:
        # Its sandbox needs another user than root; the pages are our own.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=find(playwright), args=options)
        try:
            yield browser
        finally:
            browser.close()


def log_in(browser: Browser, stack: Stack, user: str = ADMIN, dark: bool = False, width: int = 1440) -> BrowserContext:
    """A window of a browser in which that user is logged in to the stack's Airflow, light or dark."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", locale="en-GB"
    )
    context.add_cookies([{"name": "_token", "value": stack.token(user), "url": stack.url}])
    return context

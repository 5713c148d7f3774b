"""Pages of the Prefect UI, used as a person does, who loads again or presses again what a busy server has refused."""

from collections.abc import Callable
from typing import Any

from support.waiting import PATIENCE_S

_TRIES = 10
_SHOWN_WITHIN_MS = PATIENCE_S / 4 * 1000


def open_page(page: Any, url: str, sign: Any) -> None:
    """Open a page until it shows something: what it asks for only once, a lock of the server's SQLite can refuse.

    Args:
        page: Playwright's.
        url: of the page.
        sign: locator of what it shows once it has what is looked for.
    """

    def opened() -> None:
        page.goto(url, wait_until="domcontentloaded")
        sign.first.wait_for(timeout=_SHOWN_WITHIN_MS)

    _again(opened)


def resume_form(page: Any, ui: str, run_id: object, shows: Callable[[Any], Any]) -> Any:
    """Open a paused run's page and its form; return the form.

    Args:
        page: Playwright's.
        ui: address of the UI, or of its second version, which ends with ``/v2``.
        run_id: of the flow run.
        shows: returns the locator of what the form shows.
    """
    address = f"{ui}/runs/flow-run/{run_id}"
    form = page.get_by_role("dialog") if ui.endswith("/v2") else page.locator(".p-modal__card")

    def opened() -> None:
        if ui.endswith("/v2"):
            open_page(page, address, page.get_by_text("Paused"))  # below the menus, of which the run's is the last one
            page.locator("button[aria-haspopup=menu]").last.click()
            page.get_by_role("menuitem", name="Resume").click()
        else:
            resume = page.get_by_role("button", name="Resume")
            open_page(page, address, resume)
            resume.click()
        shows(form).first.wait_for(timeout=_SHOWN_WITHIN_MS)

    _again(opened)
    return form


def press(page: Any, button: Any, path: str) -> None:
    """Press a button until the API has taken what that sends.

    Args:
        page: Playwright's.
        button: locator of the button.
        path: end of the address it posts to.
    """

    def told(answer: Any) -> bool:
        """Whether it was sent, or could not be checked, after which it is not sent."""
        unchecked = "/validate" in answer.url and not answer.ok
        return answer.request.method == "POST" and (answer.url.endswith(path) or unchecked)

    for _ in range(_TRIES):
        with page.expect_response(told) as answer:
            button.click()
        if answer.value.ok:
            return
    raise AssertionError(f"{answer.value.url}: {answer.value.status} {answer.value.text()}")


def _again(act: Callable[[], None]) -> None:
    from playwright.sync_api import TimeoutError as NotShown

    for _ in range(_TRIES - 1):
        try:
            return act()
        except NotShown:
            continue
    act()

"""Notices reach real servers through a real block, and an outage is never more than a warning."""

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from opticstream.core.deadline import within
from opticstream.core.errors import NotSent
from opticstream.core.notice import Notice
from opticstream.state.blocks.notifier import Notifier
from opticstream.tasks.notifications import notify
from support.peers import free_port, mail_server, silent_server, webhook
from support.waiting import until

MAIL: dict[str, Any] = {
    "kind": "email",
    "smtp_host": "127.0.0.1",
    "smtp_security": "none",
    "sender": "rig@lab.example",
    "recipients": ["a@lab.example", "b@lab.example"],
}


class Told(logging.Handler):
    """What is logged; a handler of our own, since a flow run sets up the root's anew."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def texts(self, least: int = logging.DEBUG) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno >= least]


@pytest.fixture
def told() -> Iterator[Told]:
    logger, handler = logging.getLogger(notify.__module__), Told()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


def _nobody_sends() -> bool:
    """Say whether no thread sends: what one that was given up leaves open is reported in whatever test runs then."""
    return not any(thread.name == "opticstream-notifier" for thread in threading.enumerate())


def test_slack_gets_what_it_can_show() -> None:
    with webhook() as server:
        notifier = Notifier(kind="slack", url=server.url)
        notifier.notify("strip 3 <failed>", "disk full & \udcff\n`/data`", "failure")
        assert server.posts == [{"text": ":x: *strip 3 &lt;failed&gt;*\ndisk full &amp; �\n`/data`"}]
        notifier.notify("done")
        assert server.posts[-1] == {"text": "*done*"}
        server.status = 404
        with pytest.raises(NotSent, match="Slack webhook: found HTTP 404 no_service") as caught:
            notifier.notify("again")
        assert "secret" not in str(caught.value)


def test_mail_is_delivered_to_everybody() -> None:
    with mail_server() as server:
        notifier = Notifier(**MAIL, smtp_port=server.port, smtp_user="rig", smtp_password="pass")
        notifier.notify("Streifen 3\nfertig: ä", "Platz: 3 GB", "success")
        (mail,) = server.mails
        assert "To: a@lab.example, b@lab.example" in mail and "From: rig@lab.example" in mail
        assert (
            "Subject: [opticstream] success: Streifen 3 fertig: =?utf-8?" in mail
            and "Platz: 3 GB" in mail
            and len(server.logins) == 1
        )
        server.refused = {"b@lab"}
        with pytest.raises(NotSent, match=r"refused recipients b@lab\.example"):
            notifier.notify("again")
        server.refused = {"wrong"}
        with pytest.raises(NotSent, match="found user name and password refused") as caught:
            notifier.notify("again")
        assert "pass'" not in str(caught.value)


def test_apprise_takes_its_urls() -> None:
    with webhook() as server:
        url = server.url.replace("http://", "json://")
        Notifier(kind="apprise", url=url).notify("a", "b", "warning")
        (post,) = server.posts
        assert (post["title"], post["message"], post["type"]) == ("a", "b", "warning")
        server.status = 500
        with pytest.raises(NotSent, match=r"Apprise: found .*500") as caught:
            Notifier(kind="apprise", url=url).notify("a")
        assert "secret" not in str(caught.value)
    with pytest.raises(NotSent, match="found one that Apprise does not know"):
        Notifier(kind="apprise", url="nothing").notify("a")


def test_what_is_less_urgent_than_wanted_is_not_sent() -> None:
    with webhook() as server:
        notifier = Notifier(kind="slack", url=server.url, least_level="warning")
        for level in ("info", "success", "warning", "failure"):
            notifier.notify(level, "", level)
        assert [post["text"].split()[1] for post in server.posts] == ["*warning*", "*failure*"]
    Notifier().notify("only logged")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "slack"}, "kind 'slack' needs url"),
        ({"kind": "email", "smtp_host": "x"}, "kind 'email' needs sender, recipients"),
        (MAIL | {"smtp_password": "hush"}, "smtp_user and smtp_password go together"),
        ({"kind": "slack", "url": "https://x/hush", "smtp_port": 0}, "smtp_port"),
    ],
)
def test_a_block_that_cannot_work_is_refused_without_its_secrets(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        Notifier(**fields)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("kind", ["slack", "email", "apprise"])
def test_a_server_that_is_down_or_silent_is_told(kind: str) -> None:
    with silent_server() as silent:
        for port in (silent, free_port()):
            url = f"{'json' if kind == 'apprise' else 'http'}://127.0.0.1:{port}/secret"
            url += "?rto=0.1&cto=0.1" if kind == "apprise" else ""
            notifier = Notifier(**MAIL, smtp_port=port) if kind == "email" else Notifier(kind=kind, url=url)
            with pytest.raises(NotSent) as caught:
                notifier.notify("a", timeout_s=0.1)
            assert "secret" not in str(caught.value)


def test_a_notice_is_text_that_every_channel_takes() -> None:
    notice = Notice("a\r\nBcc: b\0\udc80", "x" * 20_000, "failure")
    assert notice.subject == "a Bcc: b��" and len(notice.body) == 10_000
    assert notice.reaches("warning") and not Notice("a").reaches("success")


def test_work_that_takes_too_long_is_given_up() -> None:
    ended = threading.Event()
    with pytest.raises(TimeoutError, match=r"no end after 0\.01 s"):
        within(0.01, ended.wait, "test")
    ended.set()
    assert within(10, lambda: None, "test") is None
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 // 0, "test")


def test_without_an_api_notices_are_logged(told: Told) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert notify("alone", "strip done", "details") is False
    assert told.texts() == ["alone: strip done\ndetails"]


def test_notices_go_through_the_projects_block(prefect_api: str, told: Told) -> None:
    assert notify("Mouse_1", "nobody is told", level="failure") is False
    assert told.texts(logging.WARNING) == ["Mouse_1: nobody is told"], "without a block it is only logged"
    with webhook() as server:
        Notifier(kind="slack", url=server.url).save("mouse-1-notifier")
        assert notify("Mouse_1", "strip 3 done", "all verified", "success") is True
        assert server.posts == [{"text": ":white_check_mark: *strip 3 done*\nall verified"}]
        told.records.clear()
        server.status = 500
        assert [notify("Mouse_1", "a") for _ in range(3)] == [False] * 3
        (warning,) = told.texts(logging.WARNING)
        assert "a notice could not be sent (Slack webhook: found HTTP 500" in warning and "secret" not in warning
        server.status = 200
        assert notify("Mouse_1", "b") is True and told.texts()[-1] == "Mouse_1: notices are sent again"
    told.records.clear()
    assert notify("Mouse_1", "c") is False and len(told.texts(logging.WARNING)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an async flow leaves a socket open
def test_a_flow_goes_on_while_its_notifier_hangs(prefect_api: str, told: Told) -> None:
    from prefect import flow

    with silent_server() as port:
        Notifier(kind="slack", url=f"http://127.0.0.1:{port}/").save("rat-notifier")

        @flow
        async def strip() -> bool:
            return notify("rat", "done", timeout_s=0.5)

        assert asyncio.run(strip()) is False
        until(_nobody_sends, "what was given up has ended")
        gc.collect()
    assert any("rat: a notice could not be sent" in text for text in told.texts(logging.WARNING))


def test_an_api_that_is_down_or_hangs_is_a_warning(told: Told) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with silent_server() as silent:
        for project, port in (("down", free_port()), ("hanging", silent)):
            with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
                assert notify(project, "done", timeout_s=0.5) is False
    until(_nobody_sends, "what was given up has ended")
    assert [text.partition(":")[0] for text in told.texts(logging.WARNING)] == ["down", "hanging"]

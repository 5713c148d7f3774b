"""How a notice travels: a Slack webhook, mail, or whatever Apprise knows."""

import html
import logging
import smtplib
import ssl
from email.message import EmailMessage
from typing import Final, Literal

from opticstream.core.errors import NotSent
from opticstream.core.notice import Level, Notice

Security = Literal["starttls", "ssl", "none"]

_SLACK_MARK: Final[dict[Level, str]] = {
    "info": "",
    "success": ":white_check_mark: ",
    "warning": ":warning: ",
    "failure": ":x: ",
}


def send_slack(url: str, notice: Notice, timeout_s: float) -> None:
    """Post to an incoming webhook of Slack, or of a server that takes the same (Mattermost, Rocket.Chat).

    Raises:
        NotSent: the server cannot be reached or refuses.
    """
    import httpx

    text = f"{_SLACK_MARK[notice.level]}*{notice.subject}*\n{notice.body}".strip()
    try:
        answer = httpx.post(url, json={"text": html.escape(text, quote=False)}, timeout=timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Its text may hold the address, which is the secret.
        raise NotSent(
            "Slack webhook", found=type(error).__name__, action="Check the address and the network."
        ) from None
    if answer.is_error:
        found = f"HTTP {answer.status_code} {answer.text[:100]}".strip()
        raise NotSent("Slack webhook", found=found, action="Check that the webhook still exists.")


def send_mail(
    notice: Notice,
    *,
    host: str,
    port: int,
    security: Security,
    login: tuple[str, str] | None,
    sender: str,
    recipients: tuple[str, ...],
    timeout_s: float,
) -> None:
    """Hand a mail to an SMTP server.

    Raises:
        NotSent: the server cannot be reached or refuses.
    """
    message = EmailMessage()
    message["Subject"] = f"[opticstream] {notice.level}: {notice.subject}"
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message.set_content(notice.body or notice.subject)
    try:
        with _connected(host, port, security, timeout_s) as server:
            if login is not None:
                server.login(*login)
            refused = server.send_message(message, sender, list(recipients))
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(
            f"{host}:{port}", found=_reason(error), action="Check the mail settings of the notifier."
        ) from None
    if refused:
        raise NotSent(f"{host}:{port}", found=f"refused recipients {', '.join(refused)}")


def _connected(host: str, port: int, security: Security, timeout_s: float) -> smtplib.SMTP:
    context = ssl.create_default_context() if security != "none" else None
    if security == "ssl":
        return smtplib.SMTP_SSL(host, port, timeout=timeout_s, context=context)
    server = smtplib.SMTP(host, port, timeout=timeout_s)
    try:
        if context is not None:
            server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "user name and password refused"
    return f"{type(error).__name__}: {error}"


def send_apprise(urls: str, notice: Notice) -> None:
    """Send through Apprise, which comes with Prefect and knows about a hundred services.

    Args:
        urls: one or more Apprise URLs, separated by commas or spaces.
        notice: what to send.

    Raises:
        NotSent: a URL is of no known kind, or a service cannot be reached or refuses.
    """
    import apprise
    from apprise.logger import LogCapture

    sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="opticstream", app_desc="opticstream"))
    if not sender.add(urls):
        raise NotSent(
            "Apprise URL", found="one that Apprise does not know", expected="for example mailto://… or ntfy://…"
        )
    # Below WARNING Apprise logs addresses with their secrets.
    with LogCapture(level=logging.WARNING, fmt="%(message)s") as captured:  # type: ignore[no-untyped-call] # upstream
        sent = sender.notify(title=notice.subject, body=notice.body or notice.subject, notify_type=notice.level)
        said = " ".join(captured.getvalue().split())
    if not sent:
        raise NotSent("Apprise", found=said[:300] or "no success")

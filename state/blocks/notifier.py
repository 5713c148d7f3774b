"""The Block that says where a project's notices go."""

from typing import Literal

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, model_validator

from opticstream.core.notice import Level, Notice
from opticstream.core.text import slug
from opticstream.state.blocks.delivery import Security, send_apprise, send_mail, send_slack


class Notifier(Block):
    """Where notices of one project go, saved as ``{project-slug}-notifier``; without it they are only logged.

    Example:
        ``Notifier(kind="slack", url="https://hooks.slack.com/services/…").save("brain-notifier")``
    """

    _block_type_name = "Opticstream Notifier"
    _block_type_slug = "opticstream-notifier"

    model_config = ConfigDict(hide_input_in_errors=True)  # the input holds secrets

    kind: Literal["log", "slack", "email", "apprise"] = Field("log", description="Channel; log: nothing is sent.")
    least_level: Level = Field("info", description="Least urgent level that is sent: info, success, warning, failure.")
    url: SecretStr | None = Field(
        None, description="slack: incoming webhook (Slack, Mattermost, Rocket.Chat). apprise: one or more Apprise URLs."
    )
    smtp_host: str | None = Field(None, description="email: outgoing mail server.")
    smtp_port: int = Field(587, ge=1, le=65535, description="email: its port; 587 for starttls, 465 for ssl.")
    smtp_security: Security = Field("starttls", description="email: encryption; starttls, ssl or none.")
    smtp_user: str | None = Field(None, description="email: user name; None: no login.")
    smtp_password: SecretStr | None = Field(None, description="email: password.")
    sender: str | None = Field(None, description="email: address of the sender.")
    recipients: tuple[str, ...] = Field((), description="email: addresses.")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Notifier":
        needed = {"log": (), "slack": ("url",), "apprise": ("url",), "email": ("smtp_host", "sender", "recipients")}
        missing = [name for name in needed[self.kind] if not getattr(self, name)]
        if missing:
            raise ValueError(f"kind {self.kind!r} needs {', '.join(missing)}")
        if self.kind == "email" and bool(self.smtp_user) != bool(self.smtp_password):
            raise ValueError("smtp_user and smtp_password go together")
        return self

    def notify(self, subject: str, body: str = "", level: Level = "info", *, timeout_s: float = 5.0) -> None:
        """Send a notice now; one below ``least_level`` is not sent.

        Args:
            subject: one line.
            body: details.
            level: how urgent it is.
            timeout_s: seconds without an answer after which a connection is given up (Apprise has its own: 4).

        Raises:
            NotSent: it could not be delivered.
        """
        notice = Notice(subject, body, level)
        if self.kind == "log" or not notice.reaches(self.least_level):
            return
        url = self.url.get_secret_value() if self.url else ""
        if self.kind == "slack":
            send_slack(url, notice, timeout_s)
        elif self.kind == "apprise":
            send_apprise(url, notice)
        else:
            password = self.smtp_password.get_secret_value() if self.smtp_password else ""
            send_mail(
                notice,
                host=str(self.smtp_host),
                port=self.smtp_port,
                security=self.smtp_security,
                login=(self.smtp_user, password) if self.smtp_user else None,
                sender=str(self.sender),
                recipients=self.recipients,
                timeout_s=timeout_s,
            )

    @staticmethod
    def document_name(project: str) -> str:
        """Return the name under which a project's notifier is saved."""
        return f"{slug(project)}-notifier"

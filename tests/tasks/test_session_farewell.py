"""The last words of a session: an API that is only busy gets them, one that is away is not waited for."""

from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient

from opticstream.tasks import session_farewell
from opticstream.tasks.session_farewell import farewell

ARTIFACTS = [{"type": "markdown", "key": "k", "data": "d", "description": "e"}]


@pytest.fixture
def client() -> Any:
    """Return a client of an API whose health a test makes up."""
    made = Mock(spec=SyncPrefectClient)
    made._client = Mock()
    return made


def test_an_api_that_answers_at_the_second_call_is_told(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(session_farewell, "publish", lambda artifacts: told.extend(artifacts) or [])
    answers = iter([httpx.ReadTimeout("busy"), None])
    client.api_healthcheck.side_effect = lambda: next(answers)
    send = client._client.send
    assert farewell(client, ARTIFACTS) == []
    assert told == ARTIFACTS and client._client.send is send, "the run's final state is sent, too"


def test_an_api_that_is_away_is_asked_no_more(client: Any) -> None:
    client.api_healthcheck.return_value = httpx.ConnectError("away")
    assert farewell(client, ARTIFACTS) == ARTIFACTS
    with pytest.raises(httpx.ConnectError, match="away when the session ended"):
        client._client.send("the final state")

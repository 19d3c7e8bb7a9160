"""Observes a stacked control plane while its hosts reboot: each member by itself, and the API server by its one
address."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import urllib3

from fleet.lab.control_plane.api import Api
from fleet.lab.control_plane.certificates import Certificates
from tests.background import repeated
from tests.cluster.rest import Cluster
from tests.etcd.raft_timeline import Moment

PAUSE = 0.1
SECONDS = 2.0
"""For a member to answer. One that only takes longer is not away: the computer is busy."""
READ = {"key": "AA=="}
"""With a quorum: who answers it votes."""


class Voters:
    """Reads from each member, again and again, and notes who has gone and who is back."""

    def __init__(self, endpoints: Mapping[str, str], issued: Certificates) -> None:
        self._endpoints = endpoints
        self._issued = issued
        self._up = dict.fromkeys(endpoints, True)
        self.timeline: list[Moment] = []

    @property
    def order(self) -> list[str]:
        """Who has gone."""
        return [each.member for each in self.timeline if each.what == "down"]

    @contextmanager
    def watched(self) -> Iterator[None]:
        with ExitStack() as watched:
            for each in self._endpoints.items():
                watched.enter_context(repeated(partial(self._look, *each), PAUSE))
            yield

    def _look(self, name: str, endpoint: str) -> None:
        answers = self._answers(endpoint)
        if answers is not None and answers != self._up[name]:
            self._up[name] = answers
            self.timeline.append(Moment("back" if answers else "down", name))

    def _answers(self, endpoint: str) -> bool | None:
        """None: unknown."""
        api = Api(endpoint, self._issued.etcd_authority, self._issued.etcd_client, SECONDS)
        try:
            return True if api.call("POST", "/v3/kv/range", READ).status == 200 else None
        except TimeoutError:
            return None
        except (OSError, http.client.HTTPException):
            return False
        finally:
            api.close()


class Reader:
    """Asks the API server for what it has to read from etcd, and records the longest time without an answer."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = Cluster(kubeconfig)
        self._times: list[float] = []
        self.errors: list[str] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """The ends count as well: from its beginning to its end."""
        self._times.append(time.monotonic())
        with repeated(self._read, PAUSE):
            yield
        self._times.append(time.monotonic())

    @property
    def answers(self) -> int:
        return len(self._times) - 2

    @property
    def gap(self) -> float:
        return max(after - before for before, after in zip(self._times, self._times[1:], strict=False))

    def _read(self) -> None:
        try:
            status, answer = self._api.call("GET", "/api/v1/namespaces/default")
        except urllib3.exceptions.HTTPError as error:
            self.errors.append(str(error))
            return
        if status == 200:
            self._times.append(time.monotonic())
        else:
            self.errors.append(f"{status} {answer.get('message')}")

"""Users are identified by a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.app.access.allowed import allowed
from fleet.app.access.caller import caller_of
from fleet.app.wiring.home import Home
from fleet.core.policy.access import Role
from fleet.core.records.errors import AuthenticationError, NotAllowedError
from fleet.store import ClusterRow
from tests.cluster.installed import installed
from tests.cluster.rest import Cluster
from tests.cluster.tokens import kubeconfig_with, token

ACCOUNT = "system:serviceaccount:fleet-system:fleet-agent"
POLICY = f"""\
pools: [{{name: workers}}]
access:
  identity: kubernetes
  cluster: east
  operator: {{users: ["{ACCOUNT}"]}}
  approver: {{groups: ["system:serviceaccounts"]}}
  admin: {{groups: ["system:masters"]}}
"""


def a_home(path: Path, kubeconfig: Path) -> Home:
    path.mkdir()
    (path / "fleet.yaml").write_text(POLICY)
    home = Home(path)
    home.make().clusters.add(ClusterRow(name="east", sites=("fra",), kubeconfig=str(kubeconfig)))
    return home


def test_a_user_is_who_the_api_server_says(kubeconfig: Path, cluster: Cluster, tmp_path: Path) -> None:
    admin = a_home(tmp_path / "admin", kubeconfig)
    found = caller_of(admin, admin.access())
    assert (found.identity.method, found.identity.source) == ("kubernetes", "east")
    assert found.identity.name and "system:authenticated" in found.groups
    with installed(kubeconfig):
        own = kubeconfig_with(kubeconfig, token(cluster, None), tmp_path / "account.kubeconfig")
        home = a_home(tmp_path / "account", own)
        caller = allowed(home, Role.OPERATOR, "start rollouts")
        assert caller.identity.name == ACCOUNT
        assert caller.actor.startswith(f"{ACCOUNT} (kubernetes, east) as ")
        assert allowed(home, Role.APPROVER, "approve plans").identity == caller.identity
        with pytest.raises(NotAllowedError):
            allowed(home, Role.ADMIN, "add clusters")
    home.store.close()
    admin.store.close()


def test_credentials_that_the_api_server_refuses_identify_nobody(kubeconfig: Path, tmp_path: Path) -> None:
    forged = kubeconfig_with(kubeconfig, "forged", tmp_path / "forged.kubeconfig")
    home = a_home(tmp_path / "home", forged)
    with pytest.raises(AuthenticationError):
        caller_of(home, home.access())
    home.store.close()

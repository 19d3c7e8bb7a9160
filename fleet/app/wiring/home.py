"""The folder that a command works on, with the policy, the database, simulated clusters and the controller's log."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.app.wiring.actor import user_name
from fleet.app.wiring.sources.simulated_clock import saved_clock
from fleet.core.records.errors import UnwritableError, UsageError
from fleet.core.text.paths import expanded

if TYPE_CHECKING:
    from fleet.config import Caution
    from fleet.config.policy import PolicyFile
    from fleet.core.policy.access import Access
    from fleet.core.policy.policy import Policy
    from fleet.core.records.identity import Identity
    from fleet.store import ClusterRow, Store
    from fleet.system.clock import Clock

POLICY = "fleet.yaml"
MISNAMED = "fleet.yml"
"""A name that many programs treat as equivalent. fleet reads only fleet.yaml, so that there is one policy."""
DATABASE = "fleet.db"
BEGIN = (
    "fleet cluster import makes one from your kubeconfig; --home FOLDER chooses another; or try fleet demo"
)

ShowMessage = Callable[[str], None]
"""A callback for messages that a user should see with any result of the command."""


class Home:
    def __init__(
        self,
        path: Path,
        database: str = "",
        show: ShowMessage = lambda message: None,
        clock: Clock | None = None,
        own: bool = False,
        user: Identity | None = None,
    ) -> None:
        """Makes the home in a folder. `database` is the URL of a PostgreSQL, or a path; empty: `fleet.db` in the
        folder.

        `show` receives, each once, the warnings of the policy, and the message that a database was made. `clock` is the
        clock of a simulation in this process; None: the saved one of a simulated home, or else the wall clock. `own`:
        this is the user's own home, which begins by itself. `user`: for whom commands are carried out, as an API server
        has identified them; None: for the user of this process.
        """
        self.path = path
        self.database = database or str(path / DATABASE)
        self._show = show
        self._clock = clock
        self._own = own
        self.user = user
        self._shown: set[str] = set()

    @classmethod
    def find(
        cls,
        path: Path | None,
        database: str,
        environ: Mapping[str, str],
        here: Path,
        show: ShowMessage = lambda message: None,
    ) -> Home:
        """Finds the home: the folder that the call names; else FLEET_HOME; else `here` if a fleet is in that folder;
        else the user's own home.

        `show` receives a message where the policy has another name than fleet.yaml. Raises UsageError for a path that
        is a file, and for a fleet of another user in `here` that was not named explicitly.
        """
        database = database or environ.get("FLEET_DATABASE", "")
        if path is None and (named := environ.get("FLEET_HOME", "")):
            path = Path(named)
        looked = path or here
        if path is None and any(os.path.lexists(here / name) for name in (POLICY, DATABASE)):
            _refuse_other_owner(here)
            path = here
        own = path is None
        if path is None:
            data = environ.get("XDG_DATA_HOME", "")
            path = (Path(data) if data else Path.home() / ".local" / "share") / "fleet"
        path = expanded(path).absolute()
        for folder in dict.fromkeys((expanded(looked).absolute(), path)):
            if os.path.lexists(folder / MISNAMED) and not os.path.lexists(folder / POLICY):
                show(
                    f"warning: {folder / MISNAMED} is not read: a policy has the name {POLICY}, so rename the file"
                )
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is not a folder", "--home takes the folder that contains fleet.yaml")
        return cls(path, database, show, own=own)

    @property
    def policy_file(self) -> Path:
        return self.path / POLICY

    @property
    def has_policy(self) -> bool:
        """Returns whether there is a policy. A link that points nowhere counts as a policy, and is a mistake."""
        return os.path.lexists(self.policy_file)

    @property
    def simulated(self) -> Path:
        """Returns the folder of simulated clusters and their clock."""
        return self.path / "simulated"

    @property
    def hosts(self) -> Path:
        """Returns the folder with records of hosts without a cluster, a subfolder for each cluster."""
        return self.path / "hosts"

    @property
    def played(self) -> Path:
        """Returns the folder with the artifacts of playbook runs, a subfolder for each cluster and node."""
        return self.path / "played"

    @property
    def log(self) -> Path:
        return self.path / "controller.log"

    @property
    def exists(self) -> bool:
        """Returns whether there is a database. One on a server is assumed to exist; if not, the connection reports the
        error."""
        if "://" not in self.database:
            return Path(self.database).exists()
        from fleet.store.db.address import DatabaseAddress

        address = DatabaseAddress.parse(self.database)
        return address.kind != "sqlite" or address.path.exists()

    @property
    def begun(self) -> bool:
        """Returns whether there is a database, or one can be made: beside the policy, or in the user's own home."""
        return self.exists or self.has_policy or self._own

    @property
    def store(self) -> Store:
        """Opens the database. Where the folder has a policy and no database yet, the database is made and the user
        gets a message: a policy is often kept in Git, and a database never. The user's own home begins in the same way.

        Raises UsageError where another folder has neither: it is probably a wrong one rather than a fleet without
        clusters. Raises ConfigError where the database would be made beside a policy with mistakes, which may be
        another program's: Rancher's Fleet has a fleet.yaml too. Raises StoreError where the database refuses.
        """
        if not self.begun:
            database = DATABASE if self.database == str(self.path / DATABASE) else self.database
            raise UsageError(f"there is no fleet in {self.path}: neither {POLICY} nor {database}", BEGIN)
        if not self.exists and self.has_policy:
            self.read_policy()
        return self._opened if self.exists else self.make()

    @property
    def store_if_any(self) -> Store | None:
        """Returns the database if there is one, for callers that can do without. No database is made."""
        return self.store if self.exists else None

    def make(self) -> Store:
        """Returns the database, which is made if it does not exist."""
        self.path.mkdir(parents=True, exist_ok=True)
        return self._opened

    @cached_property
    def _opened(self) -> Store:
        from fleet.store import Store

        there = self.exists
        store = Store.open(self.database)
        if not there:
            self._show_once(f"Created the database {store.shown}: there was none.")
        return store

    def close(self) -> None:
        """Closes the database, if it was opened."""
        if "_opened" in self.__dict__:
            self._opened.close()

    def _show_once(self, message: str) -> None:
        if message not in self._shown:
            self._shown.add(message)
            self._show(message)

    @contextmanager
    def best_effort_write(self) -> Iterator[None]:
        """Runs a block that stores what a read-only command has read. Where the database cannot be written, the user
        gets a warning and the command goes on."""
        try:
            yield
        except UnwritableError as error:
            self.warn(f"what was read is not stored: {error.full_message}")

    def warn(self, message: str) -> None:
        """Shows a warning, once."""
        self._show_once(f"warning: {message}")

    def clusters(self, names: Sequence[str] = ()) -> list[ClusterRow]:
        """Returns the named clusters, or all. Raises UsageError for a name that the fleet does not have."""
        return [self.store.clusters.get(name) for name in names] if names else self.store.clusters.list()

    def cluster(self, name: str = "") -> ClusterRow:
        """Returns the named cluster; without a name the only one. Raises UsageError where there is no such cluster,
        or more than one."""
        rows = self.clusters([name] if name else [])
        if not rows:
            raise UsageError(
                "there is no cluster yet",
                "fleet cluster import adds those of your kubeconfig, fleet cluster add a single one",
            )
        if len(rows) > 1:
            raise UsageError(
                f"which cluster? There are {', '.join(row.name for row in rows)}", "name one of them"
            )
        return rows[0]

    def read_policy(self) -> tuple[Policy, tuple[Caution, ...]]:
        """Returns the policy with its cautions, for callers that show them. Raises UsageError where there is none,
        ConfigError with all its mistakes."""
        from fleet.config import load

        if not self.has_policy:
            raise UsageError(f"there is no policy: {self.policy_file} does not exist", self.write_policy)
        if not self.policy_file.exists():
            to = self.policy_file.readlink()
            raise UsageError(f"{self.policy_file} is a link to {to}, which does not exist", "fix the link")
        return load(self.policy_file)

    def policy(self) -> Policy:
        """Returns the policy and shows its warnings. Raises as `read_policy` does."""
        policy, cautions = self.read_policy()
        for caution in cautions:
            self._show_once(f"warning: {caution}")
        return policy

    def access(self) -> Access:
        """Returns who may do what; without a policy file every user may do everything. Raises as `read_policy` does for
        a policy with mistakes."""
        return self.whole_policy().access

    def whole_policy(self) -> PolicyFile:
        """Returns the whole policy file, with what is not part of the policy of a plan; without a file an empty one.
        Raises as `read_policy` does for a policy with mistakes."""
        from fleet.config.policy import PolicyFile, load_file

        return load_file(self.policy_file)[0] if self.has_policy else PolicyFile()

    def policy_if_any(self) -> Policy:
        """Returns the policy, or one without pools where there is no file. Raises ConfigError."""
        from fleet.core.policy.policy import Policy

        return self.policy() if self.has_policy else Policy()

    @property
    def write_policy(self) -> str:
        """Returns the remedy for a home without a policy. A policy in the current folder would begin another home
        there, without this home's clusters."""
        command = self.command("init") if self.path.exists() else "fleet init"
        return f"{command} writes a commented policy"

    def command(self, arguments: str) -> str:
        """Returns a command of fleet as a user types it in the current folder to reach this home."""
        home = "" if self.path == Path.cwd() else f" --home {shlex.quote(str(self.path))}"
        return f"fleet{home} {arguments}"

    @cached_property
    def clock(self) -> Clock:
        """Returns the wall clock; in a simulated home the simulated clock, which stands still until a controller runs
        it."""
        from fleet.system.clock import WallClock

        return self._clock or saved_clock(self.simulated) or WallClock()

    def now(self) -> datetime:
        """Returns the time in aware UTC, also while another process runs the simulated clock."""
        return (self._clock or saved_clock(self.simulated) or self.clock).now()


def _refuse_other_owner(folder: Path) -> None:
    """Raises UsageError for a fleet of another user. A policy and a database can have fleet run programs (hooks,
    playbooks, plugins of kubeconfigs), and another user may have put them into a folder such as /tmp for anyone who
    runs fleet there."""
    there = (
        own_path for own_path in (folder, folder / POLICY, folder / DATABASE) if os.path.lexists(own_path)
    )
    others = {own_path.lstat().st_uid for own_path in there} - {0, os.geteuid()}
    if others:
        raise UsageError(
            f"the fleet in {folder} belongs to {', '.join(map(user_name, sorted(others)))}, and what is in it is run",
            f"if you trust them: --home {shlex.quote(str(folder))}, or FLEET_HOME",
        )

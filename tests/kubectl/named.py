"""Kubeconfigs that are each about one field or rule; the rows of kind N are among them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kubectl.cases import Case, World
from tests.kubectl.of_clusters import clusters
from tests.kubectl.of_files import files, merged
from tests.kubectl.of_plugins import plugins, providers
from tests.kubectl.of_proxies import proxies
from tests.kubectl.of_users import impersonation, odd_users, users


def named(world: World) -> Iterator[Case]:
    yield from clusters(world)
    yield from users(world)
    yield from odd_users(world)
    yield from impersonation(world)
    yield from plugins(world)
    yield from providers(world)
    yield from proxies(world)
    yield from merged(world)
    yield from files(world)

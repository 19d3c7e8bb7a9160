"""Kubeconfigs that are each about one field or rule; the rows of kind N are among them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kubectl.cases import Case, World
from tests.kubectl.cluster_cases import clusters
from tests.kubectl.file_cases import files, merged
from tests.kubectl.plugin_cases import plugins, providers
from tests.kubectl.proxy_cases import proxies
from tests.kubectl.user_cases import impersonation, odd_users, users


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

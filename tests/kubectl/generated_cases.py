"""Kubeconfigs that mix fields, drawn by a seed."""

from __future__ import annotations

import json
import random

from tests.kubectl.cases import (
    FILE,
    PLUGIN,
    PROXY,
    SCRIPT,
    TOKEN,
    V1,
    V1BETA1,
    WORD,
    Case,
    Json,
    World,
    config,
    credential,
    plugin,
)


def generated(world: World, seed: int) -> Case:
    """Mostly good ones, with one, two or no mistake in them."""
    random_ = random.Random(seed)
    files: Json = {
        "ca.crt": world.authority,
        "t": f"{FILE}{random_.choice(['', chr(10)])}",
        "a.crt": world.certificate,
        "a.key": world.key,
        "plugin": "#!/bin/sh\n" + SCRIPT,
        "said": credential(token=PLUGIN),
    }
    cluster = _drawn_cluster(world, random_)
    user = _drawn_user(world, random_)
    whole = config(cluster, user)
    if random_.random() < 0.3:
        environ = {"https_proxy": random_.choice(list(world.recorder.proxies.values())[:1])}
    else:
        environ = {}
    if random_.random() < 0.5:
        return Case(
            name=f"seed {seed}",
            files={**files, "config": random_.choice([whole, json.dumps(whole)])},
            environ=environ,
        )
    decoy = config(world.cluster(server=f"{world.server}/decoy"), {"token": "decoy"})
    parts = [whole, decoy | {"current-context": "west"}, {"users": decoy["users"], "contexts": []}]
    names = [f"{number}" for number in range(len(parts))]
    random_.shuffle(names)
    reported = {**files, **dict(zip(names, parts, strict=True))}
    return Case(
        name=f"seed {seed}",
        files=reported,
        kubeconfig=tuple(random_.sample(names, len(names))),
        context=random_.choice(["", "", "east", "west"]),
        environ=environ,
    )


def _drawn_cluster(world: World, random_: random.Random) -> Json:
    no_data: Json = {"certificate_authority_data": None}
    choices: list[tuple[float, list[Json]]] = [
        (
            0.4,
            [
                {"server": f"{world.server}/k8s"},
                {"server": f"https://localhost:{world.recorder.https}"},
                {"server": world.plain},
                {"server": world.far},
            ],
        ),
        (
            0.4,
            [
                {"certificate_authority": "ca.crt", **no_data},
                {"insecure_skip_tls_verify": True, **no_data},
                {"certificate_authority": "ca.crt"},
                no_data,
            ],
        ),
        (
            0.4,
            [
                {"tls_server_name": name}
                for name in ("kubernetes", "localhost", "kubernetes.default", "example.com")
            ],
        ),
        (
            0.5,
            [
                {"proxy_url": f"{who}"}
                for scheme, at in world.recorder.proxies.items()
                for who in (f"{scheme}://{at}", f"{scheme}://ada:{PROXY}@{at}")
            ],
        ),
        (0.3, [{"disable_compression": True}]),
    ]
    drawn: Json = {}
    for chance, fields in choices:
        if random_.random() < chance:
            drawn |= random_.choice(fields)
    return world.cluster(**drawn)


def _drawn_user(world: World, random_: random.Random) -> Json:
    ways: list[Json] = [
        {"token": TOKEN},
        {"tokenFile": "t"},
        {"username": "ada", "password": WORD},
        world.pair,
        {"client-certificate": "a.crt", "client-key": "a.key"},
        plugin(provideClusterInfo=random_.choice([True, False])),
        plugin(
            apiVersion=random_.choice([V1, V1BETA1]),
            interactiveMode=random_.choice(["Never", "IfAvailable", None]),
        ),
    ]
    user: Json = {}
    for way in random_.sample(ways, random_.choice([1, 1, 1, 2, 2, 0])):
        user |= way
    if random_.random() < 0.5:
        user |= random_.choice(
            [
                {"as": "jane"},
                {"as": "jane", "as-groups": ["dev", "ops"]},
                {"as": "jane", "as-uid": "7", "as-user-extra": {"a/b": ["c", "d"]}},
                {"as-groups": ["dev"]},
            ]
        )
    return user

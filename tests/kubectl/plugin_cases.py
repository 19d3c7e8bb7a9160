"""Kubeconfigs about credential plugins and auth-providers, one field or rule each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

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
    jwt,
    plugin,
)


def plugins(world: World) -> Iterator[Case]:
    good = credential(token=PLUGIN)
    cluster = world.cluster(
        extensions=[{"name": V1.rpartition("/")[0] + "/exec", "extension": {"audience": "x", "n": None}}]
    )
    pair = {"clientCertificateData": world.certificate.decode(), "clientKeyData": world.key.decode()}

    def case(name: str, user: Json, message: str = good, files: Json | None = None, **more: Any) -> Case:
        own = {"plugin": "#!/bin/sh\n" + SCRIPT, "said": message}
        reported = {"config": config(more.pop("cluster", cluster), user), **own, **(files or {})}
        return Case(name=f"plugin: {name}", files=reported, **more)

    yield case("beside the kubeconfig", plugin())
    yield case(
        "in a folder",
        plugin(command="bin/plugin"),
        files={"bin/plugin": "#!/bin/sh\n" + SCRIPT, "bin/said": good},
    )
    yield case("in PATH", plugin(command="plugin"), environ={"PATH": "HERE:/usr/bin:/bin"})
    yield case("not in PATH", plugin(command="plugin"))
    yield case(
        "in the PATH of its own variables",
        plugin(command="plugin", env=[{"name": "PATH", "value": "HERE:/usr/bin:/bin"}]),
    )
    yield case(
        "arguments and variables",
        plugin(args=["a b", "$X"], env=[{"name": "TOLD", "value": "one"}, {"name": "TOLD", "value": "two"}]),
    )
    yield case("arguments that are null", plugin(args=None, env=None, provideClusterInfo=None))
    yield case("told about the cluster", plugin(provideClusterInfo=True))
    yield case(
        "told about a cluster in files",
        plugin(provideClusterInfo=True),
        cluster=world.cluster(
            certificate_authority="ca.crt",
            certificate_authority_data=None,
            tls_server_name="kubernetes",
            disable_compression=True,
        ),
        files={"ca.crt": world.authority},
    )
    yield case(
        "told about a proxy",
        plugin(provideClusterInfo=True),
        cluster=world.cluster(proxy_url=f"http://ada:{PROXY}@{world.recorder.proxies['http']}"),
    )
    yield case("its information cannot be set", plugin(env=[{"name": "KUBERNETES_EXEC_INFO", "value": "{}"}]))
    yield case("v1beta1", plugin(apiVersion=V1BETA1, interactiveMode=None), credential(V1BETA1, token=PLUGIN))
    yield case("v1alpha1", plugin(apiVersion="client.authentication.k8s.io/v1alpha1"))
    yield case("no version", plugin(apiVersion=None))
    yield case("no command", plugin(command=None))
    yield case("no mode", plugin(interactiveMode=None))
    yield case("a mode that nobody knows", plugin(interactiveMode="Sometimes"))
    yield case("always interactive", plugin(interactiveMode="Always"))
    yield case("interactive if possible", plugin(interactiveMode="IfAvailable"))
    yield case("a variable without a name", plugin(env=[{"value": "x"}]))
    yield case("another version answered", plugin(), credential(V1BETA1, token=PLUGIN))
    yield case("no kind answered", plugin(), credential(kind=None, token=PLUGIN))
    yield case("no version answered", plugin(), credential(None, token=PLUGIN))
    yield case("another kind answered", plugin(), credential(kind="Secret", token=PLUGIN))
    yield case(
        "YAML answered",
        plugin(),
        f"apiVersion: {V1}\nkind: ExecCredential\nstatus: {{token: {PLUGIN}, x: 1}}\n",
    )
    yield case("nonsense answered", plugin(), f"{PLUGIN} [")
    yield case("nothing answered", plugin(), "")
    yield case("no status answered", plugin(), json.dumps({"apiVersion": V1, "kind": "ExecCredential"}))
    yield case("no token answered", plugin(), credential(token=""))
    yield case("a token with a line end answered", plugin(), credential(token=f"{PLUGIN}\n"))
    yield case("a certificate answered", plugin(), credential(**pair))
    yield case("a certificate and a token answered", plugin(), credential(token=PLUGIN, **pair))
    yield case(
        "a certificate without its key answered",
        plugin(),
        credential(token=PLUGIN, clientCertificateData=pair["clientCertificateData"]),
    )
    yield case(
        "an expiry answered", plugin(), credential(token=PLUGIN, expirationTimestamp="2100-01-01T00:00:00Z")
    )
    yield case(
        "an expiry in the past answered",
        plugin(),
        credential(token=PLUGIN, expirationTimestamp="2000-01-01T00:00:00+02:00"),
    )
    yield case(
        "an expiry that is none answered", plugin(), credential(token=PLUGIN, expirationTimestamp="tomorrow")
    )
    yield case("it fails", plugin(args=["fail"]))
    yield case("a token is there", plugin() | {"token": TOKEN})
    yield case("a token file is there", plugin() | {"tokenFile": "t"}, files={"t": FILE})
    yield case("a username is there", plugin() | {"username": "ada", "password": WORD})
    yield case("a certificate is there", plugin() | world.pair)
    yield case("impersonation", plugin() | {"as": "jane"})
    yield case(
        "plain HTTP", plugin(), cluster=world.cluster(server=world.plain, certificate_authority_data=None)
    )


def providers(world: World) -> Iterator[Case]:
    def case(name: str, provider: Json, stricter: str = "", **user: Any) -> Case:
        reported = {"config": config(world.cluster(), {"auth-provider": provider, **user})}
        return Case(name=f"auth-provider: {name}", files=reported, stricter=stricter)

    issuer = {"idp-issuer-url": "https://127.0.0.1:1", "client-id": "kubernetes"}
    yield case("gcp", {"name": "gcp", "config": {}})
    yield case("gcp beside a token", {"name": "gcp"}, token=TOKEN)
    yield case("azure", {"name": "azure", "config": {"apiserver-id": "x"}})
    yield case("openstack", {"name": "openstack"})
    yield case("nobody's beside a token", {"name": "acme"}, token=TOKEN)
    yield case("oidc", {"name": "oidc", "config": issuer | {"id-token": jwt(timedelta(hours=1))}})
    yield case("oidc beside a token", {"name": "oidc", "config": issuer}, token=TOKEN)
    yield case(
        "oidc that has expired",
        {"name": "oidc", "config": issuer | {"id-token": jwt(-timedelta(hours=1)), "refresh-token": "x"}},
    )
    yield case("oidc without a token", {"name": "oidc", "config": issuer})
    yield case("oidc without an issuer", {"name": "oidc", "config": {"id-token": jwt(timedelta(hours=1))}})
    yield case("oidc whose token is none", {"name": "oidc", "config": issuer | {"id-token": "a.b.c"}})
    valid = {"name": "oidc", "config": issuer | {"id-token": jwt(timedelta(hours=1))}}
    yield case("oidc and a certificate", valid, **world.pair)
    yield case("oidc and a username", valid, username="ada", password=WORD)
    yield case("no name", {"config": {}})
    yield case("a number in its configuration", {"name": "oidc", "config": {"client-id": 7}})
    yield case("beside a plugin", {"name": "oidc", "config": issuer}, **plugin())

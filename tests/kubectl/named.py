"""Kubeconfigs that are each about one field or rule; the rows of kind N are among them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import yaml

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
    encoded,
    jwt,
    plugin,
)


def named(world: World) -> Iterator[Case]:
    """Each row of kind N among them."""
    yield from _clusters(world)
    yield from _users(world)
    yield from _odd_users(world)
    yield from _impersonation(world)
    yield from _plugins(world)
    yield from _providers(world)
    yield from _proxies(world)
    yield from _merged(world)
    yield from _files(world)


def _clusters(world: World) -> Iterator[Case]:
    token = {"token": TOKEN}

    def case(name: str, stricter: str = "", files: Json | None = None, **fields: Any) -> Case:
        told = {"config": config(world.cluster(**fields), token), **(files or {})}
        return Case(name=f"cluster: {name}", files=told, stricter=stricter)

    wrapped = "\n".join(textwrap.wrap(encoded(world.authority), 64)) + "\n"
    no_data: Json = {"certificate_authority_data": None}
    yield case("a token over TLS")
    yield case("base64 with line ends", certificate_authority_data=wrapped)
    yield case("base64 with carriage returns", certificate_authority_data=wrapped.replace("\n", "\r\n"))
    yield case("base64 with spaces", certificate_authority_data=wrapped.replace("\n", " "))
    yield case("no base64", certificate_authority_data="s3cret-t0ken!")
    yield case(
        "base64 without padding",
        certificate_authority_data=encoded(world.authority + b" " * 3).rstrip("=") + "A",
    )
    yield case(
        "an authority beside the file",
        certificate_authority="ca.crt",
        files={"ca.crt": world.authority},
        **no_data,
    )
    yield case("an authority that is not there", certificate_authority="ca.crt", **no_data)
    yield case("an authority twice", certificate_authority="ca.crt", files={"ca.crt": world.authority})
    yield case(
        "an empty authority beside a file",
        certificate_authority="ca.crt",
        certificate_authority_data="",
        files={"ca.crt": world.authority},
    )
    yield case("an empty authority", certificate_authority_data="")
    yield case(
        "an authority with comments",
        certificate_authority_data=encoded("# größer\n".encode() + world.authority + b"\n# end\n"),
    )
    yield case("an authority that is no certificate", certificate_authority_data=encoded(b"nonsense"))
    yield case("another authority", certificate_authority_data=encoded(world.other))
    yield case("two authorities", certificate_authority_data=encoded(world.other + world.authority))
    yield case(
        "the server's own certificate",
        certificate_authority_data=encoded(world.issued.api_server.certificate.read_bytes()),
    )
    yield case("not verified", insecure_skip_tls_verify=True, **no_data)
    yield case("not verified with an authority", insecure_skip_tls_verify=True)
    yield case("false that is a text", insecure_skip_tls_verify="false", **no_data)
    yield case("another name", tls_server_name="kubernetes.default.svc")
    yield case("a name that it has not", tls_server_name="example.com")
    yield case(
        "not verified, another name", insecure_skip_tls_verify=True, tls_server_name="example.com", **no_data
    )
    yield case("an address as the name", tls_server_name="10.96.0.1")
    yield case("a name as the address", server=f"https://localhost:{world.recorder.https}")
    yield case("a path", server=f"{world.server}/k8s/clusters/c-1")
    yield case("a path with a slash at its end", server=f"{world.server}/k8s/")
    yield case("a query", server=f"{world.server}/k8s?a=b#c")
    yield case("letters of two sizes", server=world.server.replace("https", "HTTPS"))
    yield case("a user in the address", server=world.server.replace("https://", f"https://ada:{WORD}%21@"))
    yield case("no compression", disable_compression=True)
    yield case("plain HTTP", server=world.plain, **no_data)
    yield case(
        "plain HTTP, a user in the address", server=world.plain.replace("http://", f"http://ada:{WORD}@")
    )
    yield case(
        "no scheme",
        server=f"127.0.0.1:{world.recorder.http}",
        stricter="a server without https:// is refused",
        **no_data,
    )
    yield case("another scheme", server=f"ftp://127.0.0.1:{world.recorder.http}")
    yield case("no server", server=None)
    yield case("a number for a name", tls_server_name=7)
    yield case("a field that nobody knows", certificate_autority="x")
    block = "".join(f"  {line}\n" for line in wrapped.splitlines())
    text = yaml.safe_dump(config(world.cluster(certificate_authority_data="BLOCK"), token))
    for style in ("|", ">", "|-"):
        told = text.replace("BLOCK", f"{style}\n{block.replace('  ', ' ' * 8)}")
        yield Case(name=f"cluster: base64 in a block {style}", files={"config": told})
    yield Case(
        name="cluster: yes",
        files={"config": text.replace("certificate-authority-data: BLOCK", "insecure-skip-tls-verify: yes")},
    )
    extension = {"name": "x", "extension": {"a": 1}}
    yield case("extensions", extensions=[extension, {"name": "y"}, {"extension": None}])
    yield case("an extension twice", extensions=[extension, extension])
    yield case("a dot at the end of its name", server=f"https://localhost.:{world.recorder.https}")
    yield case("a path with two slashes", server=f"{world.server}/a//b")
    yield case("a path with escapes", server=f"{world.server}/a%2Fb%20c")
    yield case("a space behind it", server=f"{world.server} ")
    yield case("a port that is none", server="https://127.0.0.1:https")
    yield case("a number as the authority's file", certificate_authority=7)
    yield case("a folder as the authority", certificate_authority=".", **no_data)
    yield case("plain HTTP, not verified", server=world.plain, insecure_skip_tls_verify=True)
    yield case(
        "plain HTTP, an authority that is not there", server=world.plain, certificate_authority="x", **no_data
    )


def _users(world: World) -> Iterator[Case]:
    def case(name: str, user: Json, files: Json | None = None, cluster: Json | None = None) -> Case:
        told = {"config": config(cluster or world.cluster(), user), **(files or {})}
        return Case(name=f"user: {name}", files=told)

    pem = {"a.crt": world.certificate, "a.key": world.key}
    files = {"client-certificate": "a.crt", "client-key": "a.key"}
    other = world.issued.scheduler
    plain = world.cluster(server=world.plain, certificate_authority_data=None)
    yield case("none", {})
    yield case("none over plain HTTP", {}, cluster=plain)
    yield case("a token file with a line end", {"tokenFile": "t"}, {"t": f"{FILE}\n"})
    yield case("a token file in a folder", {"tokenFile": "sub/t"}, {"sub/t": f" {FILE} \n\n"})
    yield case("a token and a file", {"token": TOKEN, "tokenFile": "t"}, {"t": FILE})
    yield case("a token and a file that is not there", {"token": TOKEN, "tokenFile": "t"})
    yield case("a token and an empty file", {"token": TOKEN, "tokenFile": "t"}, {"t": "\n"})
    yield case("a token file that is not there", {"tokenFile": "t"})
    yield case("an empty token file", {"tokenFile": "t"}, {"t": ""})
    yield case("a token with a line end", {"token": f"{TOKEN}\n"})
    yield case("a token that is a number", {"token": 12345})
    yield case("an empty token", {"token": ""})
    yield case("no token", {"token": None, **world.pair})
    yield case("a username and a password", {"username": "ada", "password": WORD})
    yield case("letters of other languages", {"username": "Äda", "password": f"{WORD}ß:x"})
    yield case("a username", {"username": "ada"})
    yield case("a password", {"password": WORD})
    yield case("a token and a username", {"token": TOKEN, "username": "ada"})
    yield case("a token and a password", {"token": TOKEN, "password": WORD})
    yield case("a token file and a username", {"tokenFile": "t", "username": "ada"}, {"t": FILE})
    yield case("a token file and a password", {"tokenFile": "t", "password": WORD}, {"t": FILE})
    yield case("a token and a username over plain HTTP", {"token": TOKEN, "username": "ada"}, cluster=plain)
    yield case("a certificate", world.pair)
    yield case("a certificate in files", files, pem)
    yield case("a certificate and a token", {**world.pair, "token": TOKEN})
    yield case("a certificate and a username", {**files, "username": "ada"}, pem)
    yield case(
        "a certificate and the key's file",
        {**files, "client-certificate": None, "client-certificate-data": encoded(world.certificate)},
        pem,
    )
    yield case("a certificate without its key", {"client-certificate": "a.crt"}, pem)
    yield case("a key without its certificate", {"client-key": "a.key"}, pem)
    yield case("a key beside a token", {"client-key": "nowhere.key", "token": TOKEN}, pem)
    yield case("a certificate twice", {**world.pair, **files}, pem)
    yield case("a key twice", {**world.pair, "client-key": "a.key"}, pem)
    yield case("another key", {**world.pair, "client-key-data": encoded(other.key.read_bytes())})
    yield case("a certificate that is none", {**world.pair, "client-certificate-data": encoded(b"no")})
    yield case("a certificate that is not there", files, {"a.key": world.key})


def _odd_users(world: World) -> Iterator[Case]:
    def case(name: str, user: Any, files: Json | None = None, stricter: str = "") -> Case:
        told = {"config": config(world.cluster(), user), **(files or {})}
        return Case(name=f"user: {name}", files=told, stricter=stricter)

    both = {"client-certificate": "both", "client-key": "both"}
    chain = encoded(world.certificate + world.authority)
    yield case("null", None)
    yield case("a certificate and its key in one file", both, {"both": world.certificate + world.key})
    yield case("a key before its certificate", both, {"both": world.key + world.certificate})
    yield case("a chain", world.pair | {"client-certificate-data": chain})
    yield case(
        "a certificate with words around",
        world.pair | {"client-certificate-data": encoded("Größe\n".encode() + world.certificate + b"x")},
    )
    yield case("a token with spaces around", {"token": f" {TOKEN} "})
    yield case("a token of other letters", {"token": f"{TOKEN}ß"})
    yield case("a token with a tab", {"token": f"{TOKEN}\tx"})
    yield case("a token of a space", {"token": " "})
    yield case("a folder as the token's file", {"tokenFile": "."})
    yield case("a username with a line end", {"username": "a\nb", "password": WORD})
    yield case("a username that is a number", {"username": 7, "password": WORD})
    yield case("empty lists", {"token": TOKEN, "as": "", "as-groups": [], "as-user-extra": {}})
    yield case("an empty group", {"token": TOKEN, "as": "jane", "as-groups": [""]})
    yield case(
        "a group that is null",
        {"token": TOKEN, "as": "jane", "as-groups": [None, "dev"]},
        stricter="a list holds null",
    )
    yield case("extra that is null", {"token": TOKEN, "as": "jane", "as-user-extra": {"a": None, "b": ["c"]}})
    yield case("a uid alone", {"token": TOKEN, "as": "jane", "as-uid": "7"})
    yield case("spaces around the one to be", {"token": TOKEN, "as": " jane "})
    yield case("a list for a token", {"token": [TOKEN]})
    yield case("extensions of its own", {"token": TOKEN, "extensions": [{"name": "x", "extension": 1}]})


def _impersonation(world: World) -> Iterator[Case]:
    def case(name: str, user: Json, cluster: Json | None = None, **own: Any) -> Case:
        told = {"config": config(cluster or world.cluster(), {"token": TOKEN, **user, **own})}
        return Case(name=f"as: {name}", files=told)

    extra = {"scopes": ["view", "edit"], "acme.com/Größe %": ["x"], "none": []}
    plain = world.cluster(server=world.plain, certificate_authority_data=None)
    yield case("a user", {"as": "jane"})
    yield case(
        "all of it",
        {
            "as": "system:serviceaccount:a:b",
            "as-uid": "7",
            "as-groups": ["dev", "ops"],
            "as-user-extra": extra,
        },
    )
    yield case("over plain HTTP", {"as": "jane", "as-groups": ["dev"]}, cluster=plain)
    yield case("with a certificate", {"as": "jane", "token": None, **world.pair})
    yield case("letters of other languages", {"as": "Jäne", "as-groups": ["größe"]})
    yield case("groups without a user", {"as-groups": ["dev"]})
    yield case("a uid without a user", {"as-uid": "7"})
    yield case("extra without a user", {"as-user-extra": {"a": ["b"]}})
    yield case("a line end", {"as": "jane\nx"})
    yield case("a number", {"as": 7})
    yield case("one group that is no list", {"as": "jane", "as-groups": "dev"})
    yield case("a key that is a number", {"as": "jane", "as-user-extra": {7: ["b"], True: ["c"]}})


def _plugins(world: World) -> Iterator[Case]:
    good = credential(token=PLUGIN)
    cluster = world.cluster(
        extensions=[{"name": V1.rpartition("/")[0] + "/exec", "extension": {"audience": "x", "n": None}}]
    )
    pair = {"clientCertificateData": world.certificate.decode(), "clientKeyData": world.key.decode()}

    def case(name: str, user: Json, said: str = good, files: Json | None = None, **more: Any) -> Case:
        own = {"plugin": "#!/bin/sh\n" + SCRIPT, "said": said}
        told = {"config": config(more.pop("cluster", cluster), user), **own, **(files or {})}
        return Case(name=f"plugin: {name}", files=told, **more)

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


def _providers(world: World) -> Iterator[Case]:
    def case(name: str, provider: Json, stricter: str = "", **user: Any) -> Case:
        told = {"config": config(world.cluster(), {"auth-provider": provider, **user})}
        return Case(name=f"auth-provider: {name}", files=told, stricter=stricter)

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


def _proxies(world: World) -> Iterator[Case]:
    proxies = world.recorder.proxies

    def case(name: str, cluster: Json, environ: Json | None = None, stricter: str = "") -> Case:
        told = config(world.cluster(**cluster), {"token": TOKEN})
        return Case(name=f"proxy: {name}", files={"config": told}, environ=environ or {}, stricter=stricter)

    for scheme, address in proxies.items():
        yield case(scheme, {"proxy_url": f"{scheme}://{address}"})
        yield case(f"{scheme} with a user", {"proxy_url": f"{scheme}://ada:{PROXY}%21@{address}"})
        yield case(f"{scheme} to another name", {"proxy_url": f"{scheme}://{address}", "server": world.far})
        yield case(
            f"{scheme} of the environment", {"server": world.far}, {"HTTPS_PROXY": f"{scheme}://{address}"}
        )
    yield case(
        "a name to verify", {"proxy_url": f"http://{proxies['http']}", "tls_server_name": "kubernetes"}
    )
    yield case(
        "a name that it has not", {"proxy_url": f"http://{proxies['http']}", "tls_server_name": "example.com"}
    )
    yield case("another scheme", {"proxy_url": f"socks4://{proxies['socks5']}"})
    yield case("socks5h", {"proxy_url": f"socks5h://{proxies['socks5']}"})
    yield case("no scheme", {"proxy_url": proxies["http"]})
    yield case("nobody there", {"proxy_url": "http://127.0.0.1:1"})
    yield case(
        "that of the environment is no scheme's", {"server": world.far}, {"https_proxy": proxies["http"]}
    )
    yield case(
        "large letters first",
        {"server": world.far},
        {"https_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": proxies["http"]},
    )
    yield case("not for this computer", {}, {"HTTPS_PROXY": "http://127.0.0.1:1"})
    yield case(
        "not for localhost",
        {"server": f"https://localhost:{world.recorder.https}"},
        {"HTTPS_PROXY": "http://127.0.0.1:1"},
    )
    yield case("not of all schemes", {"server": world.far}, {"ALL_PROXY": f"http://{proxies['http']}"})
    yield case(
        "the kubeconfig's before the environment's",
        {"server": world.far, "proxy_url": f"http://{proxies['http']}"},
        {"HTTPS_PROXY": "http://127.0.0.1:1"},
    )
    plain = {"server": "http://kubernetes.default.svc", "certificate_authority_data": None}
    yield case("plain HTTP by that for TLS", plain, {"HTTPS_PROXY": "http://127.0.0.1:1"})
    yield case(
        "socks5 by a name",
        {"proxy_url": f"socks5://localhost:{proxies['socks5'].partition(':')[2]}", "server": world.far},
    )
    yield case(
        "socks5 to an address",
        {"proxy_url": f"socks5://{proxies['socks5']}", "server": "https://10.96.0.1:6443"},
    )
    yield case(
        "https, not verified",
        {
            "proxy_url": f"https://{proxies['https']}",
            "certificate_authority_data": None,
            "insecure_skip_tls_verify": True,
            "tls_server_name": "x.example",
        },
    )
    yield case(
        "https, another authority",
        {"proxy_url": f"https://{proxies['https']}", "certificate_authority_data": encoded(world.other)},
    )
    yield case("a slash at its end", {"proxy_url": f"http://{proxies['http']}/"})
    yield case("empty", {"proxy_url": ""}, {"HTTPS_PROXY": "http://127.0.0.1:1"})
    yield case(
        "of the environment, with a user",
        {"server": world.far},
        {"HTTPS_PROXY": f"http://ada:{PROXY}@{proxies['http']}"},
    )
    yield case(
        "of the environment, another scheme",
        {"server": world.far},
        {"HTTPS_PROXY": f"socks4://{proxies['http']}"},
        stricter="Go takes any other scheme for http",
    )
    yield case(
        "of the environment, socks5h",
        {"server": world.far},
        {"HTTPS_PROXY": f"socks5h://{proxies['socks5']}"},
    )
    for exception, far in (
        ("kubernetes.default.svc", world.far),
        (".svc", world.far),
        ("*.default.svc", world.far),
        ("svc:443, other", world.far),
        ("default", world.far),
        ("*", world.far),
        # Nobody answers at an address of a cluster, so only what goes by the proxy is tried.
        ("10.97.0.0/16,10.96.0.2,10.96.0.1:443", "https://10.96.0.1:6443"),
    ):
        yield case(
            f"except {exception}",
            {"server": far},
            {"HTTPS_PROXY": f"http://{proxies['http']}", "NO_PROXY": exception},
        )


def _merged(world: World) -> Iterator[Case]:
    east = config(world.cluster(), {"token": TOKEN})
    west: Json = {
        "current-context": "west",
        "contexts": [
            {"name": "west", "context": {"cluster": "w", "user": "w"}},
            {"name": "east", "context": {"cluster": "w", "user": "w"}},
        ],
        "clusters": [
            {"name": "w", "cluster": world.cluster(server=f"{world.server}/west")},
            {"name": "c", "cluster": world.cluster(server=f"{world.server}/other")},
        ],
        "users": [
            {"name": "w", "user": {"tokenFile": "t"}},
            {"name": "u", "user": {"token": "another", "as": "jane"}},
        ],
    }
    two = {"config": east, "b/west": west, "b/t": FILE}

    def case(name: str, files: Json, *names: str, context: str = "") -> Case:
        return Case(name=f"merged: {name}", files=files, kubeconfig=names, context=context)

    yield case("the first one's context", two, "config", "b/west")
    yield case("the other way round", two, "b/west", "config")
    yield case("a named context", two, "config", "b/west", context="west")
    yield case("a context of nobody", two, "config", "b/west", context="north")
    yield case("one that is not there", two, "nowhere", "config", "b/west")
    yield case("empty names, the same one twice", two, "", "config", "config", "")
    yield case("none is there", two, "nowhere", "neither")
    yield case("one that is broken", two | {"bad": "a: ["}, "config", "bad")
    yield case("one that is a folder", two, "config", "b")
    yield case("one that is empty", two | {"empty": ""}, "empty", "b/west")
    parts = {key: {key: value} for key, value in east.items()}
    yield case("a file for each part", parts, *parts)
    split = {
        "a": {"clusters": [{"name": "c", "cluster": world.cluster()}], "current-context": ""},
        "b/k": {k: v for k, v in east.items() if k != "clusters"},
    }
    yield case("an empty current context", split, "a", "b/k")
    mixed = {"a": config(world.cluster(), {"as": "jane"}), "b": config(world.cluster(), {"token": TOKEN})}
    yield case("fields of one entry in two files", mixed, "a", "b")


def _files(world: World) -> Iterator[Case]:
    good = config(world.cluster(), {"token": TOKEN})
    text = yaml.safe_dump(good)

    def case(name: str, content: Any, **more: Any) -> Case:
        return Case(name=f"file: {name}", files={"config": content}, **more)

    yield case("JSON", json.dumps(good))
    yield case("JSON with tabs", json.dumps(good, indent="\t"))
    yield case("a byte order mark", b"\xef\xbb\xbf" + text.encode())
    yield case("UTF-16", text.encode("utf-16"))
    yield case("two documents", f"{text}---\na: [\n")
    yield case(
        "a key twice", text.replace("current-context: east", "current-context: nobody\ncurrent-context: east")
    )
    yield case(
        "names that YAML takes for more",
        text.replace("name: c", "name: 'no'").replace("cluster: c", "cluster: 'no'"),
    )
    yield case(
        "a name that YAML takes for no",
        text.replace("name: c\n", "name: no\n").replace("cluster: c\n", "cluster: no\n"),
    )
    yield case("a token like a date", text.replace(TOKEN, "2026-01-02"))
    yield case("a token like a time", text.replace(TOKEN, "12:30:45"))
    yield case("a token like a number", text.replace(TOKEN, "1e3"))
    yield case("a token like an octal number", text.replace(TOKEN, "0o17"))
    yield case("a token like y", text.replace(TOKEN, "y"))
    yield case("aliases", text.replace(f"token: {TOKEN}", f"token: &t {TOKEN}\n    as: *t"))
    yield case("keys in other letters", text.replace("token:", "Token:"))
    yield case("another kind", good | {"kind": "Secret"})
    yield case("another version", good | {"apiVersion": "v2"})
    yield case("no kind", {key: value for key, value in good.items() if key not in ("kind", "apiVersion")})
    yield case("fields that nobody knows", good | {"x": {"y": 1}, "preferences": {"colors": True, "z": 1}})
    yield case("lists that are null", good | {"extensions": None, "preferences": None})
    yield case("a list that is a mapping", good | {"users": {}})
    yield case("an entry twice", good | {"users": good["users"] * 2})
    yield case(
        "another user's token is a number",
        good | {"users": [*good["users"], {"name": "x", "user": {"token": 7}}]},
    )
    yield case(
        "another user's key is no base64",
        good | {"users": [*good["users"], {"name": "x", "user": {"client-key-data": "!"}}]},
    )
    yield case(
        "a context without a user", good | {"contexts": [{"name": "east", "context": {"cluster": "c"}}]}
    )
    yield case(
        "a context of nobody's user",
        good | {"contexts": [{"name": "east", "context": {"cluster": "c", "user": "x"}}]},
    )
    yield case(
        "a context of no cluster",
        good | {"contexts": [{"name": "east", "context": {"cluster": "x", "user": "u"}}]},
    )
    yield case("no context", good | {"current-context": ""})
    yield case("a context that is not there", good, context="nobody")
    yield case("a file that is empty", "")
    yield case("a file of words", "just words")

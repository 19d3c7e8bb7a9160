"""Kubeconfigs and environments about proxies."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kubectl.cases import (
    PROXY,
    TOKEN,
    Case,
    Json,
    World,
    config,
    encoded,
)


def proxies(world: World) -> Iterator[Case]:
    proxies = world.recorder.proxies

    def case(name: str, cluster: Json, environ: Json | None = None, stricter: str = "") -> Case:
        reported = config(world.cluster(**cluster), {"token": TOKEN})
        return Case(
            name=f"proxy: {name}", files={"config": reported}, environ=environ or {}, stricter=stricter
        )

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

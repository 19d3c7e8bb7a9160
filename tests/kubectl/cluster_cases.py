"""Kubeconfigs about one field of a cluster each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from tests.kubectl.cases import (
    TOKEN,
    WORD,
    Case,
    Json,
    World,
    config,
    encoded,
)


def clusters(world: World) -> Iterator[Case]:
    token = {"token": TOKEN}

    def case(name: str, stricter: str = "", files: Json | None = None, **fields: Any) -> Case:
        reported = {"config": config(world.cluster(**fields), token), **(files or {})}
        return Case(name=f"cluster: {name}", files=reported, stricter=stricter)

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
        reported = text.replace("BLOCK", f"{style}\n{block.replace('  ', ' ' * 8)}")
        yield Case(name=f"cluster: base64 in a block {style}", files={"config": reported})
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

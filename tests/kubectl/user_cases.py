"""Kubeconfigs about who asks, and as whom, one field or rule each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.kubectl.cases import (
    FILE,
    TOKEN,
    WORD,
    Case,
    Json,
    World,
    config,
    encoded,
)


def users(world: World) -> Iterator[Case]:
    def case(name: str, user: Json, files: Json | None = None, cluster: Json | None = None) -> Case:
        reported = {"config": config(cluster or world.cluster(), user), **(files or {})}
        return Case(name=f"user: {name}", files=reported)

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


def odd_users(world: World) -> Iterator[Case]:
    def case(name: str, user: Any, files: Json | None = None, stricter: str = "") -> Case:
        reported = {"config": config(world.cluster(), user), **(files or {})}
        return Case(name=f"user: {name}", files=reported, stricter=stricter)

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


def impersonation(world: World) -> Iterator[Case]:
    def case(name: str, user: Json, cluster: Json | None = None, **own: Any) -> Case:
        reported = {"config": config(cluster or world.cluster(), {"token": TOKEN, **user, **own})}
        return Case(name=f"as: {name}", files=reported)

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

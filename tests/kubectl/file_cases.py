"""Files as they are written, and several that are merged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.kubectl.cases import (
    FILE,
    TOKEN,
    Case,
    Json,
    World,
    config,
)


def merged(world: World) -> Iterator[Case]:
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


def files(world: World) -> Iterator[Case]:
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

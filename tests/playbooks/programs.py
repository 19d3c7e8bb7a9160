#!/usr/bin/env python3
"""The programs of a host that the playbooks call. Run by the name of each; the state is a JSON file beside the links.

Uses the standard library alone: it runs as the host's own program, not in the tests' process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

State = dict[str, Any]
FOLDER = Path(os.environ["BOX"])
REPOSITORY = "quay.example:5000/os"


class Refused(Exception):
    """What the program prints on standard error before it exits with 1."""


def known(state: State, digest: str) -> dict[str, Any]:
    """The release of this digest, as a new deployment."""
    for release in state["published"]:
        if release["digest"] == digest:
            return {**release, "serial": 0}
    raise Refused(f"error: No such object {digest}")


def booted(state: State) -> dict[str, Any]:
    return next(each for each in state["deployments"] if each.get("booted"))


def behind(state: State) -> dict[str, Any]:
    place = state["deployments"].index(booted(state))
    if place + 1 == len(state["deployments"]):
        raise Refused("error: No rollback deployment")
    found: dict[str, Any] = state["deployments"][place + 1]
    return found


def stage(state: State, release: dict[str, Any]) -> None:
    now = booted(state)
    state["deployments"] = [
        {**release, "staged": True},
        *state["deployments"][state["deployments"].index(now) :],
    ]


def boot(state: State) -> None:
    """Goes down and comes up with the first deployment: another boot id, nothing in /run, the connection cut."""
    was, first = booted(state), state["deployments"][0]
    if first.get("locked"):
        first = was
    first = {name: value for name, value in first.items() if name not in ("staged", "locked")}
    rest = [was] if first["digest"] != was["digest"] else state["deployments"][1:]
    state["deployments"] = [{**first, "booted": True}, *({**each, "booted": False} for each in rest)]
    if state["falls_back"] and first["digest"] != was["digest"]:
        state["deployments"] = [{**first}, {**was, "booted": True}]
    state["units"] = {}
    (FOLDER / "boot_id").write_text(f"{uuid.uuid4()}\n")
    state["cut"] = True


def cut_connection() -> None:
    """Ends the ssh server's process of this connection, the nearest above."""
    process = os.getppid()
    while process > 1:
        arguments = Path(f"/proc/{process}/stat").read_text().rpartition(") ")
        if Path(f"/proc/{process}/comm").read_text().startswith("sshd"):
            os.kill(process, signal.SIGKILL)
            return
        process = int(arguments[2].split()[1])


def ostree(state: State, arguments: list[str]) -> str:
    match arguments:
        case ["admin", "status"]:
            return "".join(_ostree_line(state, each) for each in state["deployments"])
        case ["admin", "config-diff"]:
            if state["etc"] is None:
                raise Refused("error: Not currently booted into an OSTree system")
            return "".join(f"{line}\n" for line in state["etc"])
        case ["admin", "upgrade", override, "--allow-downgrade"]:
            stage(state, known(state, f"sha256:{override.partition('=')[2]}"))
            return ""
        case ["admin", "deploy", "--os=box", "--retain", origin, checksum]:
            back = behind(state)
            expected = f"--origin-file=/sysroot/ostree/deploy/box/deploy/{checksum}.{back['serial']}.origin"
            if origin != expected or back["digest"] != f"sha256:{checksum}":
                raise Refused(f"error: {origin} is not {expected}")
            stage(state, {**back, "serial": back["serial"] + 1})
            return ""
    raise Refused(f"error: unknown command {arguments}")


def _ostree_line(state: State, each: dict[str, Any]) -> str:
    note = " (staged)" if each.get("staged") else ""
    if each is state["deployments"][-1] and not each.get("booted"):
        note = " (rollback)"
    star = "*" if each.get("booted") else " "
    checksum = each["digest"].removeprefix("sha256:")
    head = f"{star} box {checksum}.{each['serial']}{note}\n"
    return f"{head}    Version: {each['version']}\n    origin refspec: box:stable\n"


def rpm_ostree(state: State, arguments: list[str]) -> str:
    match arguments:
        case ["status", "--json"]:
            return json.dumps({"deployments": [_rpm_ostree_entry(each) for each in state["deployments"]]})
        case ["deploy", "--bypass-driver", "--lock-finalization", "--skip-branch-check", revision]:
            stage(state, {**known(state, f"sha256:{revision.partition('=')[2]}"), "locked": True})
            return ""
        case ["rebase", "--bypass-driver", "--lock-finalization", image] if "@" in image:
            name, _, digest = image.partition("@")
            if name != f"ostree-unverified-registry:{REPOSITORY}":
                raise Refused(f"error: {name}: not found")
            stage(state, {**known(state, digest), "locked": True, "image": f"{name}:stable"})
            return ""
        case ["rebase", "--bypass-driver", "--lock-finalization", branch, commit]:
            if branch == booted(state).get("origin"):
                raise Refused(f"error: Old and new refs are equal: {branch}")
            stage(state, {**known(state, f"sha256:{commit}"), "locked": True, "origin": branch})
            return ""
        case ["finalize-deployment", checksum]:
            first = state["deployments"][0]
            if not first.get("locked") or first["digest"] != f"sha256:{checksum}":
                raise Refused("error: Expected staged base checksum")
            del first["locked"]
            boot(state)
            return ""
        case ["cleanup", "--pending"]:
            state["deployments"] = [each for each in state["deployments"] if not each.get("staged")]
            return ""
        case ["rollback"]:
            behind(state)
            first, second, *rest = state["deployments"]
            state["deployments"] = [second, first, *rest]
            return ""
    raise Refused(f"error: unknown command {arguments}")


def _rpm_ostree_entry(each: dict[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {"requested-packages": ["htop"]} if each.get("booted") else {}
    if "image" in each:
        more |= {
            "container-image-reference": each["image"],
            "container-image-reference-digest": each["digest"],
        }
    elif "origin" in each:
        more |= {"origin": each["origin"]}
    return more | {
        "checksum": each["digest"].removeprefix("sha256:"),
        "version": each["version"],
        "booted": bool(each.get("booted")),
        "staged": bool(each.get("staged")),
        "finalization-locked": bool(each.get("locked")),
    }


def bootc(state: State, arguments: list[str]) -> str:
    match arguments:
        case ["status", "--format", "json", "--format-version", "1"]:
            if state["bootc_fails"]:
                raise Refused("error: Status: Entry not found")
            return json.dumps(_bootc_host(state), sort_keys=True, indent=1)
        case ["switch", image]:
            name, _, digest = image.partition("@")
            if name != REPOSITORY:
                raise Refused(f"error: {name}: not found")
            stage(state, known(state, digest))
            return ""
        case ["rollback"]:
            back, now = behind(state), booted(state)
            state["deployments"] = [back, now]
            return ""
    raise Refused(f"error: unknown command {arguments}")


def _bootc_host(state: State) -> dict[str, Any]:
    first, now = state["deployments"][0], booted(state)
    queued = first is not now and not first.get("staged")
    rest = [each for each in state["deployments"] if each is not now and not each.get("staged")]
    slots = {
        "staged": _bootc_entry(first) if first.get("staged") else None,
        "booted": _bootc_entry(now),
        "rollback": _bootc_entry(rest[0]) if rest else None,
        "rollbackQueued": queued,
    }
    return {"apiVersion": "org.containers.bootc/v1", "kind": "BootcHost", "status": slots}


def _bootc_entry(each: dict[str, Any]) -> dict[str, Any]:
    reference = {"image": f"{REPOSITORY}:stable", "transport": "registry"}
    entry = {"image": {"image": reference, "version": each["version"], "imageDigest": each["digest"]}}
    return entry | {"composefs": each.get("composefs")}


def systemctl(state: State, arguments: list[str]) -> str:
    match arguments:
        case ["reboot"]:
            boot(state)
            return ""
        case ["is-active", *units]:
            return "".join(f"{'active' if unit in state['active'] else 'inactive'}\n" for unit in units)
        case ["is-system-running"]:
            return "degraded\n" if state["failed"] else "running\n"
        case ["list-units", "--state=failed", *_]:
            return json.dumps([{"unit": unit, "active": "failed"} for unit in state["failed"]]) + "\n"
        case ["show", unit, *_]:
            return _shown(state, unit)
        case ["stop" | "reset-failed", unit]:
            state["units"].pop(unit, None)
            return ""
    raise Refused(f"Unknown command verb {arguments}")


def _shown(state: State, unit: str) -> str:
    """A unit runs until it was looked at so often that `looks` is used up."""
    job = state["units"].get(unit)
    if job is None:
        return "LoadState=not-found\nActiveState=inactive\nSubState=dead\nResult=success\n"
    if job["looks"] > 0:
        job["looks"] -= 1
        return "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n"
    if "code" not in job:
        _end(state, unit, job)
    if job["code"]:
        return "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n"
    return "LoadState=loaded\nActiveState=active\nSubState=exited\nResult=success\n"


def _end(state: State, unit: str, job: dict[str, Any]) -> None:
    save(state)
    ran = subprocess.run(job["argv"], capture_output=True, text=True, check=False)
    for stream, text in (("out", ran.stdout), ("err", ran.stderr)):
        Path(f"/run/fleet/{unit}.{stream}").write_text(text)
    state.update(load())
    state["units"][unit] |= {"code": ran.returncode, "looks": 0}
    job["code"] = ran.returncode


def systemd_run(state: State, arguments: list[str]) -> str:
    unit = next(argument.partition("=")[2] for argument in arguments if argument.startswith("--unit="))
    if unit in state["units"]:
        raise Refused(f"Failed to start transient service unit: Unit {unit} already exists.")
    argv = [argument.replace("$$", "$") for argument in arguments[arguments.index("--") + 1 :]]
    state["units"][unit] = {"argv": argv, "looks": state["looks"]}
    Path(f"/run/fleet/{unit}.out").write_text(state["printed"])
    return ""


def journalctl(state: State, arguments: list[str]) -> str:
    if arguments[0] == "--list-boots":
        boots = (f"{place} {place % 16:x}{'0' * 31} Mon 2026-11-23\n" for place in range(-1, 1))
        return "".join(boots)
    return f"journal of {arguments[0]}{state['logged']}\n"


PROGRAMS = {
    "ostree": ostree,
    "rpm-ostree": rpm_ostree,
    "bootc": bootc,
    "systemctl": systemctl,
    "systemd-run": systemd_run,
    "journalctl": journalctl,
}
LOOKS = (
    *("status", "config-diff", "show", "is-active", "is-system-running", "list-units"),
    *("--boot=-1", "--boot=0", "--list-boots"),
)


def load() -> State:
    state: State = json.loads((FOLDER / "state.json").read_text())
    return state


def save(state: State) -> None:
    # Whole at once: a test looks at it meanwhile.
    fresh = FOLDER / f"state.{os.getpid()}"
    fresh.write_text(json.dumps(state))
    fresh.replace(FOLDER / "state.json")


def main() -> int:
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    state = load()
    if not any(argument in LOOKS for argument in arguments[:2]):
        state["ran"].append([name, *arguments])
    code = 0
    try:
        sys.stdout.write(PROGRAMS[name](state, arguments))
        sys.stdout.flush()
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        code = 1
    cut = state.pop("cut", False)
    save(state)
    if cut:
        cut_connection()
    return code


if __name__ == "__main__":
    sys.exit(main())

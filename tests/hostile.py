"""What a host, a member of a group, a plugin or a server may answer and should not: harmless to hold, awkward to
parse. Each answer is small unless its length is the point, and none is meant for other programs than fleet's own
parsers.

Each is small where its length is not the point, and none is meant for other programs than fleet's own parsers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

LONG = 50_000
"""Characters of what is long: a parser that looks at each of them twice over would not end."""
MANY_DIGITS = "9" * 5000
"""More than Python makes a number of."""
ANSWERS: Mapping[str, bytes] = {
    "nothing": b"",
    "blank": b" \n\t\n",
    "a line": b"error: something went wrong\n",
    "zero bytes": b"\0" * 64,
    "no utf-8": b"\xff\xfe\xc3(\xed\xa0\x80",
    "half a character": b'{"name": "\\ud800"}',
    "escapes for a terminal": b"\x1b]0;owned\x07\x1b[2J\xe2\x80\xae",
    "lines": b"\n" * LONG,
    "short lines": b"a=b\n" * (LONG // 4),
    "a long word": b"a" * LONG,
    "a long name": b"a." * (LONG // 2),
    "half of a token": b"eyJ-" * (LONG // 4),
    "secrets without end": b"secret" * (LONG // 6),
    "brackets": b"(" * LONG,
    "lists in lists": b"[" * LONG,
    "lists in lists, closed": b"[" * LONG + b"]" * LONG,
    "objects in objects": b'{"a":' * (LONG // 5),
    "objects in objects, closed": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a text without end": b'"' + b'\\"' * (LONG // 2),
    "digits": MANY_DIGITS.encode(),
    "digits in an object": b'{"number": %b, "serial": %b, "ttl": %b}' % ((MANY_DIGITS.encode(),) * 3),
    "no number": b"NaN",
    "infinity": b"1e999",
    "null": b"null",
    "true": b"true",
    "a text": b'"x"',
    "an empty object": b"{}",
    "an empty list": b"[]",
    "a list of nulls": b"[null, null]",
    "repeated keys": b'{"deployments": [], "deployments": {}}',
    "deployments that are none": b'{"deployments": [1, null, {}, []]}',
    "two booted": json.dumps({"deployments": [{"checksum": "a" * 64, "booted": True}] * 2}).encode(),
    "other digits": "PROGRESS=²\n²% \nprogress ٣%\nfleet_percent=²\nNew default snapshot is #²\n".encode(),
    "progress without end": b"PROGRESS=inf\nPROGRESS=1e400\nPROGRESS=nan\n" + b"9" * 5000 + b"%\n",
    "snapshots without end": f"LAST_WORKING_SNAPSHOTS='{MANY_DIGITS}'\nNew default snapshot is #{MANY_DIGITS}".encode(),
    "a unit of systemd": (
        "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainCode=1\n"
        f"ExecMainStatus={MANY_DIGITS}\n"
    ).encode(),
    "a unit that nobody knows": b"LoadState==\nActiveState=\xff\nSubState=\nResult=\nExecMainStatus=-1\n",
    "facts of a host": (
        f"boot_id={'b' * LONG}\nmachine_id={'m' * LONG}\nkernel={'k' * LONG}\nclaim={'[' * LONG}\nos-release\nID=x\n"
    ).encode(),
    "signs of all families": (
        b"has rpm-ostree\nhas bootc\nhas ostree\nhas rauc\nhas snapper\nis ostree-booted\nis rauc-configured\nend\n"
    ),
    "os-release": b"ID='\nVERSION_ID=\"\nNAME=$(reboot)\nPRETTY_NAME=" + b"x" * LONG + b"\n",
    "a deployment": b"* os " + b"0" * 64 + b"." + MANY_DIGITS.encode() + b" (" * 1000 + b"\n",
    "boots": b"-1 " + b"0" * 33 + b" x\n" + b"-" * LONG,
    "metrics": b'a 1\nb{x="}"} nan\nc inf\nd -1e308\nd -1e308\ne 1e309\nf' + b"9" * 5000 + b"\n",
    "trips without end": (
        'etcd_network_peer_round_trip_time_seconds_count{To="2"} 1e300\n'
        'etcd_network_peer_round_trip_time_seconds_sum{To="2"} 1e300\n'
        'etcd_network_peer_round_trip_time_seconds_sum{To="3"} NaN\n'
        'etcd_network_peer_round_trip_time_seconds_count{To="3"} .....\n'
        f'etcd_network_peer_round_trip_time_seconds_sum{{To="{"f" * 5000}"}} 1\n'
    ).encode(),
    "times of members": json.dumps(
        {
            "data": {"currentVoters": [{"replicaId": 1, "lastFetchTimestamp": 10**30}]},
            "members": [{"name": 1, "role": {}, "state": [], "lag": "9" * 5000}],
        }
    ).encode(),
    "a lock": b'{"nodeID": "n-1", "created": "9999-99-99", "TTL": -1, "locks": [{"nodeID": []}]}',
    "a credential": b'{"kind": "ExecCredential", "status": {"token": 1, "expirationTimestamp": "'
    + b"9" * 5000
    + b'"}}',
    "an event": b'{"event": "runner_on_failed", "event_data": {"host": "n-1", "res": {"rc": [[[]]], "msg": {"a": []}}}}',
}
"""By what is odd about it."""

"""The place of a machine in phased rollouts: its wariness, from 0.0 (at once) to 1.0 (last)."""

from __future__ import annotations

import hmac
from hashlib import sha256

ZINCATI = bytes.fromhex("de35106b6ec24688b63afddaa156679b")
"""The application id of Zincati, the updater of Fedora CoreOS."""
LEAST = 0.000_001
"""Only machines that were configured so have a wariness of 0.0."""
_WORD = (1 << 64) - 1


def wariness_of(machine_id: str) -> float:
    """Returns the wariness that Fedora's update server gives the machine with this machine-id(5), 32 hexadecimal digits.
    Any other text gets a place by its own bytes.

    The server hashes the id that Zincati sends (`compute_wariness` in https://github.com/coreos/fedora-coreos-cincinnati;
    SipHash-1-3 with a key of zeros), which follows from the machine-id (sd_id128_get_machine_app_specific(3)).
    """
    hashed = siphash13(node_uuid(machine_id).encode() + b"\xff")
    return min(1.0, max(LEAST, hashed / _WORD))


def node_uuid(machine_id: str) -> str:
    """Returns the id that Zincati sends for the machine with this machine-id; any other text as it is."""
    try:
        key = bytes.fromhex(machine_id)
    except ValueError:
        return machine_id
    if len(key) != len(ZINCATI):
        return machine_id
    found = bytearray(hmac.digest(key, ZINCATI, sha256)[:16])
    # A UUID of version 4, as systemd marks it.
    found[6] = found[6] & 0x0F | 0x40
    found[8] = found[8] & 0x3F | 0x80
    return found.hex()


def siphash13(data: bytes) -> int:
    """Returns SipHash-1-3 of the data, with a key of zeros (https://doi.org/10.1007/978-3-642-34931-7_28)."""
    state = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    whole = len(data) // 8 * 8
    last = int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56
    words = [int.from_bytes(data[place : place + 8], "little") for place in range(0, whole, 8)]
    for word in (*words, last):
        first, second, third, fourth = state
        first, second, third, fourth = _round(first, second, third, fourth ^ word)
        state = (first ^ word, second, third, fourth)
    first, second, third, fourth = state
    state = (first, second, third ^ 0xFF, fourth)
    for _ in range(3):
        state = _round(*state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(first: int, second: int, third: int, fourth: int) -> tuple[int, int, int, int]:
    first = first + second & _WORD
    second = _turned(second, 13) ^ first
    first = _turned(first, 32)
    third = third + fourth & _WORD
    fourth = _turned(fourth, 16) ^ third
    first = first + fourth & _WORD
    fourth = _turned(fourth, 21) ^ first
    third = third + second & _WORD
    second = _turned(second, 17) ^ third
    return first, second, _turned(third, 32), fourth


def _turned(word: int, bits: int) -> int:
    """Returns the word of 64 bits, rotated to the left."""
    return (word << bits | word >> 64 - bits) & _WORD

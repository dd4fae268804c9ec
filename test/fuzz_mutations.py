# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Damage for the fuzzer: bytes, texts, numbers and JSON that are almost right."""

from __future__ import annotations

import copy
import json
import math
import random
from typing import Any

_SIZES = (0, 1, 2, 7, 255, 256, 4096, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-320, 1e-30, 1e30, 1e300, -1e300, math.inf, -math.inf, math.nan)
_TEXTS = ("", " ", "48", "nan", "\0", "../../x", "é", "\ud800", "%s{}", "hand21", "16UC1", "True", "a" * 5000)
HUGE = "<huge>"
"""Stands for an integer of thousands of digits, which Python does not turn into text."""
DEEP = "<deep>"
"""Stands for lists in lists, deeper than a parser's recursion may go."""


def size(rng: random.Random) -> int:
    """An unsigned 32-bit number, such as a width."""
    return rng.choice(_SIZES) if rng.random() < 0.5 else rng.randrange(2 ** rng.randrange(1, 33))


def real(rng: random.Random) -> float:
    if rng.random() < 0.5:
        return rng.choice(_FLOATS)
    return rng.choice((-1, 1)) * rng.random() * 10.0 ** rng.randrange(-12, 13)


def text(rng: random.Random) -> str:
    if rng.random() < 0.6:
        return rng.choice(_TEXTS)
    return "".join(chr(rng.randrange(1, 0x500)) for _ in range(rng.randrange(12)))


def value(rng: random.Random) -> Any:
    """Something that JSON can hold, of any type."""
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind == 1:
        return rng.choice((0, -1, 1, 7, 8, 48, 8.0, 21.0, 1.0, 10**9, 2**63, -(2**63), 10**400))
    if kind == 2:
        return real(rng)
    if kind == 3:
        return text(rng)
    if kind == 4:
        return [value(rng) for _ in range(rng.randrange(3))]
    if kind == 5:
        return {text(rng): value(rng) for _ in range(rng.randrange(3))}
    return rng.choice((HUGE, DEEP, size(rng), rng.randrange(-10, 300)))


def mutate_json(tree: Any, rng: random.Random, changes: int = 3) -> Any:
    """A copy with up to a number of values replaced, left out, doubled or renamed, at any depth."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.randint(0, changes)):
        node: Any = tree
        while isinstance(node, (dict, list)) and node:
            key: Any = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
            if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.8:
                node = node[key]
                continue
            action = rng.randrange(6)
            if action == 0:
                del node[key]
            elif action == 1:
                if isinstance(node, list):
                    node.append(node[key])
                else:
                    node[text(rng)] = node.pop(key)
            else:
                node[key] = value(rng)
            break
    return tree if rng.random() < 0.98 else value(rng)


def dump_json(tree: Any) -> str:
    """JSON with what Python does not write: integers of thousands of digits, and depths of thousands."""
    words = json.dumps(tree)
    return words.replace(f'"{HUGE}"', "9" * 6000).replace(f'"{DEEP}"', "[" * 50_000 + "]" * 50_000)


def mutate(data: bytes, rng: random.Random, changes: int = 6) -> bytes:
    """Up to a number of changes: bits flipped, numbers put in their place, pieces cut, doubled or inserted."""
    damaged = bytearray(data)
    for _ in range(rng.randint(0, changes)):
        at = rng.randrange(len(damaged) + 1)
        # Headers are at the beginning.
        if rng.random() < 0.4:
            at = min(at, rng.randrange(64))
        length = min(len(damaged) - at, rng.choice((1, 2, 4, 8, rng.randrange(1, 200))))
        action = rng.randrange(7)
        if action == 0 and at < len(damaged):
            damaged[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            width = rng.choice((1, 2, 4, 8))
            number = size(rng) % 256**width
            damaged[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
        elif action == 2:
            del damaged[at : at + length]
        elif action == 3:
            damaged[at:at] = damaged[at : at + length]
        elif action == 4:
            damaged[at:at] = rng.randbytes(length)
        elif action == 5:
            damaged[at : at + length] = rng.randbytes(length)
        elif rng.random() < 0.3:
            del damaged[at:]
    return bytes(damaged)

# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""What is whole in an mcap file without an end, as a recorder leaves that was killed or had no disk left.

The format: https://mcap.dev/spec. Such a file has no index, so that it is read from its beginning.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"\x89MCAP0\r\n"

_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_START = struct.Struct("<BQ")  # opcode and length of a record
_MESSAGE_START = struct.Struct("<HIQQ")  # channel, sequence, times of recording and publishing
_CHUNK_START = struct.Struct("<QQQI")  # first and last time, size when unpacked, checksum
_LARGEST = 2**30  # bytes of a record or a chunk; no recorder makes such large ones


@dataclass(frozen=True)
class SalvagedConnection:
    """A topic of the file; fields as those of a rosbags connection."""

    topic: str
    msgtype: str
    msgcount: int
    channel: int


class SalvagedMcap:
    """Reads the messages up to where the file breaks off.

    Raises:
        ValueError: It is not an mcap file, or has not a single whole message.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, int]] = {}
        counts = Counter(channel for channel, _, _ in self._messages())
        self.connections = [
            SalvagedConnection(*self._named(channel), counts[channel], channel) for channel in sorted(self._channels)
        ]
        if not counts:
            raise ValueError("there is no whole message in it")

    def messages(self, connections: Sequence[SalvagedConnection]) -> Iterator[tuple[SalvagedConnection, int, bytes]]:
        """Yield connection, time of recording in nanoseconds and data, in the order of the file."""
        by_channel = {one.channel: one for one in connections}
        for channel, time, data in self._messages():
            if channel in by_channel:
                yield by_channel[channel], time, data

    def close(self) -> None:
        """Nothing is held open."""

    def _named(self, channel: int) -> tuple[str, str]:
        topic, schema = self._channels[channel]
        return topic, self._schemas.get(schema, "")

    def _messages(self) -> Iterator[tuple[int, int, bytes]]:
        with self._path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it is not an mcap file")
            for opcode, content in _records(file):
                if opcode == _DATA_END:
                    return
                if opcode != _CHUNK:
                    yield from self._record(opcode, content)
                    continue
                for inner, part in _parts(_unpacked(content)):
                    yield from self._record(inner, part)

    def _record(self, opcode: int, content: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield a message; descriptions of topics and types are kept."""
        try:
            if opcode == _SCHEMA:
                self._schemas[struct.unpack_from("<H", content)[0]] = _text(content, 2)
            elif opcode == _CHANNEL:
                channel, schema = struct.unpack_from("<HH", content)
                self._channels[channel] = _text(content, 4), schema
            elif opcode == _MESSAGE:
                channel, _, time, _ = _MESSAGE_START.unpack_from(content)
                if channel in self._channels:
                    yield channel, time, content[_MESSAGE_START.size :]
        except (struct.error, UnicodeDecodeError):
            return  # damaged: what comes after may be whole


def _records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Opcode and content of the whole records."""
    while len(start := file.read(_START.size)) == _START.size:
        opcode, length = _START.unpack(start)
        if length > _LARGEST:
            return
        content = file.read(length)
        if len(content) < length:
            return
        yield opcode, content


def _parts(records: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _START.size <= len(records):
        opcode, length = _START.unpack_from(records, at)
        at += _START.size
        if at + length > len(records):
            return
        yield opcode, records[at : at + length]
        at += length


def _unpacked(chunk: bytes) -> bytes:
    """Return the records of a chunk; empty for a damaged one."""
    try:
        _, _, size, _ = _CHUNK_START.unpack_from(chunk)
        kind = _text(chunk, _CHUNK_START.size)
        at = _CHUNK_START.size + 4 + len(kind.encode())
        packed = chunk[at + 8 : at + 8 + struct.unpack_from("<Q", chunk, at)[0]]
        if size > _LARGEST:
            return b""
        if kind == "zstd":
            return bytes(zstd().ZstdDecompressor().decompress(packed, max_length=size))
        if kind == "lz4":
            return bytes(import_module("lz4.frame").LZ4FrameDecompressor().decompress(packed, max_length=size))
    except Exception:  # every library has errors of its own
        return b""
    return packed if not kind else b""


def zstd() -> Any:
    """Return the module that rosbags unpacks with, which Python has from version 3.14 on."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _text(content: bytes, at: int) -> str:
    (length,) = struct.unpack_from("<I", content, at)
    return content[at + 4 : at + 4 + length].decode()

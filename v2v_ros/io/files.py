# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file; its folder is made when missing, and a reader never sees half of it.

    Raises:
        OSError: The file cannot be written; an older one of that name is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any, *, allow_nan: bool = False) -> None:
    """Write content as an indented JSON file; a reader never sees half of it.

    Args:
        allow_nan: Whether numbers that are not finite are written, which JSON does not know.

    Raises:
        OSError: The file cannot be written.
        ValueError: A number is not finite, and that is not allowed.
    """
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=allow_nan) + "\n").encode())

# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Names of weights: those that are shipped, paths, and addresses in ROS packages."""

from __future__ import annotations

import os
from pathlib import Path

from ..geometry.skeletons import get_skeleton

SUFFIX = ".safetensors"
DETECTOR = "detector"
_FOLDER = Path(__file__).parent / "shipped"
_PACKAGE = "package://"


class WeightsError(ValueError):
    """A weights file cannot be used; the message names the file and the remedy."""


def shipped() -> list[str]:
    """Return names of the pose weights that come with the package."""
    names = sorted(path.name.removesuffix(SUFFIX) for path in _FOLDER.glob(f"*{SUFFIX}"))
    return [name for name in names if not name.endswith(DETECTOR)]


def shipped_detectors() -> list[str]:
    """Return names of the detectors' weights that come with the package."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _FOLDER.glob(f"*{DETECTOR}{SUFFIX}"))


def find(name: str | Path) -> Path:
    """Return the path of a weights file.

    Args:
        name: Name of shipped weights, or path of the file; it may begin with ``~`` or ``package://PACKAGE/``.

    Raises:
        WeightsError: There is no such file.
    """
    path = _expanded(str(name))
    shipped_path = _FOLDER / f"{name}{SUFFIX}"
    if path.is_dir() and not (path.parent == Path(".") and shipped_path.is_file()):
        inside = sorted(file.name for file in path.glob(f"*{SUFFIX}"))[:10]
        hint = f"name a file in it: {', '.join(inside)}" if inside else f"there is no {SUFFIX} file in it"
        raise WeightsError(f"weights '{path}' are a folder; {hint}")
    if path.suffix == SUFFIX or path.parent != Path("."):
        if not path.is_file():
            raise WeightsError(f"weights file '{path}' does not exist; shipped weights: {_listing()}")
        return path
    if not shipped_path.is_file():
        raise WeightsError(
            f"no weights named '{name}' are shipped (there are: {_listing()}); "
            f"name one of these, or give the path of a {SUFFIX} file made by 'v2v train'"
        )
    return shipped_path


def default_for(skeleton: str) -> str:
    """Return the name of the shipped weights for a skeleton: the first one by name.

    Raises:
        WeightsError: None are shipped for it; the message says what to do.
    """
    get_skeleton(skeleton)
    for name in shipped():
        if name == skeleton or name.startswith(f"{skeleton}_"):
            return name
    raise WeightsError(
        f"no weights for skeleton '{skeleton}' are shipped with this version (there are: {_listing()}); "
        f"choose a skeleton that has some, or give the path of your own {SUFFIX} file"
    )


def _expanded(name: str) -> Path:
    """Return a path, from one that begins with ~ or package://PACKAGE/, as parameter files have them."""
    if not name.startswith(_PACKAGE):
        return Path(os.path.expanduser(name))
    package, _, rest = name.removeprefix(_PACKAGE).partition("/")
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory(package)) / rest
    except ModuleNotFoundError as error:
        raise WeightsError(f"weights '{name}': {_PACKAGE} needs ROS 2; give the path of the file") from error
    except (LookupError, ValueError) as error:  # there is no package of that name, or it cannot be one
        raise WeightsError(f"weights '{name}': no package '{package}' is installed or sourced ({error})") from error


def _listing() -> str:
    return ", ".join(shipped()) or "none"

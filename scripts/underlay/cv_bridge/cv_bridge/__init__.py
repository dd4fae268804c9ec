# Copyright 2026 The v2v_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Image messages to and from NumPy arrays, as in cv_bridge, without OpenCV."""

from __future__ import annotations

import array
import re
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

__all__ = ["CvBridge", "CvBridgeError"]

_NAMED = {"mono8": "8UC1", "mono16": "16UC1", "bgr8": "8UC3", "rgb8": "8UC3"}
_KINDS = {"U": "u", "S": "i", "F": "f"}


class CvBridgeError(TypeError):
    """An image cannot be converted as asked for."""


class CvBridge:
    """Converts sensor_msgs/Image messages to arrays [H,W] or [H,W,C] and back."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> NDArray[Any]:
        """Array of an image, in native byte order and without the padding of its rows.

        The array may share its memory with the message. Raises CvBridgeError if an encoding is not known, the
        message holds too few bytes, or the desired encoding needs more than a swap between bgr8 and rgb8.
        """
        dtype, channels = _type_of(img_msg.encoding)
        row_bytes = img_msg.width * channels * dtype.itemsize
        if img_msg.step < row_bytes or len(img_msg.data) < img_msg.step * img_msg.height:
            raise CvBridgeError(
                f"{img_msg.width} x {img_msg.height} pixels of {img_msg.encoding} need {row_bytes} bytes a row, "
                f"this has a step of {img_msg.step} and {len(img_msg.data)} bytes in all"
            )
        wire = dtype.newbyteorder(">" if img_msg.is_bigendian else "<")
        size = img_msg.height * img_msg.step
        rows = np.frombuffer(img_msg.data, np.uint8, size).reshape(img_msg.height, img_msg.step)
        image = np.ascontiguousarray(rows[:, :row_bytes]).view(wire).astype(dtype, copy=False)
        if channels > 1:
            image = image.reshape(img_msg.height, img_msg.width, channels)
        return _convert(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(self, cvim: NDArray[Any], encoding: str = "passthrough", header: Header | None = None) -> Image:
        """Message of an array [H,W] or [H,W,C]; "passthrough" names the encoding after the array's type.

        Raises CvBridgeError if the encoding is not known or does not fit the array.
        """
        if cvim.ndim not in (2, 3):
            raise CvBridgeError(f"an image has 2 or 3 dimensions, not {cvim.ndim}")
        own = f"{cvim.dtype.itemsize * 8}{_letter_of(cvim.dtype)}C{cvim.shape[2] if cvim.ndim == 3 else 1}"
        if encoding == "passthrough":
            encoding = own
        if _type_of(encoding) != _type_of(own):
            raise CvBridgeError(f"an array of type {own} cannot become an image of encoding {encoding}")
        native = np.ascontiguousarray(cvim, cvim.dtype.newbyteorder("="))
        msg = Image(height=cvim.shape[0], width=cvim.shape[1], encoding=encoding)
        msg.is_bigendian = sys.byteorder == "big"
        if header is not None:
            msg.header = header
        msg.step = native.nbytes // max(msg.height, 1)
        msg.data = array.array("B", native.tobytes())  # far faster than assigning an ndarray or a list
        return msg


def _type_of(encoding: str) -> tuple[np.dtype[Any], int]:
    match = re.fullmatch(r"(8|16|32|64)([USF])C(\d+)", _NAMED.get(encoding, encoding))
    if match is None or (match[1] == "8" and match[2] == "F"):
        raise CvBridgeError(f'unknown encoding "{encoding}", unlike {", ".join(_NAMED)} or 16UC1')
    return np.dtype(f"{_KINDS[match[2]]}{int(match[1]) // 8}"), int(match[3])


def _letter_of(dtype: np.dtype[Any]) -> str:
    for letter, kind in _KINDS.items():
        if kind == dtype.kind:
            return letter
    raise CvBridgeError(f"arrays of type {dtype} cannot become images")


def _convert(image: NDArray[Any], source: str, target: str) -> NDArray[Any]:
    if target in ("passthrough", source):
        return image
    if {source, target} == {"bgr8", "rgb8"}:
        return np.ascontiguousarray(image[:, :, ::-1])
    if _type_of(source) == _type_of(target):
        return image
    raise CvBridgeError(f"an image of encoding {source} cannot be converted to {target} here")

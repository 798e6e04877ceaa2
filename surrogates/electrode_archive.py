"""One file of JSON and arrays, the same bytes for the same content, that refuses any damage."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.generic]]

MANIFEST = "manifest.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can tell
_SEAL = 64  # hexadecimal digits of SHA-256 over all that stands before them: the zip's comment


class NoArchive(ValueError):
    """The bytes are no such file, or one that was damaged."""


def packed(manifest: Mapping[str, Any], arrays: Arrays) -> bytes:
    """A zip file: canonical JSON first, then every array in the order of the names, stored as they
    are and dated alike; sealed with its digest."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(MANIFEST, _EPOCH), text)
        for name in sorted(arrays):
            content = io.BytesIO()
            array = np.ascontiguousarray(arrays[name])
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), content.getvalue())
        archive.comment = b"0" * _SEAL
    body = target.getvalue()[:-_SEAL]
    return body + _sealed(body)


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    """Manifest and arrays. Raises NoArchive where the seal is missing or broken."""
    body, seal = content[:-_SEAL], content[-_SEAL:]
    if not body or _sealed(body) != seal:
        raise NoArchive("is damaged, or no file of this kind")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
                if name != MANIFEST
            }
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise NoArchive("is no file of this kind") from error
    if not isinstance(manifest, dict):
        raise NoArchive("is no file of this kind")
    return manifest, arrays


def _sealed(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()

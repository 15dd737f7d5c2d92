"""Reads an ESP32 application image (ESP-IDF, "App Image Format").

0   magic 0xE9, number of segments, SPI mode, SPI speed and size, entry address (4)
8   WP pin, drive settings (3), chip (2), … , 23: whether a SHA-256 is appended
24  for each segment: load address (4), length (4), data; the first one's data begins with
the application's description: magic 0xABCD5432, at 16 its version, at 48 its project
…   zeros, so that the file is a multiple of 16 long with one byte more: the checksum, 0xEF
XOR all bytes of all segments
…   the SHA-256 of everything before it, if it is appended
…   the signature, if it is signed: a zero word and 64 bytes (version 1), or 0xFF up to a
multiple of 4096 and a sector that begins with 0xE7 0x02 (version 2). Stations check it.
"""

import hashlib
import re
import struct

from billing_service.domain.errors import InvalidInput
from billing_service.services.updates import ImageFacts

HEADER_BYTES = 24
_MAGIC = 0xE9
_DESCRIPTION_MAGIC = 0xABCD5432
_MOST_SEGMENTS = 16
_CHECKSUM_SEED = 0xEF
_SIGNATURE_V1_BYTES = 4 + 64
_SECTOR = 4096
_CHIPS = {
    0: "ESP32", 2: "ESP32-S2", 5: "ESP32-C3", 9: "ESP32-S3", 12: "ESP32-C2",
    13: "ESP32-C6", 16: "ESP32-H2", 18: "ESP32-P4", 20: "ESP32-C61", 23: "ESP32-C5",
}  # fmt: skip
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9})*")


def read_image(image: bytes) -> ImageFacts:
    """Return what an image says of itself. Raises InvalidInput when it cannot be installed."""
    if image[:1] != bytes([_MAGIC]):
        raise _invalid("does not begin as an ESP32 image does (0xE9)")
    if len(image) < HEADER_BYTES:
        raise _invalid("ends within its header")
    segments, chip = image[1], struct.unpack_from("<H", image, 12)[0]
    if not 1 <= segments <= _MOST_SEGMENTS:
        raise _invalid(f"has {segments} segments; 1 to {_MOST_SEGMENTS} are possible")
    if chip not in _CHIPS:
        raise _invalid(f"is for a chip that is not known ({chip})")
    _check_whole(image, segments)
    version, project = _description(image)
    if len(version) > 31 or not _VERSION.fullmatch(version):
        raise _invalid(
            f"says that its version is {version[:40]!r}; stations compare numbers with dots"
        )
    return ImageFacts(
        version=version,
        project=project,
        chip=_CHIPS[chip],
        size=len(image),
        sha256=hashlib.sha256(image).hexdigest(),
    )


def _check_whole(image: bytes, segments: int) -> None:
    """Follow the segments to the end and compare the checksum and the digest."""
    at, checksum = HEADER_BYTES, _CHECKSUM_SEED
    for _ in range(segments):
        if at + 8 > len(image):
            raise _invalid("ends early")
        length = struct.unpack_from("<I", image, at + 4)[0]
        data = image[at + 8 : at + 8 + length]
        if len(data) < length:
            raise _invalid("ends early")
        checksum ^= _xor(data)
        at += 8 + length
    end = at + 16 - at % 16
    if len(image) < end or image[end - 1] != checksum:
        raise _invalid("is damaged: its checksum is wrong")
    if image[23]:
        if image[end : end + 32] != hashlib.sha256(image[:end]).digest():
            raise _invalid("is damaged: its SHA-256 is wrong")
        end += 32
    if not _is_nothing_or_signature(image[end:], -end % _SECTOR):
        raise _invalid(
            "goes on after its end: a whole flash? Take the image for updates (firmware.ota.bin)"
        )


def _is_nothing_or_signature(rest: bytes, padding: int) -> bool:
    """Whether that may stand behind an image which lacks ``padding`` bytes to a whole sector."""
    if len(rest) == _SIGNATURE_V1_BYTES:
        return rest.startswith(bytes(4))
    if len(rest) == padding + _SECTOR:
        return rest.startswith(b"\xff" * padding + b"\xe7\x02")
    return not rest


def _description(image: bytes) -> tuple[str, str]:
    """Return version and project of the application's description."""
    at = HEADER_BYTES + 8
    if (
        len(image) < at + 80
        or struct.unpack_from("<I", image, at)[0] != _DESCRIPTION_MAGIC
    ):
        raise _invalid("is not an application: a bootloader, or a whole flash?")
    return _text(image[at + 16 : at + 48]), _text(image[at + 48 : at + 80])


def _xor(data: bytes) -> int:
    """Return the exclusive or of all bytes: half with half, for a loop over them is slow."""
    while len(data) > 1:
        half = (len(data) + 1) // 2
        low, high = data[:half], data[half:]
        folded = int.from_bytes(low, "little") ^ int.from_bytes(high, "little")
        data = folded.to_bytes(half, "little")
    return data[0] if data else 0


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("ascii", "replace")


def _invalid(sentence: str) -> InvalidInput:
    return InvalidInput(("image", sentence))

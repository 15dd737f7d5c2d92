"""ESP32 application images (ESP-IDF, "App Image Format")."""

import hashlib
import struct


def esp_image(
    version: str = "1.3.0",
    *,
    chip: int = 0,
    appended: bool = True,
    size: int = 1000,
    magic: int = 0xABCD5432,
) -> bytes:
    """Make a sound image of two segments."""
    description = struct.pack(
        "<III4x32s32s", magic, 0, 0, version.encode(), b"solarrally"
    )
    segments = [description.ljust(256, b"\0"), bytes(range(256)) * (size // 256 + 1)]
    image = struct.pack(
        "<BBBBI4xH9xB",
        0xE9, len(segments), 2, 0x20, 0x40080000, chip, int(appended),
    )  # fmt: skip
    checksum = 0xEF
    for data in segments:
        image += struct.pack("<II", 0x3F400020, len(data)) + data
        for byte in data:
            checksum ^= byte
    image += bytes(15 - len(image) % 16) + bytes([checksum])
    return image + (hashlib.sha256(image).digest() if appended else b"")

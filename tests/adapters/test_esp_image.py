"""ESP32 images: what they say of themselves, and what cannot be installed."""

import hashlib

import pytest

from billing_service.adapters.esp_image import read_image
from billing_service.domain.errors import InvalidInput
from tests.esp_images import esp_image

SOUND = esp_image()


@pytest.mark.parametrize("appended", [True, False])
@pytest.mark.parametrize("size", [0, 1000, 70_001])
def test_a_sound_image(appended: bool, size: int) -> None:
    """Version, project and chip are its own; with and without an appended digest."""
    image = esp_image("2.0.11", chip=9, appended=appended, size=size)
    facts = read_image(image)
    assert (facts.version, facts.project, facts.chip) == (
        "2.0.11",
        "solarrally",
        "ESP32-S3",
    )
    assert facts.size == len(image)
    assert facts.sha256 == hashlib.sha256(image).hexdigest()


SIGNATURE_V1 = bytes(4) + bytes(range(64))
SIGNATURE_V2 = b"\xe7\x02".ljust(4096, b"\xff")


def _in_sectors(image: bytes) -> bytes:
    return image + b"\xff" * (-len(image) % 4096)


@pytest.mark.parametrize(
    "image",
    [SOUND + SIGNATURE_V1, _in_sectors(SOUND) + SIGNATURE_V2],
    ids=["version 1", "version 2"],
)
def test_a_signed_image(image: bytes) -> None:
    """What the station checks by its own key stands behind the image, and is sent with it."""
    facts = read_image(image)
    assert facts.version == "1.3.0"
    assert facts.size == len(image)
    assert facts.sha256 == hashlib.sha256(image).hexdigest()


def _flipped(at: int) -> bytes:
    damaged = bytearray(SOUND)
    damaged[at] ^= 0x10
    return bytes(damaged)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (b"", "0xE9"),
        (b"\x7fELF" + SOUND, "0xE9"),
        (SOUND[:10], "within its header"),
        (SOUND[:1] + b"\x00" + SOUND[2:], "0 segments"),
        (SOUND[:1] + b"\x20" + SOUND[2:], "32 segments"),
        (esp_image(chip=999), "not known (999)"),
        (SOUND[:400], "ends early"),
        (SOUND[:-33], "damaged"),
        (SOUND[:-1], "SHA-256"),
        (_flipped(600), "checksum"),
        (_flipped(4), "SHA-256"),
        (_flipped(-1), "SHA-256"),
        (SOUND + b"\xff" * 4096, "whole flash"),
        (_in_sectors(SOUND) + b"\xff" * 4096, "whole flash"),
        (_in_sectors(SOUND), "whole flash"),
        (SOUND + SIGNATURE_V2, "whole flash"),
        (SOUND + b"\xff" * 68, "whole flash"),
        (SOUND + SIGNATURE_V1 + b"\0", "whole flash"),
        (esp_image("latest"), "'latest'"),
        (esp_image(""), "''"),
        (_flipped(32), "checksum"),
    ],
)
def test_what_is_no_image_is_told(image: bytes, said: str) -> None:
    """Cut, damaged, for another chip, a whole flash, or no version to compare."""
    with pytest.raises(InvalidInput) as error:
        read_image(image)
    ((field, sentence),) = error.value.problems
    assert field == "image"
    assert said in sentence


def test_a_bootloader_is_no_application() -> None:
    """It is sound in itself, and would leave the station without a program."""
    with pytest.raises(InvalidInput, match="not an application"):
        read_image(esp_image(magic=0))

#!/usr/bin/env python3
"""Draw the icon and the logo that Home Assistant shows for the integration.

Needs Pillow and the DejaVu fonts (Debian: fonts-dejavu-core). The sizes are
those that Home Assistant asks for: icons of 256 pixels, logos of at most 256 in
height, both once more at twice the size.
"""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDER = (
    Path(__file__).resolve().parents[1] / "custom_components" / "solarrally" / "brand"
)
FONT = "DejaVuSans-Bold.ttf"

SOLAR = (255, 176, 0)
GRID = (24, 119, 242)
BOLT = (255, 255, 255)
INK = (28, 43, 58)
PAPER = (240, 244, 248)

# Everything is drawn larger and scaled down, which smooths the edges.
SCALE = 4
ICON = 512


def _polygon(points: list[tuple[float, float]], size: int) -> list[tuple[float, float]]:
    return [(x * size, y * size) for x, y in points]


def draw_icon(size: int) -> Image.Image:
    """Return the icon: a disc, half sun and half grid, with a bolt of lightning."""
    big = size * SCALE
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    centre, radius = big / 2, big * 0.335

    # The sun's rays on the left, the grid's taps on the right.
    for step in range(12):
        angle = math.radians(15 + 30 * step)
        sunny = math.cos(angle) < 0
        x, y = math.cos(angle), math.sin(angle)
        ends = [
            (centre + x * big * 0.395, centre + y * big * 0.395),
            (centre + x * big * 0.468, centre + y * big * 0.468),
        ]
        width = big * 0.05
        draw.line(ends, fill=SOLAR if sunny else GRID, width=round(width))
        for end_x, end_y in ends:
            box = (
                end_x - width / 2,
                end_y - width / 2,
                end_x + width / 2,
                end_y + width / 2,
            )
            draw.ellipse(box, fill=SOLAR if sunny else GRID)

    disc = (centre - radius, centre - radius, centre + radius, centre + radius)
    draw.pieslice(disc, 90, 270, fill=SOLAR)
    draw.pieslice(disc, 270, 450, fill=GRID)
    bolt = [
        (0.555, 0.225),
        (0.365, 0.535),
        (0.485, 0.535),
        (0.445, 0.775),
        (0.635, 0.455),
        (0.515, 0.455),
    ]
    draw.polygon(_polygon(bolt, big), fill=BOLT)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def draw_logo(height: int, ink: tuple[int, int, int]) -> Image.Image:
    """Return the icon with the name beside it."""
    font = ImageFont.truetype(FONT, round(height * 0.5))
    left, top, right, bottom = font.getbbox("SolarRally")
    gap = round(height * 0.12)
    width = height + gap + round(right - left) + round(height * 0.04)
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    image.alpha_composite(draw_icon(height))
    ImageDraw.Draw(image).text(
        (height + gap - left, (height - bottom - top) / 2),
        "SolarRally",
        font=font,
        fill=ink,
    )
    return image


def main() -> None:
    """Write all images."""
    FOLDER.mkdir(exist_ok=True)
    images = {
        "icon@2x.png": draw_icon(ICON),
        "icon.png": draw_icon(ICON // 2),
        "logo@2x.png": draw_logo(ICON // 2, INK),
        "logo.png": draw_logo(ICON // 4, INK),
        "dark_logo@2x.png": draw_logo(ICON // 2, PAPER),
        "dark_logo.png": draw_logo(ICON // 4, PAPER),
    }
    for name, image in images.items():
        image.save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    main()

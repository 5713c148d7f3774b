"""What our pictures share: colours, lettering and the PNG they end as."""

import io
from typing import Any

from PIL import Image, ImageFont

BACK, INK, SOFT = (18, 22, 28), (236, 240, 245), (150, 160, 172)
"""Background, text, and text of less weight; RGB."""


def font(size: int) -> Any:
    """Return the lettering at a size in pixels; it comes with Pillow, so every machine has it."""
    return ImageFont.load_default(size)


def png(picture: Image.Image) -> bytes:
    """Return a picture as a PNG of at most 256 colours, which suits drawings and grey images."""
    buffer = io.BytesIO()
    picture.quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def draw_text(draw: Any, at: tuple[float, float], text: str, colour: tuple[int, int, int], letters: Any) -> None:
    """Draw a line of text that may hold µ, which the lettering lacks: it is drawn as u with a tail."""
    plain = text.replace("µ", "u")
    draw.text(at, plain, colour, font=letters)
    stem = max(1, round(letters.size / 11))
    for index in (index for index, letter in enumerate(text) if letter == "µ"):
        left, top, _, bottom = draw.textbbox(
            (at[0] + draw.textlength(plain[:index], font=letters), at[1]), "u", font=letters
        )
        draw.rectangle((left, top + 1, left + stem - 1, bottom + letters.size * 0.18), fill=colour)

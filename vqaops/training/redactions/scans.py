"""The look of scans and copies: skew, blur, noise, faint or heavy toner, dark edges."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from vqaops.training.redactions.canvas import Canvas, Mark, between
from vqaops.training.redactions.layout import Place

MAX_SKEW = 1.5
"""Degrees; feeders of scanners stay below, and the box of a tilted bar is much larger than the bar."""


def scan(canvas: Canvas, rng: Generator) -> Canvas:
    """Return the page as a scanner would see it; the truth is moved with it."""
    canvas = _skewed(canvas, rng) if rng.random() < 0.6 else canvas
    page = canvas.page
    if rng.random() < 0.3:
        page = _edges(page, rng)
    if rng.random() < 0.5:
        page = page.filter(ImageFilter.GaussianBlur(between(rng, 0.3, 1.3)))
    pixels: NDArray[Any] = np.asarray(page, np.float32)
    black, white = between(rng, 0, 60), between(rng, 205, 255)
    pixels = black + pixels * (white - black) / 255
    height, width = pixels.shape
    if rng.random() < 0.4:  # uneven light
        light = np.linspace(between(rng, -25, 10), between(rng, -25, 10), width, dtype=np.float32)
        pixels = pixels + light
    coarse = rng.standard_normal((height // 2 + 1, width // 2 + 1), np.float32)
    pixels = pixels + between(rng, 0, 14) * np.repeat(np.repeat(coarse, 2, 0), 2, 1)[:height, :width]
    tones = {"grey", "labelled", "translucent"} & {mark.kind for mark in canvas.redactions}
    if not tones and rng.random() < 0.25:  # a fax or a copy in two tones, in which a grey bar would vanish
        pixels = np.where(pixels > between(rng, 100, 180), np.float32(255), np.float32(0))
    page = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        page = _compressed(page, int(between(rng, 25, 80)))
    return replace(canvas, page=page)


def _skewed(canvas: Canvas, rng: Generator) -> Canvas:
    angle = between(rng, -MAX_SKEW, MAX_SKEW)
    outside = 255 if rng.random() < 0.6 else int(between(rng, 0, 60))
    page = canvas.page.rotate(angle, Image.Resampling.BILINEAR, fillcolor=outside)
    truth = canvas.truth.rotate(angle, Image.Resampling.BILINEAR, fillcolor=0)
    turn = _turn(angle, canvas.page.size)
    redactions, distractors = (
        [Mark(turn(mark.place), mark.kind) for mark in marks] for marks in (canvas.redactions, canvas.distractors)
    )
    return Canvas(page, truth, redactions, distractors)


def _turn(angle: float, size: tuple[int, int]) -> Callable[[Place], Place]:
    """A function from a box to the upright box around it after Pillow's rotation about the middle."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    x0, y0 = size[0] / 2, size[1] / 2

    def turn(place: Place) -> Place:
        corners = [(x - x0, y - y0) for x in (place[0], place[2]) for y in (place[1], place[3])]
        xs = [x0 + x * cosine + y * sine for x, y in corners]
        ys = [y0 - x * sine + y * cosine for x, y in corners]
        left, top = max(0, round(min(xs))), max(0, round(min(ys)))
        return (left, top, min(size[0], round(max(xs))), min(size[1], round(max(ys))))

    return turn


def _edges(page: Image.Image, rng: Generator) -> Image.Image:
    """Dark bands where the lid was open."""
    page, (width, height) = page.copy(), page.size
    for _ in range(int(rng.integers(1, 4))):
        depth, shade = int(between(rng, 5, 70)), int(between(rng, 0, 60))
        band = [(0, 0, depth, height), (width - depth, 0, width, height), (0, 0, width, depth)]
        band.append((0, height - depth, width, height))
        page.paste(shade, band[int(rng.integers(4))])
    return page


def _compressed(page: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    page.save(file, "JPEG", quality=quality)
    decoded = Image.open(file)
    decoded.load()
    return decoded

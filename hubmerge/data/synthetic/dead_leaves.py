"""Dead leaves: random shapes that cover each other, with the statistics of natural images.

Sizes follow a power law, so that the image looks alike at every scale; each shape has a colour, a
shading and a grain of its own. Networks trained on such images see real ones surprisingly well:
arXiv:2106.05963, section 3.1 (and Lee, Mumford, Huang, IJCV 41, 2001, on the statistics).
"""

from __future__ import annotations

import numpy as np

LEAVES = 60
"""Shapes thrown onto one image; the last ones lie on top."""

SMALLEST = 0.04
"""Least radius, as a share of the image's height."""

LARGEST = 0.5
"""Largest radius."""

COLOURFULNESS = 0.45
"""How far colour channels differ from each other within a shape, against its brightness."""

SHADING = 0.5
"""How far brightness changes across an image's height within one shape."""

GRAIN = 0.2
"""Share of 1/f noise over everything."""

MEAN, SPREAD = 0.47, 0.25
"""Mean and standard deviation of an image's values, from 0 to 1: about those of photographs."""


def dead_leaves(number: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Image `number` of the series with that seed: uint8 [height, width, 3]. Pure."""
    generator = np.random.default_rng([seed, number])
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    image = np.zeros((height, width, 3), np.float32)
    for _ in range(LEAVES):
        _throw(image, rows, columns, generator)
    image += GRAIN * _grain(height, width, generator)
    image = (image - image.mean()) / max(float(image.std()), 1e-6)
    return np.clip(255 * (MEAN + SPREAD * image), 0, 255).round().astype(np.uint8)


def _throw(
    image: np.ndarray, rows: np.ndarray, columns: np.ndarray, generator: np.random.Generator
) -> None:
    """Paints one shape over what is there."""
    height, width = rows.shape
    share = generator.uniform(SMALLEST / LARGEST, 1)
    radius = height * SMALLEST / share
    centre = generator.uniform(0, (height, width))
    angle, aspect = generator.uniform(0, np.pi), generator.uniform(0.5, 1.5)
    down, across = rows - centre[0], columns - centre[1]
    u = (across * np.cos(angle) + down * np.sin(angle)) / radius
    v = (down * np.cos(angle) - across * np.sin(angle)) / (radius * aspect)
    rectangle = generator.random() < 0.5
    inside = (np.abs(u) < 1) & (np.abs(v) < 1) if rectangle else u**2 + v**2 < 1
    colour = generator.normal() + COLOURFULNESS * generator.normal(size=3)
    slope = SHADING * generator.normal(size=2)
    shade = (slope[0] * u[inside] + slope[1] * v[inside]) * (radius / height)
    image[inside] = colour.astype(np.float32) + shade[:, None].astype(np.float32)


def _grain(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """Noise whose amplitude falls as one over frequency, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    frequency[0, 0] = 1 / max(height, width)
    white = np.fft.fft2(generator.normal(size=(3, height, width)))
    noise = np.fft.ifft2(white / frequency).real.transpose(1, 2, 0)
    return (noise / noise.std()).astype(np.float32)

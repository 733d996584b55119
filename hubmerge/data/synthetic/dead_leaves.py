"""Dead leaves: random shapes that cover each other, with the statistics of natural images.

Sizes follow a power law, so that the image looks alike at every scale; each shape has a colour, a
shading and a grain of its own. Networks trained on such images see real ones surprisingly well:
arXiv:2106.05963, section 3.1 (and Lee, Mumford, Huang, IJCV 41, 2001, on the statistics).
"""

from __future__ import annotations

import math

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
    image = np.zeros((height, width, 3), np.float32)
    for _ in range(LEAVES):
        _throw(image, generator.random(6), generator.standard_normal(6))
    image += GRAIN * _grain(height, width, generator)
    image = (image - image.mean()) / max(float(image.std()), 1e-6)
    return np.clip(255 * (MEAN + SPREAD * image), 0, 255).round().astype(np.uint8)


def _throw(image: np.ndarray, uniform: np.ndarray, normal: np.ndarray) -> None:
    """Paints one shape over what is there; uniform: [6] in [0, 1), normal: [6]."""
    height, width, _ = image.shape
    share, top, left, turn, aspect, shape = uniform.tolist()
    least = SMALLEST / LARGEST
    radius = height * SMALLEST / (least + (1 - least) * share)
    upright = radius * (0.5 + aspect)
    top, left, angle = height * top, width * left, np.pi * turn
    cosine, sine = math.cos(angle), math.sin(angle)
    # Only the box that holds it is looked at.
    down = _around(top, radius * abs(sine) + upright * abs(cosine), height)
    across = _around(left, radius * abs(cosine) + upright * abs(sine), width)
    below, beside = (
        (np.arange(down.start, down.stop) - top)[:, None],
        np.arange(across.start, across.stop) - left,
    )
    u = (beside * cosine + below * sine) / radius
    v = (below * cosine - beside * sine) / upright
    inside = (np.abs(u) < 1) & (np.abs(v) < 1) if shape < 0.5 else u * u + v * v < 1
    colour = (normal[0] + COLOURFULNESS * normal[1:4]).astype(np.float32)
    slope = (SHADING * radius / height * normal[4:]).tolist()
    shade = (slope[0] * u[inside] + slope[1] * v[inside]).astype(np.float32)
    image[down, across][inside] = colour + shade[:, None]


def _around(centre: float, reach: float, size: int) -> slice:
    """Positions from 0 to `size` that are at most so far from the centre."""
    return slice(max(0, math.floor(centre - reach)), min(size, math.ceil(centre + reach) + 1))


def _grain(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """Noise whose amplitude falls as one over frequency, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    frequency[0, 0] = 1 / max(height, width)
    white = np.fft.fft2(generator.normal(size=(3, height, width)))
    noise = np.fft.ifft2(white / frequency).real.transpose(1, 2, 0)
    return (noise / noise.std()).astype(np.float32)

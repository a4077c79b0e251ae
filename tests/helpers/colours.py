"""The contrast between colours, as WCAG 2 defines it."""

import re

import numpy as np


def rgb(css):
    """The channels of a colour as a browser writes it, such as rgb(0, 0, 0)."""
    return tuple(map(int, re.findall(r"\d+", css)[:3]))


def luminance(colour):
    """Relative luminance of (red, green, blue) in 0 to 255."""
    channels = np.asarray(colour)[:3] / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first, second):
    """The ratio of the luminances of two colours, from 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)

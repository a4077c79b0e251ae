"""Spoken digits (FSDD): waveforms, the beginning of a word, and log-mel spectra."""

import io
import re
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.data import published

SAMPLE_RATE = 8000  # samples per second
WORD_SAMPLES = 8000  # 1 s: a longer word is cut (under 1 % are longer), a shorter one is followed by zeros
FULL_SCALE = 32768  # of 16-bit samples
FRAME_SAMPLES, HOP_SAMPLES = 256, 128  # 32 ms, 16 ms
N_MELS = 32
SILENCE = -100.0  # dB of full scale, the least value of a band
CHUNK_WORDS = 256  # words that are transformed at once, so that memory stays below 100 MB


class SpokenDigits(NamedTuple):
    """Recordings: x (n, 8000) int16 at 8 kHz; digit (n,); speaker (n,) names; take (n,) from 0."""

    x: np.ndarray
    digit: np.ndarray
    speaker: np.ndarray
    take: np.ndarray


def read_fsdd(folder: Path) -> SpokenDigits:
    """All recordings in the checked archive, in the order of their file names.

    Args:
        folder: with `recordings.zip`, which has files {digit}_{speaker}_{take}.wav.

    Raises:
        OSError: if the archive cannot be read.
        ValueError: if a name or a format differs from those, 8 kHz, mono, 16 bit.

    Source: Jackson et al., Free Spoken Digit Dataset, 2018.
    """
    words, digits, speakers, takes = [], [], [], []
    for name, content in published.wav_members(folder / "recordings.zip"):
        found = re.fullmatch(r"(\d)_(\w+)_(\d+)\.wav", name)
        if not found:
            raise ValueError(f"expected recordings named digit_speaker_take.wav, got {name}")
        words.append(_read_word(name, content))
        digits.append(int(found[1]))
        speakers.append(found[2])
        takes.append(int(found[3]))
    return SpokenDigits(np.array(words), np.array(digits), np.array(speakers), np.array(takes))


def first_share(x: np.ndarray, share: float = 0.2) -> np.ndarray:
    """The beginning of each word, followed by zeros; a word ends at its last sample other than 0.

    Args:
        x: (n, samples) waveforms.
        share: of the word that is kept, in [0, 1], rounded up to whole samples.

    Returns:
        The same shape and type.

    Raises:
        ValueError: if the share is outside [0, 1].

    >>> first_share(np.array([[3, 1, 4, 1, 5, 0, 0]])).tolist()
    [[3, 0, 0, 0, 0, 0, 0]]
    """
    checks.probabilities(share=share)
    position = np.arange(x.shape[1])
    length = ((x != 0) * (position + 1)).max(axis=1, keepdims=True)  # (n, 1)
    return np.where(position < np.ceil(share * length), x, 0).astype(x.dtype)


def log_mel(x: np.ndarray) -> np.ndarray:
    r"""Power of each frame in bands of the mel scale, in decibels.

    .. math:: \max\Bigl(-100,\ 10 \log_{10} \sum_f w_b(f)\, |X_t(f)|^2 / \sum_s h_s^2\Bigr)

    with X_t the spectrum of frame t (256 samples, every 128) after the Hann window h, and w_b triangles whose 32
    centres are evenly spaced in mel between 0 and 4000 Hz; full scale is amplitude 1.

    Args:
        x: (n, samples) int16 waveforms at 8 kHz, of at least 256 samples.

    Returns:
        (n, 32, 1 + (samples - 256) // 128) float32: bands from low to high, frames in order of time; a word of 1 s has
        61 frames.

    Raises:
        TypeError: if x is not int16.
        ValueError: if there are fewer than 256 samples.

    >>> log_mel(np.zeros((1, 8000), dtype=np.int16)).shape
    (1, 32, 61)

    Source: Stevens, Volkmann and Newman, A scale for the measurement of the psychological magnitude pitch, 1937, in
    the form mel = 2595 log10(1 + f / 700).
    """
    if x.dtype != np.int16:
        raise TypeError(f"expected waveforms of type int16, got {x.dtype}")
    checks.at_least(FRAME_SAMPLES, samples=x.shape[1])
    n_frames = 1 + (x.shape[1] - FRAME_SAMPLES) // HOP_SAMPLES
    result = np.empty((len(x), N_MELS, n_frames), dtype=np.float32)
    window = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)  # periodic
    bands = _mel_bands() / (window**2).sum()  # (bands, frequencies)
    for start in range(0, len(x), CHUNK_WORDS):
        words = x[start : start + CHUNK_WORDS].astype(np.float32) / FULL_SCALE
        frames = np.lib.stride_tricks.sliding_window_view(words, FRAME_SAMPLES, axis=1)[:, ::HOP_SAMPLES]
        power = np.abs(np.fft.rfft(frames * window, axis=2)) ** 2  # (n, frames, frequencies)
        decibels = 10 * np.log10(np.maximum(power @ bands.T, np.finfo(np.float32).tiny))
        result[start : start + len(words)] = np.maximum(decibels, SILENCE).transpose(0, 2, 1)
    return result


def _read_word(name: str, content: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(content)) as recording:
        form = (recording.getframerate(), recording.getnchannels(), recording.getsampwidth())
        if form != (SAMPLE_RATE, 1, 2):
            raise ValueError(f"expected {name} with 8000 Hz, 1 channel, 2 bytes, got {form}")
        samples = np.frombuffer(recording.readframes(WORD_SAMPLES), dtype="<i2")
    return np.pad(samples, (0, WORD_SAMPLES - len(samples)))


def _mel_bands() -> np.ndarray:
    """Weights (bands, frequencies) of triangles that are evenly spaced in mel."""
    highest = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, N_MELS + 2) / 2595) - 1)  # Hz
    frequency = np.fft.rfftfreq(FRAME_SAMPLES, 1 / SAMPLE_RATE)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)

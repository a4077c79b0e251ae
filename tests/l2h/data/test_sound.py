"""Spoken digits: recordings as the archive holds them, the beginning of a word, and spectra of known sounds."""

import io
import wave

import numpy as np
import pytest
from helpers import publications

from l2h.data import sound

SECOND = np.arange(8000) / 8000


def tone(frequency, amplitude):
    return np.round(amplitude * 32768 * np.sin(2 * np.pi * frequency * SECOND)).astype(np.int16)[None]


def test_recordings_are_what_the_archive_holds(tmp_path):
    read = sound.read_fsdd(publications.write(tmp_path, "fsdd"))
    assert read.x.shape == (60, sound.WORD_SAMPLES) and read.x.dtype == np.int16
    for x, digit, speaker, take in zip(*read, strict=True):
        samples = publications.word(digit, speaker, take)
        np.testing.assert_array_equal(x[: len(samples)], samples)
        assert not x[len(samples) :].any()
    assert set(zip(read.digit.tolist(), read.speaker.tolist(), read.take.tolist(), strict=True)) == {
        (digit, speaker, take) for digit in range(10) for speaker in publications.SPEAKERS for take in (0, 5, 12)
    }


def recording(samples, rate):
    packed = io.BytesIO()
    with wave.open(packed, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(rate)
        opened.writeframes(samples.tobytes())
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [
        ("seven.wav", 8000, "named digit_speaker_take.wav, got seven.wav"),
        ("7_theo_0.wav", 16000, r"got \(16000, 1, 2\)"),
    ],
)
def test_another_name_or_format_is_refused(tmp_path, name, rate, message):
    content = recording(np.ones(100, np.int16), rate)
    (tmp_path / "recordings.zip").write_bytes(publications.zipped({f"recordings/{name}": content}))
    with pytest.raises(ValueError, match=message):
        sound.read_fsdd(tmp_path)


def test_a_word_longer_than_a_second_is_cut(tmp_path):
    samples = np.arange(1, 9001, dtype=np.int16)
    files = {"recordings/7_theo_0.wav": recording(samples, 8000)}
    (tmp_path / "recordings.zip").write_bytes(publications.zipped(files))
    np.testing.assert_array_equal(sound.read_fsdd(tmp_path).x, samples[None, :8000])


def test_the_first_share_has_nothing_of_the_rest():
    x = np.array([[5, 0, 5, 5, 5, 5, 5, 5, 0, 5, 0, 0], [7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0] * 12], np.int16)
    kept = sound.first_share(x, 0.3)
    assert kept.dtype == np.int16
    assert kept.tolist() == [[5, 0, 5] + [0] * 9, [7] + [0] * 11, [0] * 12]
    np.testing.assert_array_equal(sound.first_share(x, 1.0), x)
    assert not sound.first_share(x, 0.0).any()
    with pytest.raises(ValueError, match=r"expected share in \[0, 1\], got 1.5"):
        sound.first_share(x, 1.5)


def test_silence_is_at_the_floor_and_bands_cover_the_spectrum():
    assert (sound.log_mel(np.zeros((2, 8000), np.int16)) == -100).all()
    bands = sound._mel_bands()
    assert bands.shape == (sound.N_MELS, 129) and (bands.max(axis=1) > 0.4).all()
    np.testing.assert_allclose(bands.sum(axis=0)[2:120], 1, atol=1e-5)  # between the first and the last centre


@pytest.mark.parametrize("frequency", [250, 1000, 3000])
def test_a_tone_is_loudest_in_its_band_and_10_db_are_10_db(frequency):
    loud, quiet = (sound.log_mel(tone(frequency, amplitude)) for amplitude in (0.5, 0.5 / np.sqrt(10)))
    mel = 2595 * np.log10(1 + frequency / 700)
    centre = np.arange(1, sound.N_MELS + 1) * 2595 * np.log10(1 + 4000 / 700) / (sound.N_MELS + 1)
    band = int(np.abs(centre - mel).argmin())
    assert loud.dtype == np.float32
    assert (loud.argmax(axis=1) == band).all()
    np.testing.assert_allclose((loud - quiet)[0, band], 10, atol=0.05)
    np.testing.assert_allclose(loud[0, band], loud[0, band, 0], atol=0.5)  # the same in each frame


def test_a_frame_knows_its_samples_only_and_words_do_not_mix(monkeypatch):
    x = np.random.default_rng(0).integers(-3000, 3000, (5, 8000)).astype(np.int16)
    spectra = sound.log_mel(x)
    monkeypatch.setattr(sound, "CHUNK_WORDS", 2)
    np.testing.assert_array_equal(sound.log_mel(x), spectra)
    changed = x.copy()
    changed[:, 1000:] = 0
    first_changed = (1000 - sound.FRAME_SAMPLES) // sound.HOP_SAMPLES + 1
    np.testing.assert_array_equal(sound.log_mel(changed)[:, :, :first_changed], spectra[:, :, :first_changed])
    assert (sound.log_mel(changed)[:, :, 8:] == -100).all()


def test_waveforms_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="expected waveforms of type int16, got float64"):
        sound.log_mel(np.zeros((1, 8000)))
    with pytest.raises(ValueError, match="expected a finite samples >= 256, got 255"):
        sound.log_mel(np.zeros((1, 255), np.int16))

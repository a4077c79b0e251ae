"""Files of published data sets: found in a folder or downloaded, always checked, with licence and citation.

A folder that is named (the argument or L2H_DATA) is only read. Without one, the user's cache is read, and a set that
it lacks is downloaded once from its source: whole, with its hash, or not at all.
"""

import errno
import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from l2h import checks
from l2h.data import sources

SUMS_FILE = "SHA256SUMS"  # an edition that has it has every file that it lists


class NotAvailableError(FileNotFoundError):
    """No file of a data set is at hand, and its source does not answer."""


class Download(NamedTuple):
    """A file of the source.

    Args:
        url: of the file.
        saved_as: one of the edition's files; "" for a tar archive that holds the edition's folder.
        archive_hash: "md5:..." of that archive.
    """

    url: str
    saved_as: str
    archive_hash: str = ""


class Edition(NamedTuple):
    """One form in which the files of a data set may lie in a data folder.

    Args:
        folder: name of the set's folder in the data folder.
        hashes: file -> "md5:...", "sha256:..." or "members:...", as `file_hash` computes them.
        lacks: what is missing from the published set; "" for nothing.
        downloads: the files at their source; none for an edition that users do not get.
    """

    folder: str
    hashes: Mapping[str, str]
    lacks: str = ""
    downloads: tuple[Download, ...] = ()


class Publication(NamedTuple):
    """A published data set: its title, its editions (the downloaded one first), its licence and its citation."""

    title: str
    editions: tuple[Edition, ...]
    licence: str
    citation: str


_CIFAR100 = Publication(
    "CIFAR-100",
    (
        Edition(
            "cifar-100-python",
            {
                "train": "md5:16019d7e3df5f24257cddd939b257f8d",
                "test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc",
                "meta": "md5:7973b15100ade9c7d40fb424638fde48",
            },
            downloads=(
                Download(
                    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
                    "",
                    "md5:eb9058c3a382ffc7106e4002c42a8d85",
                ),
            ),
        ),
        Edition(
            "cifar-100-part",
            {SUMS_FILE: "sha256:a992020b73ce4aae0771b41939889bb3d18e7154154df61d08ce623ff7a1fa38"},
            lacks="it has 128 of the 500 training images and 50 of the 100 test images of each class",
        ),
    ),
    "none stated by the authors, who ask for a citation",
    "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
)
_CLINC150_URL = "https://raw.githubusercontent.com/clinc/oos-eval/828f8093932c8fe6ca7936c3d2e52903b1c523de/data/"
_CLINC150 = Publication(
    "CLINC150",
    (
        Edition(
            "clinc150",
            {
                "data_full.json": "sha256:36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
                "domains.json": "sha256:b947b579d3b8e74b06f93b01083d8efaff2888b43a3e362533bd88a6e1211b3a",
            },
            downloads=tuple(Download(_CLINC150_URL + file, file) for file in ("data_full.json", "domains.json")),
        ),
    ),
    "CC BY 3.0",
    "Larson et al., An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction, EMNLP-IJCNLP 2019",
)
# The host packs its archives anew, so that only the hash of the content stays.
_FSDD = Publication(
    "Free Spoken Digit Dataset",
    (
        Edition(
            "fsdd",
            {"recordings.zip": "members:a2e8a660492f28d9eed6270b290d26cbc5c81d6077ce87d3c0ad5adf4d4ee696"},
            downloads=(
                Download(
                    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/"
                    "26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip",
                    "recordings.zip",
                ),
            ),
        ),
    ),
    "CC BY-SA 4.0",
    "Jackson et al., Jakobovski/free-spoken-digit-dataset, Zenodo 2018",
)
_SMARTWATCH = Publication(
    "smartwatch exercises (SPAR)",
    (
        Edition(
            "smartwatch",
            {"watch_dataset.npy": "sha256:eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"},
            downloads=(
                Download(
                    "https://raw.githubusercontent.com/dmbee/seglearn/master/seglearn/data/watch_dataset.npy",
                    "watch_dataset.npy",
                ),
            ),
        ),
        Edition(
            "smartwatch",
            {"smartwatch.npz": "sha256:3e82bec4f574e57ce9e019d009d8d1d7aee494791aaf4d68e57c9af731ea03bd"},
        ),
    ),
    "BSD-3-Clause, D. M. Burns 2018 (package seglearn, whose wheel has the same file)",
    "Burns et al., Shoulder physiotherapy exercise recognition, Physiological Measurement 39, 2018",
)
_GAS_DRIFT = Publication(
    "gas sensor array drift (UCI 270)",
    (
        Edition(
            "gas-drift",
            {"uci270.zip": "sha256:98fe3a30981a222dd4518fbcc3dddd45d5c0ce9b03ef6dc6fe5cf7a04cfbff5e"},
            downloads=(
                Download(
                    "https://archive.ics.uci.edu/static/public/270/"
                    "gas+sensor+array+drift+dataset+at+different+concentrations.zip",
                    "uci270.zip",
                ),
            ),
        ),
        Edition(
            "gas-drift",
            {"gas_drift.npz": "sha256:25cc46102b8853f1d1e98e5b6f92a6bf3ed9c57dbca3ece08e9d97388554aade"},
            lacks="batches 7 and 10 (months 21 and 36) are missing",
        ),
    ),
    "for research purposes only; commercial purposes are fully excluded",
    "Vergara et al., Sensors and Actuators B 166, 2012, 320-329; "
    "Rodriguez-Lujan et al., Chemometrics and Intelligent Laboratory Systems 130, 2014, 123-134",
)
PUBLICATIONS = {
    "cifar100": _CIFAR100,
    "clinc150": _CLINC150,
    "fsdd": _FSDD,
    "smartwatch": _SMARTWATCH,
    "gas_drift": _GAS_DRIFT,
}


def find_edition(name: str, folder: str | Path | None = None) -> tuple[Path, Edition]:
    """The folder with the checked files of a published data set, downloaded into the user's cache if need be.

    Args:
        name: in PUBLICATIONS.
        folder: that holds the set's folder; None reads L2H_DATA, and without it the cache ($XDG_CACHE_HOME or
            ~/.cache, then l2h).

    Returns:
        The set's folder, and the edition that lies there.

    Raises:
        NotAvailableError: if the folder that is named lacks the set, or the source does not answer.
        ValueError: if the name is unknown, the name of the folder is blank, or a file is not the published one.
        OSError: if some files of the set are missing, the cache cannot be written, or the disk is full.

    >>> find_edition("fsdd", "/nowhere")
    Traceback (most recent call last):
    l2h.data.published.NotAvailableError: Free Spoken Digit Dataset is not available (no fsdd in /nowhere). ...
    """
    checks.one_of(PUBLICATIONS, name=name)
    configured = sources.configured_folder(folder)
    home = configured or cache_folder()
    edition = _edition_in(name, home)
    reason = ""
    if edition is None and configured is None:
        reason = _download(name, home)
        edition = None if reason else PUBLICATIONS[name].editions[0]
    if edition is None:
        reason = reason or f"no {' or '.join(_folders(name))} in {home}"
        raise NotAvailableError(f"{PUBLICATIONS[name].title} is not available ({reason}). {installation_hint(name)}")
    _verify(edition, home / edition.folder)
    return home / edition.folder, edition


def is_at_hand(name: str, folder: str | Path | None = None) -> bool:
    """Whether files of a published data set lie where `find_edition` looks first; nothing is downloaded or checked.

    Args:
        name: in PUBLICATIONS.
        folder: as in `find_edition`.

    Raises:
        ValueError: if the name is unknown or the name of the folder is blank.

    >>> is_at_hand("fsdd", "/nowhere")
    False
    """
    checks.one_of(PUBLICATIONS, name=name)
    return _edition_in(name, sources.configured_folder(folder) or cache_folder()) is not None


def cache_folder() -> Path:
    """The folder of the user's downloads, which need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "l2h"


def installation_hint(name: str) -> str:
    """One sentence on how a user gets a published data set.

    Args:
        name: in PUBLICATIONS.
    """
    edition = PUBLICATIONS[name].editions[0]
    urls = " and ".join(download.url for download in edition.downloads)
    files = ", ".join(edition.hashes)
    return f"Set L2H_DATA to a folder that holds {edition.folder} with {files}, from {urls}"


def file_hash(path: Path, kind: str) -> str:
    """A digest of a file.

    Args:
        path: of the file.
        kind: "md5", "sha256", or "members": SHA-256 over the names and contents of the WAV files of a zip archive, in
            the order of their names, which does not depend on how the archive was packed.

    Returns:
        Hexadecimal digits.

    Raises:
        ValueError: if the kind is unknown, or the file should be a zip archive and is none.
        OSError: if the file cannot be read.
    """
    checks.one_of(("md5", "sha256", "members"), kind=kind)
    if kind == "members":
        digest = hashlib.sha256()
        for name, content in wav_members(path):
            digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return digest.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def wav_members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names without folders, and contents, of the WAV files of a zip archive, in the order of the names.

    Raises:
        ValueError: if the file is not a zip archive.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            listed = {PurePosixPath(member).name: member for member in opened.namelist() if member.endswith(".wav")}
            for name in sorted(listed):
                yield name, opened.read(listed[name])
    except zipfile.BadZipFile as error:
        raise ValueError(f"expected {archive} as a zip archive, got something else: {error}") from error


def _folders(name: str) -> list[str]:
    return list(dict.fromkeys(edition.folder for edition in PUBLICATIONS[name].editions))


def _edition_in(name: str, home: Path) -> Edition | None:
    """The first edition of which a file lies in the data folder."""
    for edition in PUBLICATIONS[name].editions:
        if any((home / edition.folder / file).exists() for file in edition.hashes):
            return edition
    return None


def _verify(edition: Edition, folder: Path) -> None:
    """Refuse missing files and files that differ from the published ones."""
    for file, known_hash in edition.hashes.items():
        if not (folder / file).is_file():
            raise FileNotFoundError(f"no {file} in {folder}: complete or delete that folder")
        kind, _, digest = known_hash.partition(":")
        actual = file_hash(folder / file, kind)
        if actual != digest:
            raise ValueError(
                f"expected {folder / file} with {kind} {digest}, got {actual}: replace or delete that file"
            )
        if file == SUMS_FILE:
            listed = (line.split(maxsplit=1) for line in (folder / file).read_text("utf8").splitlines())
            _verify(edition._replace(hashes={path: f"sha256:{sha256}" for sha256, path in listed}), folder)


@lru_cache
def _download(name: str, cache: Path) -> str:
    """Download a data set into the cache, whole or not at all; returns the reason where the network is to blame."""
    from requests import RequestException
    from requests.exceptions import ChunkedEncodingError

    title, (edition, *_), licence, citation = PUBLICATIONS[name]
    try:
        for download in edition.downloads:
            sources._check_reachable(download.url)
        logging.getLogger(__name__).warning(
            "%s is downloaded to %s. Licence: %s. Please cite: %s.", title, cache, licence, citation
        )
        _download_atomically(edition, cache)
    except ChunkedEncodingError as error:
        return f"the transfer broke off: {error}"
    except (RequestException, TimeoutError) as error:
        return str(error) or type(error).__name__
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {title} to {cache} ({error.strerror or error}). {installation_hint(name)}"
        ) from error
    except ValueError as error:
        raise ValueError(f"the source of {title} sent something else ({error}). {installation_hint(name)}") from error
    return ""


def _download_atomically(edition: Edition, cache: Path) -> None:
    """Download beside the destination, check, rename: another process may do the same, and any may be interrupted."""
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as scratch:
        if shutil.disk_usage(scratch).free < sources.DISK_SPACE_NEEDED:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for download in edition.downloads:
            _retrieve(download, edition, Path(scratch))
        _verify(edition, Path(scratch) / edition.folder)
        if not (cache / edition.folder).exists():
            (Path(scratch) / edition.folder).rename(cache / edition.folder)


def _retrieve(download: Download, edition: Edition, scratch: Path) -> None:
    import pooch

    known_hash = download.archive_hash or edition.hashes[download.saved_as]
    pooch.retrieve(
        download.url,
        known_hash=None if known_hash.startswith("members:") else known_hash,
        fname=download.saved_as or None,
        path=scratch / edition.folder if download.saved_as else scratch,
        processor=None if download.saved_as else pooch.Untar(extract_dir="."),
        downloader=pooch.HTTPDownloader(
            progressbar=True, chunk_size=sources.CHUNK_SIZE, timeout=sources.DOWNLOAD_TIMEOUT
        ),
    )

"""Data sets of several domains behind one function, and views of them for clients that are weaker for a reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from l2h import checks
from l2h.data import cifar100, labelled, published, sound, sources, tables, text
from l2h.data.labelled import LabelledData, LabelledExamples

UNSEEN_SPEAKER = "yweweler"  # the last in alphabetical order: chosen by nothing that is known of the recordings
FSDD_TEST_TAKES, FSDD_VALIDATION_TAKES = 5, 10  # takes 0-4 are the official test part; 5-9 validate
WATCH_VALIDATION, WATCH_TEST = (6, 7), (8, 9, 10)  # subjects
GAS_TRAIN, GAS_VALIDATION = (1, 2), (3,)  # batches; the later ones are for the test
FIRST_GAS_BATCH = 1
KNOWN_DOMAINS = ("home", "kitchen_and_dining", "utility")  # what an assistant on a shelf in a kitchen may know
CLINC150_PARTS = {
    "train": "train", "val": "validation", "test": "test",
    "oos_train": "out_of_scope_train", "oos_val": "out_of_scope_validation", "oos_test": "out_of_scope_test",
}  # fmt: skip
# What installed packages ship, in the place of a set that is not available: a similar number of classes, or material.
FALLBACKS = {
    "cifar10": "digits",
    "cifar100": "digits",
    "clinc150": "breast_cancer",
    "fsdd": "digits",
    "smartwatch": "segments",
    "gas_drift": "wine",
}
UCI_LICENCE = "CC BY 4.0 (UCI Machine Learning Repository)"


def load(name: str, *, folder: str | Path | None = None, fallback: bool = False) -> LabelledData:
    """Read a data set with its stated parts; the same at every call.

    Args:
        name: in DATA_SETS.
        folder: that holds the set's folder; None reads L2H_DATA, and without it the user's cache, into which the set
            is downloaded.
        fallback: where the set is not available, load FALLBACKS[name], with a banner; the result has its name.

    Returns:
        The data. `banner` is not empty where other or fewer data than the published set were loaded.

    Raises:
        NotAvailableError: if the set is not available and no fallback is asked for.
        ValueError: if the name is unknown, a folder comes with data that a package ships, or a file is not the
            published one.
        OSError: if some of a set's files are missing, or the cache cannot be written.
        ModuleNotFoundError: if the package that ships the data is not installed.

    >>> wine = load("wine")
    >>> wine.train.x.shape, wine.classes, wine.banner
    ((108, 13), ('class_0', 'class_1', 'class_2'), '')
    """
    checks.one_of(DATA_SETS, name=name)
    if folder is not None and name not in FALLBACKS:
        raise ValueError(f"expected no folder with {name}, which a package ships, got {folder}")
    try:
        return DATA_SETS[name](folder)
    except published.NotAvailableError as error:
        if not fallback:
            raise published.NotAvailableError(f"{error}, or ask for fallback=True") from error
        instead = FALLBACKS[name]
        banner = f"{error}. {instead} is used instead of {name}: no number on it is a number on {name}."
        return replace(DATA_SETS[instead](None), requested=name, banner=banner)


def view(data: LabelledData, *names: str) -> LabelledData:
    """Views of a data set, one after another, such as what a weaker client senses, knows or was trained on.

    Args:
        data: from `load`, or a view.
        names: in VIEWS[data.name].

    Returns:
        All parts, with other x or other classes, or with fewer training examples.

    Raises:
        ValueError: if a view is unknown for these data.

    >>> view(load("wine"), "first_measurements").train.x.shape
    (108, 4)
    """
    for name in names:
        checks.one_of(VIEWS.get(data.name, {}), **{f"view of {data.name}": name})
        data = replace(VIEWS[data.name][name](data), views=(*data.views, name))
    return data


def known_domains(data: LabelledData) -> LabelledData:
    """CLINC150 with its ten domains as classes; only the queries of KNOWN_DOMAINS are left for training.

    Args:
        data: CLINC150 with intents as classes.

    Raises:
        ValueError: if the classes are not intents.
    """
    coarse = labelled.with_coarse_labels(data)
    known = [coarse.classes.index(domain) for domain in KNOWN_DOMAINS]
    return labelled.restrict_train(coarse, lambda part: np.isin(part.y, known))


def _cifar10(folder: str | Path | None) -> LabelledData:
    configured = sources.configured_folder(folder)
    if configured and not (configured / sources.CIFAR10_FOLDER).exists():
        home, reason = None, f"no {sources.CIFAR10_FOLDER} in {configured}"
    else:
        home, reason = sources._locate_cifar10(folder)
    if home is None:
        hint = f"Set L2H_DATA to a folder that holds {sources.CIFAR10_FOLDER}"
        raise published.NotAvailableError(f"CIFAR-10 is not available ({reason}). {hint}")
    images = sources.read_images("cifar10", home)[1]
    return LabelledData(
        "cifar10",
        sources.CLASSES["cifar10"],
        _image_parts(*images),
        content="image, 3 x 32 x 32 bytes",
        split="the official test part; a stratified fifth of the official training part validates",
        group_kind="image",
        source=sources.CIFAR10_FOLDER,
        licence="none stated by the authors, who ask for a citation",
        citation="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        requested="cifar10",
    )


def _digits(folder: str | Path | None) -> LabelledData:
    return LabelledData(
        "digits",
        sources.CLASSES["digits"],
        _image_parts(*sources.read_images("digits")[1]),
        content="image of a written digit, 3 x 32 x 32 bytes",
        split="stratified: a quarter for the test, a fifth of the others for validation",
        group_kind="image",
        source="scikit-learn load_digits",
        licence=UCI_LICENCE,
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998",
        requested="digits",
    )


def _cifar100(folder: str | Path | None) -> LabelledData:
    home, origin = _find("cifar100", folder)
    images = cifar100.read_cifar100(home)
    return LabelledData(
        classes=images.classes,
        parts=_image_parts(*images[:4]),
        content="image, 3 x 32 x 32 bytes",
        split="the official test part; a stratified fifth of the official training part validates",
        group_kind="image",
        coarse_classes=images.superclasses,
        coarse_of=images.superclass_of,
        **origin,
    )


def _clinc150(folder: str | Path | None) -> LabelledData:
    home, origin = _find("clinc150", folder)
    queries = text.read_clinc150(home)
    parts, first = {}, 0
    for published_name, name in CLINC150_PARTS.items():
        texts, intents = queries.parts[published_name]
        parts[name] = LabelledExamples(texts, intents, np.arange(first, first + len(texts)))
        first += len(texts)
    return LabelledData(
        classes=queries.intents,
        parts=parts,
        content="query, a text",
        split="the published one; queries outside all intents are parts of their own",
        group_kind="query",
        coarse_classes=queries.domains,
        coarse_of=queries.domain_of,
        **origin,
    )


def _fsdd(folder: str | Path | None) -> LabelledData:
    home, origin = _find("fsdd", folder)
    x, digit, speaker, take = sound.read_fsdd(home)
    everything = LabelledExamples(x, digit, speaker)
    unseen = speaker == UNSEEN_SPEAKER
    is_test, is_validation = take < FSDD_TEST_TAKES, (take >= FSDD_TEST_TAKES) & (take < FSDD_VALIDATION_TAKES)
    masks = {
        "train": ~(unseen | is_test | is_validation),
        "validation": ~unseen & is_validation,
        "test": ~unseen & is_test,
        "unseen_speaker": unseen,
    }
    return LabelledData(
        classes=tuple("0123456789"),
        parts={name: labelled.select(everything, mask) for name, mask in masks.items()},
        content="waveform, 8000 samples of 16 bits at 8 kHz; zeros follow a word",
        split=f"takes 0-4 of each speaker are the official test part, 5-9 validate; {UNSEEN_SPEAKER} is a part alone",
        group_kind="speaker",
        **origin,
    )


def _smartwatch(folder: str | Path | None) -> LabelledData:
    home, origin = _find("smartwatch", folder)
    x, exercise, subject, exercises = tables.read_smartwatch(home)
    masks = {
        "train": ~np.isin(subject, WATCH_VALIDATION + WATCH_TEST),
        "validation": np.isin(subject, WATCH_VALIDATION),
        "test": np.isin(subject, WATCH_TEST),
    }
    return LabelledData(
        classes=exercises,
        parts={name: labelled.select(LabelledExamples(x, exercise, subject), mask) for name, mask in masks.items()},
        content="window of 2 s: 100 samples x 3 accelerations (g) and 3 rates of rotation (rad/s)",
        split="by subject: 1-5 train, 6-7 validate, 8-10 test",
        group_kind="subject",
        **origin,
    )


def _gas_drift(folder: str | Path | None) -> LabelledData:
    home, origin = _find("gas_drift", folder)
    readings = tables.read_gas_drift(home)
    masks = {
        "train": np.isin(readings.batch, GAS_TRAIN),
        "validation": np.isin(readings.batch, GAS_VALIDATION),
        "test": readings.batch > max(GAS_VALIDATION),
    }
    return LabelledData(
        classes=tables.GASES,
        parts={name: labelled.select(LabelledExamples(*readings), mask) for name, mask in masks.items()},
        content="128 features of 16 gas sensors, in the units of the source",
        split="by month: batches 1-2 (months 1-10) train, 3 (11-13) validates, later ones test",
        group_kind="batch",
        **origin,
    )


def _table(name: str, read: Callable[[], tables.PackagedTable], source: str, citation: str) -> LabelledData:
    x, y, classes = read()
    test, validation, train = np.split(sources.stratified_permutation(y), [len(y) // 5, 2 * (len(y) // 5)])
    everything = LabelledExamples(x, y, np.arange(len(y)))
    pieces = {"train": train, "validation": validation, "test": test}
    return LabelledData(
        name,
        classes,
        {part: labelled.select(everything, np.sort(piece)) for part, piece in pieces.items()},
        content=f"{x.shape[1]} measurements, in the units of the source",
        split="stratified: a fifth for validation, a fifth for the test",
        group_kind="row",
        source=source,
        licence=UCI_LICENCE,
        citation=citation,
        requested=name,
    )


def _image_parts(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> dict[str, LabelledExamples]:
    """A stratified fifth of the training images validates; each image is a group."""
    validation, train = (np.sort(piece) for piece in np.split(sources.stratified_permutation(y), [len(y) // 5]))
    return {
        "train": LabelledExamples(x[train], y[train], train),
        "validation": LabelledExamples(x[validation], y[validation], validation),
        "test": LabelledExamples(x_test, y_test, len(y) + np.arange(len(y_test))),
    }


def _find(name: str, folder: str | Path | None) -> tuple[Path, dict[str, Any]]:
    """The folder of a published set, and the fields of `LabelledData` on its origin and on what its files lack."""
    home, edition = published.find_edition(name, folder)
    publication = published.PUBLICATIONS[name]
    return home, {
        "name": name,
        "requested": name,
        "source": f"{edition.folder}: {', '.join(edition.hashes)}",
        "licence": publication.licence,
        "citation": publication.citation,
        "banner": f"A part of {publication.title}: {edition.lacks}." if edition.lacks else "",
    }


DATA_SETS: dict[str, Callable[[str | Path | None], LabelledData]] = {
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "clinc150": _clinc150,
    "fsdd": _fsdd,
    "smartwatch": _smartwatch,
    "gas_drift": _gas_drift,
    "digits": _digits,
    "wine": lambda folder: _table(
        "wine", tables.read_wine, "scikit-learn load_wine", "Aeberhard and Forina, Wine, 1992"
    ),
    "breast_cancer": lambda folder: _table(
        "breast_cancer",
        tables.read_breast_cancer,
        "scikit-learn load_breast_cancer",
        "Wolberg et al., Breast Cancer Wisconsin (Diagnostic), 1993",
    ),
    "segments": lambda folder: _table(
        "segments",
        tables.read_segments,
        "river ImageSegments",
        "Vision Group, University of Massachusetts, Image Segmentation, 1990",
    ),
}
_FIRST_MEASUREMENTS = {
    "first_measurements": lambda data: labelled.map_x(
        data, tables.first_measurements, f"first quarter of: {data.content}"
    )
}
VIEWS: dict[str, dict[str, Callable[[LabelledData], LabelledData]]] = {
    "cifar10": {},
    "cifar100": {"superclasses": labelled.with_coarse_labels},
    "clinc150": {
        "domains": labelled.with_coarse_labels,
        "known_domains": known_domains,
        "ngrams": lambda data: labelled.map_x(
            data, text.hashed_ngrams, f"{text.NGRAM_FEATURES} hashed character n-grams, without a unit"
        ),
    },
    "fsdd": {
        "first_fifth": lambda data: labelled.map_x(data, sound.first_share, f"the first fifth of the {data.content}"),
        "log_mel": lambda data: labelled.map_x(
            data, sound.log_mel, "power in dB of full scale, 32 mel bands x 61 frames of 32 ms, every 16 ms"
        ),
    },
    "smartwatch": {
        "mean_acceleration": lambda data: labelled.map_x(
            data, tables.mean_acceleration, "mean of 3 accelerations over 2 s, in g"
        )
    },
    "gas_drift": {
        "first_months": lambda data: labelled.restrict_train(data, lambda part: part.group == FIRST_GAS_BATCH)
    },
    **{name: _FIRST_MEASUREMENTS for name in sorted(set(FALLBACKS.values()))},
}
# The views of a weaker client and of a server, for each data set.
CLIENT_VIEWS: dict[str, tuple[str, ...]] = {
    "cifar10": (),
    "cifar100": ("superclasses",),
    "clinc150": ("known_domains", "ngrams"),
    "fsdd": ("first_fifth", "log_mel"),
    "smartwatch": ("mean_acceleration",),
    "gas_drift": ("first_months",),
    **{name: ("first_measurements",) for name in sorted(set(FALLBACKS.values()))},
}
SERVER_VIEWS: dict[str, tuple[str, ...]] = {
    **{name: () for name in DATA_SETS},
    "cifar100": ("superclasses",),
    "clinc150": ("domains", "ngrams"),
    "fsdd": ("log_mel",),
}

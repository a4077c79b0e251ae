"""Every data set has its stated parts and views; where the real files lie, they are what was published."""

import socket

import numpy as np
import pytest
from helpers import publications
from sklearn.datasets import load_wine

from l2h.data import domains, labelled, published, sound, sources, text

SMALL = tuple(published.PUBLICATIONS)
PACKAGED = ("digits", "wine", "breast_cancer", "segments")
# name -> classes, numbers of examples in the parts, x of one example, beginning of the SHA-256; for CIFAR-100 and the
# gas sensors, of the parts that developers have.
REAL = {
    "cifar100": (100, {"train": 10240, "validation": 2560, "test": 5000}, (3, 32, 32), "15ad849453a2"),
    "clinc150": (
        150,
        {
            "train": 15000, "validation": 3000, "test": 4500,
            "out_of_scope_train": 100, "out_of_scope_validation": 100, "out_of_scope_test": 1000,
        },
        (),
        "d348fdfd8368",
    ),
    "fsdd": (10, {"train": 2000, "validation": 250, "test": 250, "unseen_speaker": 500}, (8000,), "32f2fe2c158c"),
    "smartwatch": (7, {"train": 1113, "validation": 507, "test": 749}, (100, 6), "6d8ea6768d70"),
    "gas_drift": (6, {"train": 1689, "validation": 1586, "test": 3422}, (128,), "77c7e628998c"),
}  # fmt: skip
AT_HAND = [name for name in SMALL if sources.configured_folder() is not None and published.is_at_hand(name)]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with small files of every published set, which count as the published ones; nothing else."""
    publications.count_as_published(monkeypatch, tmp_path / "scratch")
    monkeypatch.delenv("L2H_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked the network"))
    for name in SMALL:
        publications.write(tmp_path / "data", name)
    return tmp_path / "data"


def no_example_twice(data):
    """No row of x is in two parts."""
    rows = [{np.asarray(x).tobytes() for x in part.x} for part in data.parts.values()]
    return sum(map(len, rows)) == len(set().union(*rows))


# small files


@pytest.mark.parametrize("name", SMALL)
def test_a_set_is_the_same_at_every_call_and_says_where_it_comes_from(small, name):
    data, again = (domains.load(name, folder=small) for _ in range(2))
    assert data.name == data.requested == name and data.banner == "" and data.views == ()
    assert data.sha256 == again.sha256
    publication = published.PUBLICATIONS[name]
    assert (data.licence, data.citation) == (publication.licence, publication.citation)
    assert data.source.startswith(publication.editions[0].folder)
    assert all(part.y.dtype == np.int64 for part in data.parts.values())
    assert no_example_twice(data)


def test_the_parts_of_cifar100_are_the_official_ones(small):
    data = domains.load("cifar100", folder=small)
    held = publications.cifar100_images()
    assert len(data.train.y) == 10 and len(data.validation.y) == 2
    np.testing.assert_array_equal(data.test.x, held["test"].reshape(12, 32, 32, 3).transpose(0, 3, 1, 2))
    coarse = domains.view(data, "superclasses")
    assert coarse.classes == ("fruit", "people") and coarse.views == ("superclasses",)
    np.testing.assert_array_equal(coarse.test.y, np.array([0, 1, 0])[data.test.y])
    np.testing.assert_array_equal(coarse.test.x, data.test.x)


@pytest.mark.parametrize(("name", "missing"), [("cifar100", "128 of the 500"), ("gas_drift", "batches 7 and 10")])
def test_a_part_of_a_set_has_a_banner(small, tmp_path, name, missing):
    publications.write(tmp_path / "part", name, 1)
    data = domains.load(name, folder=tmp_path / "part")
    assert data.name == name and missing in data.banner
    assert data.metadata()["banner"] == data.banner


def test_the_converted_windows_are_the_published_ones(small, tmp_path):
    publications.write(tmp_path / "converted", "smartwatch", 1)
    converted, whole = (domains.load("smartwatch", folder=folder) for folder in (tmp_path / "converted", small))
    assert converted.sha256 == whole.sha256 and converted.banner == ""


def test_queries_out_of_scope_are_apart_and_the_client_knows_three_domains(small):
    data = domains.load("clinc150", folder=small)
    assert data.train.x.tolist() == [query for query, _ in publications.QUERIES["train"]]
    assert data.parts["out_of_scope_test"].y.tolist() == [labelled.OUT_OF_SCOPE] * 2
    all_domains = domains.view(data, "domains")
    assert [all_domains.classes[k] for k in all_domains.train.y] == [
        "home",
        "home",
        *domains.KNOWN_DOMAINS[1:],
        "work",
        "home",
    ]
    known = domains.view(data, "known_domains", "ngrams")
    assert known.views == ("known_domains", "ngrams") and known.classes == all_domains.classes
    assert {known.classes[k] for k in known.train.y} == set(domains.KNOWN_DOMAINS)
    assert known.train.x.shape == (5, text.NGRAM_FEATURES)
    assert known.validation.y.tolist() == all_domains.validation.y.tolist()  # only training is restricted
    groups = [group for part in data.parts.values() for group in part.group.tolist()]
    assert len(set(groups)) == len(groups)


def test_one_speaker_is_in_no_other_part(small):
    data = domains.load("fsdd", folder=small)
    assert {name: len(part.y) for name, part in data.parts.items()} == dict(
        train=10, validation=10, test=10, unseen_speaker=30
    )
    assert set(data.parts["unseen_speaker"].group) == {domains.UNSEEN_SPEAKER}
    for name, take in (("train", 12), ("validation", 5), ("test", 0)):
        part = data.parts[name]
        assert set(part.group) == {"george"}
        for x, digit in zip(part.x, part.y, strict=True):
            samples = publications.word(int(digit), "george", take)
            np.testing.assert_array_equal(x[: len(samples)], samples)
    start = domains.view(data, "first_fifth")
    np.testing.assert_array_equal(start.test.x[:, :200], data.test.x[:, :200])  # words of take 0 have 1,000 samples
    assert not start.test.x[:, 200:].any()
    assert domains.view(data, "first_fifth", "log_mel").test.x.shape == (10, sound.N_MELS, 61)


def test_no_subject_is_in_two_parts(small):
    data = domains.load("smartwatch", folder=small)
    subjects = {name: set(part.group.tolist()) for name, part in data.parts.items()}
    assert subjects == {"train": {1, 2, 3, 4, 5}, "validation": {6, 7}, "test": {8, 9, 10}}
    assert domains.view(data, "mean_acceleration").train.x.shape == (len(data.train.y), 3)


def test_gas_sensors_are_split_in_order_of_time(small):
    data = domains.load("gas_drift", folder=small)
    batches = {name: set(part.group.tolist()) for name, part in data.parts.items()}
    assert batches == {"train": {1, 2}, "validation": {3}, "test": {4, 10}}
    first = domains.view(data, "first_months")
    assert set(first.train.group.tolist()) == {1} and len(first.test.y) == len(data.test.y)
    assert "research purposes only" in data.licence


# what packages ship


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_data_need_no_files_and_no_network(small, name):
    data = domains.load(name)
    assert data.name == data.requested == name and data.banner == ""
    client = domains.view(data, *domains.CLIENT_VIEWS[name])
    assert client.train.x[0].size <= data.train.x[0].size // 3
    for part in data.parts.values():
        assert set(part.y.tolist()) == set(range(len(data.classes)))
    with pytest.raises(ValueError, match=f"expected no folder with {name}, which a package ships"):
        domains.load(name, folder=small)


def test_a_table_loses_no_row():
    data = domains.load("wine")
    x = np.concatenate([part.x for part in data.parts.values()])
    assert sorted(map(tuple, x.tolist())) == sorted(map(tuple, load_wine().data.astype(np.float32).tolist()))


@pytest.mark.parametrize("name", domains.FALLBACKS)
def test_nothing_takes_the_place_of_an_absent_set_unless_asked_for(small, tmp_path, name):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(published.NotAvailableError, match=r"not available \(no .* in .*nowhere\).*fallback=True"):
        domains.load(name, folder=nowhere)
    data = domains.load(name, folder=nowhere, fallback=True)
    assert (data.name, data.requested) == (domains.FALLBACKS[name], name)
    assert "is not available (no" in data.banner and f"{data.name} is used instead of {name}" in data.banner
    assert "Set L2H_DATA" in data.banner and "fallback" not in data.banner
    assert data.sha256 == domains.load(data.name).sha256
    assert data.metadata()["requested"] == name
    domains.view(data, *domains.CLIENT_VIEWS[data.name])


def test_a_set_that_is_there_is_loaded_although_a_fallback_is_allowed(small):
    assert domains.load("gas_drift", folder=small, fallback=True).name == "gas_drift"


def test_damaged_files_are_an_error_even_with_a_fallback(small):
    (small / "clinc150" / "domains.json").write_text("{}", "utf8")
    with pytest.raises(ValueError, match=r"expected .*domains.json with sha256"):
        domains.load("clinc150", folder=small, fallback=True)
    (small / "clinc150" / "domains.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no domains.json in"):
        domains.load("clinc150", folder=small, fallback=True)


def test_names_that_are_unknown_are_refused(small):
    with pytest.raises(ValueError, match=r"expected name to be one of 'cifar10', .*, got 'mnist'"):
        domains.load("mnist")
    data = domains.load("fsdd", folder=small)
    with pytest.raises(ValueError, match="expected view of fsdd to be one of 'first_fifth', 'log_mel', got 'domains'"):
        domains.view(data, "domains")
    assert set(domains.VIEWS) == set(domains.CLIENT_VIEWS) == set(domains.SERVER_VIEWS) == set(domains.DATA_SETS)


def test_cifar10_has_the_images_of_its_source(small, monkeypatch):
    x = np.arange(20, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 3, 32, 32), np.uint8)
    images = sources.Images(x, np.tile(np.arange(10), 2), x[:10] + 50, np.arange(10))
    (small / sources.CIFAR10_FOLDER).mkdir()
    monkeypatch.setattr(sources, "_locate_cifar10", lambda folder: (folder, ""))
    monkeypatch.setattr(sources, "read_images", lambda source, folder: (source, images))
    data = domains.load("cifar10", folder=small)
    assert {name: len(part.y) for name, part in data.parts.items()} == dict(train=16, validation=4, test=10)
    assert no_example_twice(data) and data.classes == sources.CLASSES["cifar10"]
    np.testing.assert_array_equal(data.test.x, images.x_test)


def test_why_cifar10_could_not_be_downloaded_is_said(small, monkeypatch):
    monkeypatch.setattr(sources, "_download", lambda cache: "the transfer broke off")
    with pytest.raises(published.NotAvailableError, match=r"CIFAR-10 is not available \(the transfer broke off\)"):
        domains.load("cifar10")


# real files, where L2H_DATA has them


@pytest.fixture(scope="session")
def real():
    """The real sets at hand, each loaded once."""
    return {name: domains.load(name) for name in AT_HAND}


@pytest.mark.parametrize("name", REAL)
def test_real_data_have_the_stated_sizes(real, name, tmp_path, caplog):
    """Where L2H_DATA has them; elsewhere nothing may come in their place."""
    if name not in real:
        with pytest.raises(published.NotAvailableError):
            domains.load(name, folder=tmp_path)
        return
    data = real[name]
    n_classes, sizes, shape, sha256 = REAL[name]
    whole = {"cifar100": {"train": 40000, "validation": 10000, "test": 10000}, "gas_drift": {**sizes, "test": 10635}}
    assert len(data.classes) == n_classes
    is_known = bool(data.banner) or name not in whole
    assert {part: len(p.y) for part, p in data.parts.items()} == (sizes if is_known else whole[name])
    assert data.sha256.startswith(sha256) == is_known
    for part, examples in data.parts.items():
        assert examples.x.shape[1:] == shape
        if not part.startswith(labelled.OUT_OF_SCOPE_PREFIX) and name != "gas_drift":  # no toluene in batch 3
            assert set(examples.y.tolist()) == set(range(n_classes))
    assert caplog.get_records("setup") == caplog.records == []  # what is at hand is not downloaded


def test_views_of_real_data_are_what_their_names_say(real):
    if "gas_drift" in real:
        first = domains.view(real["gas_drift"], "first_months")
        assert len(first.train.y) == 445 and set(first.train.y.tolist()) == set(range(6))
    if "cifar100" in real:
        assert np.bincount(real["cifar100"].coarse_of).tolist() == [5] * 20
    if "clinc150" in real:
        known = domains.view(real["clinc150"], "known_domains")
        assert len(known.classes) == 10 and len(known.train.y) == 3 * 15 * 100
    if "smartwatch" in real:
        gravity = np.linalg.norm(domains.view(real["smartwatch"], "mean_acceleration").train.x, axis=1)
        assert 0.8 < np.median(gravity) < 1.2  # g
    if "fsdd" in real:
        start = domains.view(real["fsdd"], "first_fifth").test.x
        length, kept = (((x != 0) * np.arange(1, 8001)).max(axis=1) for x in (real["fsdd"].test.x, start))
        assert (kept <= np.ceil(0.2 * length)).all() and (kept > 0.15 * length).mean() > 0.9

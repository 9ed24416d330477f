"""Images in folders."""

import os
import sys

import numpy as np
import pytest

from nnfw.data import Examples, open_source
from nnfw.errors import DataError
from nnfw.experiments import read_experiment
from nnfw.plugins import default_registry
from nnfw.runs import train
from nnfw.testing import run_checks
from nnfw_standard import ImageFolder
from nnfw_standard.datasets import image_folder

Image = pytest.importorskip("PIL.Image")


def save(folder, name, pixels, mode=None):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8), mode=None).convert(mode or "RGB").save(path)


def plain(value, height=2, width=3):
    return np.full((height, width, 3), value)


@pytest.fixture
def photos(tmp_path):
    """Two images of cats and one of a dog, each of one colour."""
    save(tmp_path, "photos/dog/1.png", plain([0, 0, 255]))
    save(tmp_path, "photos/cat/2.png", plain([0, 255, 0]))
    save(tmp_path, "photos/cat/1.png", plain([255, 0, 51]))
    (tmp_path / "photos/readme.txt").write_text("no folder")
    (tmp_path / "photos/cat/notes.txt").write_text("no image")
    (tmp_path / "photos/cat/.hidden.png").write_text("no image")
    return tmp_path


@pytest.fixture
def on_disk(monkeypatch):
    """Let every folder be larger than the memory, and chunks hold two small images."""
    monkeypatch.setattr(image_folder, "_IN_MEMORY", 0)
    monkeypatch.setattr(image_folder, "_CHUNK", 2 * 4 * 18)


def test_load_gives_channels_first_and_classes_by_folder(photos):
    examples = ImageFolder("photos").load(photos)
    images = examples.features["image"]
    assert (images.shape, images.dtype) == ((3, 3, 2, 3), np.float32)
    np.testing.assert_allclose(images[:, :, 0, 0], [[1, 0, 0.2], [0, 0, 1], [0, 1, 0]], rtol=1e-6)
    assert (examples.target.tolist(), examples.target_name, examples.classes) == ([0, 1, 0], "class", ("cat", "dog"))


def test_load_rows_and_columns_are_those_of_the_image(tmp_path):
    pixels = np.arange(18).reshape(2, 3, 3)
    save(tmp_path, "a/x/1.png", pixels)
    found = ImageFolder("a").load(tmp_path).features["image"][0] * 255
    np.testing.assert_allclose(found, pixels.transpose(2, 0, 1), rtol=1e-6)


def test_load_grey_has_one_channel(photos):
    images = ImageFolder("photos", mode="grey").load(photos).features["image"]
    assert images.shape == (3, 1, 2, 3)
    assert images[2, 0, 0, 0] == pytest.approx(150 / 255)  # the green part of ITU-R 601


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_load_images_of_other_modes_are_converted(tmp_path, mode):
    name = "a/x/1.jpg" if mode == "CMYK" else "a/x/1.png"
    save(tmp_path, name, plain(255), mode)
    images = ImageFolder("a").load(tmp_path).features["image"]
    np.testing.assert_allclose(images, np.ones((1, 3, 2, 3)), atol=0.02)


def test_load_size_resizes_images_of_several_sizes(photos):
    save(photos, "photos/cat/3.png", plain([10, 20, 30], 7, 5))
    dataset = ImageFolder("photos", size=(4, 6))
    assert dataset.input_shape() == (3, 4, 6)
    images = dataset.load(photos).features["image"]
    assert images.shape == (4, 3, 4, 6)
    np.testing.assert_allclose(images[3, :, 3, 5] * 255, [10, 20, 30], atol=1)


def test_load_resizing_is_bilinear(tmp_path):
    save(tmp_path, "a/x/1.png", [[[0] * 3, [200] * 3]])
    images = ImageFolder("a", size=(1, 4)).load(tmp_path).features["image"]
    np.testing.assert_allclose(images[0, :, 0] * 255, [[0, 50, 150, 200]] * 3, atol=1)


def test_load_images_of_several_sizes_without_size_names_two(photos):
    save(photos, "photos/cat/3.png", plain(1, 7, 5))
    message = (
        r"^Images have several sizes: \S+1\.png 2 x 3 pixels, \S+3\.png 7 x 5\. Set size, to which all are resized: "
        r"size = \[2, 3\]\.$"
    )
    with pytest.raises(DataError, match=message):
        ImageFolder("photos").load(photos)


def test_load_jpeg_in_capitals_is_taken_and_patterns_choose(photos):
    save(photos, "photos/dog/2.JPG", plain(9))
    assert len(ImageFolder("photos").load(photos)) == 4
    assert len(ImageFolder("photos", patterns=("1.*",)).load(photos)) == 2


@pytest.mark.parametrize("size", [None, 4], ids=["one size", "resized"])
@pytest.mark.parametrize("damage", [lambda content: b"no image", lambda content: content[:45]], ids=["none", "cut"])
def test_load_damaged_image_is_named(photos, damage, size):
    path = photos / "photos/dog/1.png"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"1\.png is no image, or damaged: .*Replace it, or leave it out\."):
        ImageFolder("photos", size=size).load(photos)


@pytest.mark.parametrize("size", [None, 4], ids=["one size", "resized"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, r"3\.png: an image cannot be read: it is a device or a pipe, not a file\."),
        (os.mkdir, r"3\.png is a directory; expected an image\."),
        (lambda path: path.symlink_to("gone.png"), r"3\.png: there is no such file; expected an image\."),
        (lambda path: path.symlink_to("3.png"), r"3\.png: an image cannot be read: Too many levels of symbolic links"),
    ],
    ids=["pipe", "folder", "broken link", "link to itself"],
)
def test_load_what_is_no_file_is_named(photos, make, message, size):
    make(photos / "photos/dog/3.png")
    with pytest.raises(DataError, match=message):
        ImageFolder("photos", size=size).load(photos)


def test_fingerprint_of_an_image_that_has_gone_names_it(photos, on_disk):
    source = open_source(ImageFolder("photos", size=2), photos)
    (photos / "photos/dog/1.png").unlink()
    with pytest.raises(DataError, match=r"1\.png: there is no such file; expected an image\."):
        source.fingerprint()


def test_load_images_of_2_gib_are_refused(photos):
    message = (
        r"photos: an image of shape \(3, 100000, 100000\) takes 111\.8 GiB as float32, more than .* smaller size\."
    )
    with pytest.raises(DataError, match=message):
        ImageFolder("photos", size=100_000).load(photos)


def test_load_image_of_16_bits_is_refused(photos):
    Image.fromarray(np.full((2, 3), 40_000, np.uint16)).save(photos / "photos/dog/1.png")
    with pytest.raises(DataError, match=r"1\.png has more than 8 bits for each number \(mode I;16\)\. Convert it"):
        ImageFolder("photos").load(photos)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("empty", r"empty holds no folder of images; expected a folder for each class, with files like \*\.png"),
        ("half", r"half/b holds no image; expected a folder for each class"),
        ("none", r"none: there is no such file; expected a folder with a folder of images for each class\."),
        ("photos/readme.txt", r"readme\.txt: there is no such file; expected a folder"),
    ],
    ids=["empty", "a class without images", "missing", "a file"],
)
def test_load_folder_without_images_is_refused(photos, path, message):
    (photos / "empty").mkdir()
    (photos / "half/b").mkdir(parents=True)
    save(photos, "half/a/1.png", plain(1))
    with pytest.raises(DataError, match=message):
        ImageFolder(path).load(photos)


def test_load_without_pillow_says_what_to_install(photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"^The dataset 'image_folder' needs Pillow: pip install 'nnfw\[images\]'\.$"):
        ImageFolder("photos").load(photos)


def test_open_small_folder_is_loaded(photos):
    assert open_source(ImageFolder("photos"), photos) is None


def test_open_large_folder_is_a_source_of_chunks_with_all_classes(photos, on_disk):
    for number in range(2, 9):
        save(photos, f"photos/cat/{number}.png", plain(number))
    source = open_source(ImageFolder("photos"), photos)
    assert list(source.chunks) == [2, 2, 2, 2, 1]
    loaded = ImageFolder("photos").load(photos)
    np.testing.assert_array_equal(Examples.of(source).features["image"], loaded.features["image"])
    first = loaded.features["image"][:, 0, 0, 0] * 255
    np.testing.assert_allclose(first, [255, 2, 3, 4, 0, 5, 6, 7, 8], rtol=1e-6)
    assert loaded.target.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]  # the only dog in the middle


def test_open_fingerprint_changes_with_a_file(photos, on_disk):
    first = ImageFolder("photos").open(photos).fingerprint()
    assert ImageFolder("photos").open(photos).fingerprint() == first
    os.utime(photos / "photos/dog/1.png", (1, 1))
    assert ImageFolder("photos").open(photos).fingerprint() != first


@pytest.mark.parametrize("options", [{}, {"size": 4, "mode": "grey"}], ids=["plain", "resized"])
def test_image_folder_passes_the_kit(photos, on_disk, monkeypatch, options):
    monkeypatch.chdir(photos)
    report = run_checks(ImageFolder("photos", **options))
    assert [(item.check, item.message) for item in report.failures] == []
    passed = {item.check for item in report.outcomes if item.status == "passed"}
    assert {"dataset.loads_examples", "dataset.open_gives_what_load_gives"} <= passed


def test_folder_larger_than_memory_trains(tmp_path, on_disk):
    rng = np.random.default_rng(0)
    for number in range(20):
        for name, colour in (("dark", 60), ("light", 190)):
            save(tmp_path, f"images/{name}/{number}.png", np.clip(colour + rng.normal(0, 30, (2, 3, 3)), 0, 255))
    (tmp_path / "a.toml").write_text(
        """
        [data]
        source = { type = "image_folder", path = "images" }
        [[model.layers]]
        type = "conv2d"
        filters = 2
        kernel = 2
        [[model.layers]]
        type = "flatten"
        [[model.layers]]
        type = "dense"
        units = 2
        activation = "softmax"
        [cost]
        type = "cross_entropy"
        [optimizer]
        type = "adam"
        learning_rate = 0.05
        [training]
        epochs = 10
        batch_size = 4
        metrics = ["accuracy"]
        """
    )
    run = train(read_experiment(tmp_path / "a.toml", default_registry()), default_registry(), tmp_path / "run")
    assert run.results["test"]["accuracy"] == 1

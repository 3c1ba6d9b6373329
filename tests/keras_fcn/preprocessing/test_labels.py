from __future__ import annotations

import pytest

from keras_fcn.cli.flags import flag
from keras_fcn.preprocessing.labels import class_names, find_class, read_labels


def test_one_name_a_line_with_or_without_wordnet_ids(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("n01440764 tench, Tinca tinca\n\ngreat white shark\nn2 \u00e9clair\n", "utf-8")
    assert read_labels(str(path)) == ("tench, Tinca tinca", "great white shark", "n2 \u00e9clair")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xff\xfe\x00"])
def test_files_without_names(content, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Received: .*labels\.txt"):
        read_labels(str(path))


def test_names_where_none_are_given():
    assert class_names(None, 3) == ("class 0", "class 1", "class 2")
    assert class_names(None, 1000)[281] == "tabby, tabby cat"
    assert class_names(("a", "b"), 2) == ("a", "b")


def test_names_for_another_number_of_classes():
    with pytest.raises(ValueError, match=r"each of the network's 3 classes. Received: 2 names"):
        class_names(("a", "b"), 3)


NAMES = ("tabby, tabby cat", "crane", "tiger cat", "Crane", "7")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [("0", 0), ("3", 3), ("Tiger Cat", 2), ("tabby", 0), ("tabby, tabby cat", 0), ("7", 4)],
)
def test_find_class(wanted, index):
    assert find_class(wanted, NAMES) == index


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("5", r"below 5\. Received: 5"),
        ("-1", r"see labels\. Received: -1"),
        ("crane", r"indices \[1, 3\]\. Received: crane"),
        ("cat", r"such as tabby, tabby cat; tiger cat\. Received: cat"),
        ("dog", r"see labels\. Received: dog"),
    ],
)
def test_classes_that_are_not_there(wanted, message):
    with pytest.raises(ValueError, match=message):
        find_class(wanted, NAMES)


def test_the_command_line_names_its_options():
    with pytest.raises(ValueError, match=r"--class must be.*see --labels\. Received: dog"):
        find_class("dog", NAMES, option=flag)
    with pytest.raises(ValueError, match="--labels must name each"):
        class_names(("a",), 2, option=flag)
    assert flag("raw_scale") == "--raw-scale"
    assert flag("outputs") == "--output-blob"

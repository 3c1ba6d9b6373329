from __future__ import annotations

import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli.flags import flag
from keras_fcn.preprocessing.labels import class_names, find_class, read_labels, told_names


def test_one_name_a_line_with_or_without_wordnet_ids(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("n01440764 tench, Tinca tinca\n\ngreat white shark\nn2 \u00e9clair\n", "utf-8")
    assert read_labels(str(path)) == ("tench, Tinca tinca", "great white shark", "n2 \u00e9clair")


LABEL_MAP = """# of VOC
item {
  name: "none_of_the_above"
  label: 0
  display_name: "background"
}
item { name: "n02691156" label: 2 display_name: "airplane, plane" }
item { name: "bicycle" label: 1 }
"""


def test_label_maps(tmp_path):
    path = tmp_path / "labelmap_voc.prototxt"
    path.write_text(LABEL_MAP)
    assert read_labels(str(path)) == ("background", "bicycle", "airplane, plane")
    path.write_text("item {\n id: 2\n name: 'cat'\n}\nitem {\n id: 1\n name: 'dog'\n}\n")
    assert read_labels(str(path)) == ("dog", "cat")


def test_names_of_data_sets():
    assert read_labels("pascal_voc")[:2] == ("background", "aeroplane")
    assert told_names("pascal_voc") == read_labels("pascal_voc")
    assert told_names(["a"]) == ["a"]
    assert told_names(None) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("label: 2", "label: 3", r"from 0, or from 1, each once\. Received: \[0, 3, 1\]"),
        ("label: 2", "label: 1", r"Received: \[0, 1, 1\]"),
        ('"bicycle"', '""', "the item of label 1 has no name"),
        ("label: 0", "lable: 0", r"labelmap\.prototxt:4: .*'lable'"),
        ("label: 0", 'label: "0"', r"labelmap\.prototxt:4: "),
    ],
)
def test_label_maps_with_mistakes(old, new, message, tmp_path):
    path = tmp_path / "labelmap.prototxt"
    path.write_text(LABEL_MAP.replace(old, new))
    with pytest.raises(CaffeError, match=message):
        read_labels(str(path))


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xff\xfe\x00"])
def test_files_without_names(content, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Received: .*labels\.txt"):
        read_labels(str(path))


def test_names_where_none_are_given():
    assert class_names(None, 3) == ("class 0", "class 1", "class 2")
    assert class_names(None, 1000)[281] == "class 281"
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

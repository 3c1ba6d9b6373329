"""`keras-fcn models`: the published networks that the registry knows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from keras_fcn.text_tables import text_table

if TYPE_CHECKING:
    from keras_fcn.published import PublishedModel

SUMMARY = (
    "List the published networks. With a name, show all that is known of one: where its weights "
    "lie, how they are recognised, how images are prepared, how well it does."
)
EXAMPLE = "keras-fcn models dilation8_pascal_voc"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", nargs="?", help="show one of them in full")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Print the table, or one entry.

    Raises:
        ValueError: no published model has this name.
    """
    from keras_fcn.published import published, published_model

    if options.name is not None:
        print(_facts(published_model(options.name)))
        return
    titles = ("name", "constructor", "classes", "licence", "kept", "MB")
    print(text_table([titles, *map(_row, published().values())], right=[-1]))


def _row(entry: PublishedModel) -> tuple[str, ...]:
    from keras_fcn.published.cache import caffemodel_path

    path = caffemodel_path(entry.name)
    kept = path.exists() or path.with_suffix(".h5").exists()
    size = entry.weights.size
    return (
        entry.name,
        entry.constructor or "-",
        entry.dataset or "-",
        entry.licence or "-",
        "yes" if kept else "no",
        "?" if size is None else f"{size / 1e6:.0f}",
    )


def _facts(entry: PublishedModel) -> str:
    from keras_fcn.published.cache import caffemodel_path

    facts = [("name", entry.name), ("what", entry.title)]
    if entry.constructor:
        options = "".join(f", {name}={value!r}" for name, value in entry.options.items())
        facts.append(
            ("in Keras", f"keras_fcn.{entry.constructor}(weights={entry.name!r}{options})")
        )
    facts += [("weights", url) for url in entry.weights.urls]
    if entry.weights.size is not None:
        facts.append(("size", f"{entry.weights.size:,} bytes"))
    facts += list(entry.weights.hashes.items())
    facts += [("prototxt", url) for url in entry.prototxt.urls]
    known = {
        "licence": entry.licence,
        "classes": entry.dataset,
        "input": entry.input and "{} x {}".format(*entry.input),
        "mean": entry.mean and (_mean(entry) if entry.mean != "none" else "none"),
        "scale": f"{entry.scale:g}" if entry.mean else "",
        "tiles": entry.tiles and "margin {margin}, zoom {zoom}".format(**entry.tiles),
    }
    facts += [(name, value) for name, value in known.items() if value]
    facts += [("result", str(figure)) for figure in entry.published]
    facts.append(("kept as", str(caffemodel_path(entry.name))))
    return text_table(facts)


def _mean(entry: PublishedModel) -> str:
    return f"{', '.join(map(str, entry.mean or ()))} ({entry.channel_order.upper()})"

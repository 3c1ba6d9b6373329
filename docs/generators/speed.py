"""The page about speed: the figures of the benchmarks' README, and what their words mean."""

from __future__ import annotations

from pathlib import Path

_FIGURES = Path(__file__).resolve().parents[2] / "tests" / "benchmarks" / "README.md"
_TITLE = "# Speed\n"
_INTRODUCTION = """\
# Speed

How long networks take here, beside the same networks in the programs that one would use otherwise.
Your own machine and network decide; so each table stands under the command that makes it again,
run in a clone of the repository after `make bench` has installed what is compared with.

The words of the tables:

- **ours**: `model.predict` as any Keras model has it; the same network as a SavedModel; and the
  bare compiled function, without what Keras does around it.
- **stock Keras**: the network written with Keras' own layers, as one would do it by hand.
- **batch**: how many images go through the network at once. One image at a time is what a camera
  or a service has; many at once is what a folder has.
- **a peer** is another program in the same run, and **a ratio** compares with the fastest of them:
  1 is as fast, 2 takes twice as long, unless a table says otherwise.
- **the bar** is what was aimed at before anything was measured. Where it is missed, the text says
  so, and why.

To make a network faster, see [Faster inference](guides/engines.md); for GPUs,
[Backends and GPUs](guides/backends.md).
"""


def page() -> str:
    """The introduction, and the figures from where they are kept.

    Raises:
        ValueError: the figures do not stand under their title.
    """
    _, title, figures = _FIGURES.read_text("utf-8").partition(_TITLE)
    if not title:
        raise ValueError(f"{_FIGURES} lacks its title, {_TITLE.strip()!r}")
    return f"{_INTRODUCTION}\n## The figures\n{figures}"

"""The first line of a prototxt, where it is a comment that says what the network is for.

Caffe skips it; what it holds is text of `keras_fcn.core.stored_cards`.
"""

from __future__ import annotations

__all__ = ["CARD_NAME", "told", "with_card"]

CARD_NAME = "keras_fcn_card"
"""Name of the card in the metadata of other files."""
_BEGIN = "# keras_fcn card: "


def with_card(prototxt: str, card: str) -> str:
    """A prototxt's text with a card before it; `""` is none."""
    return f"{_BEGIN}{card}\n{prototxt}" if card else prototxt


def told(prototxt: str | None) -> str:
    """The card in a prototxt's text; `""` where there is none."""
    line = (prototxt or "").partition("\n")[0]
    return line.removeprefix(_BEGIN) if line.startswith(_BEGIN) else ""

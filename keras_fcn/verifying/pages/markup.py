"""HTML made of text that may hold anything: names come from files."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from keras_fcn.caffe.io.files import atomic_write

_LONGEST = 120
"""Characters of a name that are shown; the middle of a longer one is left out."""
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Kinds of characters that cannot be seen, or that change how others stand."""


def shown(text: str, longest: int = _LONGEST) -> str:
    """A name as HTML in which it cannot do anything: escaped, cut, and kept in its direction.

    What cannot be seen, such as marks of direction, is written as its number.
    """
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    plain = "".join(map(_seen, text))
    return f"<bdi>{html.escape(plain)}</bdi>"


def plain(text: str, longest: int = 2000) -> str:
    """A sentence as HTML, escaped; names in it may be longer than in tables."""
    return shown(text, longest)


def attribute(text: str) -> str:
    """A name for an attribute between double quotes."""
    return html.escape("".join(map(_seen, text[:_LONGEST])), quote=True)


def _seen(character: str) -> str:
    if unicodedata.category(character) in _UNSEEN:
        return f"\\u{ord(character):04x}"
    return character


def number(value: float) -> str:
    """A difference, short."""
    return "0" if value == 0 else f"{value:.1e}"


def shape(sizes: Iterable[int] | None) -> str:
    """Sizes with crosses between them."""
    sizes = tuple(sizes or ())
    return " \N{MULTIPLICATION SIGN} ".join(map(str, sizes)) or "scalar"


def write_document(path: str | Path, title: str, body: str) -> None:
    """Write a page as one file, whole or not at all.

    It may load nothing and run nothing: pictures lie in it.

    Raises:
        CaffeError: the file cannot be written.
    """
    text = _DOCUMENT.format(
        title=html.escape("".join(map(_seen, title[:_LONGEST]))), style=_STYLE, body=body
    )
    with atomic_write(Path(path)) as file:
        file.write(text.encode("utf-8"))


_DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""

_STYLE = """\
:root { color-scheme: light dark; --back: #ffffff; --text: #1d2129; --soft: #5c6470;
  --line: #dfe3e8; --panel: #f5f7f9; --same: #1a7f4b; --near: #1c6fb8; --ties: #8a6100;
  --differs: #c02626; --missing: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --back: #14171c; --text: #e7eaee; --soft: #a2abb6;
  --line: #323843; --panel: #1d222a; --same: #57c98d; --near: #69b4f5; --ties: #e0b24a;
  --differs: #ff7b72; --missing: #98a1ad; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 75rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.banner { border-left: .35rem solid var(--tone, var(--missing)); background: var(--panel);
  padding: .75rem 1rem; margin: 1rem 0; border-radius: .25rem; }
.banner strong { color: var(--tone, var(--text)); }
.same { --tone: var(--same); } .rounding { --tone: var(--near); }
.ties, .noise { --tone: var(--ties); }
.differs, .shape { --tone: var(--differs); } .missing { --tone: var(--missing); }
.tone { color: var(--tone); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--line); } .limit { stroke: var(--same); stroke-dasharray: 5 4; }
.curve { fill: none; stroke: var(--soft); stroke-width: 1.2; }
circle { fill: var(--tone); }
.row, .head { display: grid; align-items: baseline; gap: .25rem .75rem; padding: .3rem .5rem;
  grid-template-columns: 1rem minmax(8rem, 2.2fr) minmax(7rem, 2fr) minmax(7rem, 1.4fr)
    5rem 5rem 5.5rem 4.5rem minmax(5.5rem, 1fr); }
.head { color: var(--soft); font-size: .85rem; border-bottom: 2px solid var(--line); }
.blob { border-bottom: 1px solid var(--line); }
.blob > summary { list-style: none; cursor: pointer; }
.blob > summary::-webkit-details-marker { display: none; }
.blob > summary:hover { background: var(--panel); }
summary:focus-visible, a:focus-visible { outline: 2px solid var(--near); outline-offset: -2px; }
.row > span { overflow-wrap: anywhere; min-width: 0; }
.blob > summary .mark::before { content: "\\25B8"; color: var(--soft); }
.blob[open] > summary .mark::before { content: "\\25BE"; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.kind { color: var(--soft); font-size: .85rem; }
.inside { padding: .5rem .75rem 1rem 2rem; background: var(--panel); }
.maps { display: flex; flex-wrap: wrap; gap: 1rem; margin: .5rem 0; }
figure { margin: 0; flex: 0 1 18rem; min-width: 9rem; }
figure img { display: block; width: 100%; image-rendering: pixelated; background: var(--line);
  border: 1px solid var(--line); }
figcaption { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
.wide { flex: 1 1 100%; overflow-x: auto; } .wide svg { min-width: 30rem; }
table { border-collapse: collapse; } .all { width: 100%; }
td, th { padding: .2rem .75rem .2rem 0; text-align: left; vertical-align: top; }
.all td { border-top: 1px solid var(--line); } .all td:last-child { overflow-wrap: anywhere; }
a { color: var(--near); overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; }
.legend i { display: inline-block; width: .85em; height: .85em; margin-right: .35em;
  border: 1px solid var(--line); }
.ours { stroke: var(--near); fill: none; }
.theirs { stroke: var(--ties); stroke-width: 3; stroke-opacity: .5; fill: none; }
@media (max-width: 45rem) {
  .head { display: none; }
  .row { grid-template-columns: 1rem 1fr 1fr; }
  .row > .name { grid-column: 2 / -1; font-weight: 600; }
  .row > .number { text-align: left; } .row > .none { display: none; }
  .row > [data-label=largest], .row > [data-label=cosine], .row > .maker { grid-column: 2; }
  .row > [data-label=rms], .row > [data-label=within], .row > .sizes { grid-column: 3; }
  .row > .verdict { grid-column: 2 / -1; }
  .row > span[data-label]::before { content: attr(data-label) " "; color: var(--soft);
    font-size: .8rem; }
  .inside { padding-left: .75rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .35rem; }
}
@media print { .blob > summary .mark { display: none; } }
"""

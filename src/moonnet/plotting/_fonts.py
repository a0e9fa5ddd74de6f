"""Text from the data: characters that matplotlib's default font lacks, such as Chinese ones, and dollar signs."""

import functools
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

# Font of boxes, which matplotlib has from 3.11 on
_BOXES = "Last Resort High-Efficiency"


class MissingFontWarning(UserWarning):
    """No installed font has some characters of a plot."""

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = set(characters)
        super().__init__(
            f"No installed font has the characters {''.join(sorted(self.characters))!r}, so they are drawn as boxes. "
            "Install a font that has them, for example Noto Sans CJK for Chinese, Japanese and Korean."
        )


@contextmanager
def merged_font_warnings() -> Iterator[None]:
    """Let a block that draws several figures warn once of the characters that no font has."""
    absent = set()
    with warnings.catch_warnings():
        show_other = warnings.showwarning

        def show_warning(message: Any, *args: Any, **kwargs: Any) -> None:
            if isinstance(message, MissingFontWarning):
                absent.update(message.characters)
            else:
                show_other(message, *args, **kwargs)

        warnings.showwarning = show_warning
        warnings.simplefilter("always", MissingFontWarning)
        # matplotlib before 3.11 warns of each character
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield
    if absent:
        warnings.warn(MissingFontWarning(absent), stacklevel=3)


def axes_texts(ax: Any) -> list[Any]:
    """Return the title, the axis labels and the legend's texts."""
    legend = ax.get_legend()
    legend_texts = [] if legend is None else [legend.get_title(), *legend.get_texts()]
    return [ax.title, ax.xaxis.label, ax.yaxis.label, *legend_texts]


def make_drawable(texts: Iterable[Any]) -> None:
    """Let matplotlib draw texts with any characters; warn of characters that no installed font has.

    A text whose own font lacks characters gets another font. Dollar signs that enclose no formula are drawn as such.
    """
    from matplotlib.font_manager import fontManager

    texts = list(texts)
    for text in texts:
        if not all(map(_can_be_parsed, text.get_text().split("\n"))):
            text.set_parse_math(False)
    lacking = {text: _missing_characters(text) for text in texts if not text.get_text().isascii()}
    wanted = frozenset().union(*lacking.values())
    if not wanted:
        return
    families, absent = _find_families(wanted, len(fontManager.ttflist))
    for text, characters in lacking.items():
        if characters:
            text.set_fontfamily([*text.get_fontfamily(), *families])
    if absent:
        warnings.warn(MissingFontWarning(absent), stacklevel=3)


def _can_be_parsed(line: str) -> bool:
    """Return whether matplotlib, which takes text between two dollar signs for a formula, can parse a line."""
    if line.count("$") < 2:
        return True
    from matplotlib.cbook import is_math_text
    from matplotlib.mathtext import MathTextParser

    try:
        if is_math_text(line):
            MathTextParser("path").parse(line)
    except ValueError:
        return False
    return True


def _missing_characters(text: Any) -> frozenset[str]:
    """Return the characters of a text that its fonts lack."""
    from matplotlib.font_manager import FontProperties, findfont

    # A list, because matplotlib parses a string
    paths = [findfont(FontProperties(family=[family])) for family in text.get_fontfamily() if family != _BOXES]
    return frozenset(filter(str.isprintable, text.get_text())).difference(*map(_known_characters, paths))


@functools.lru_cache(maxsize=8)
def _known_characters(path: Any) -> frozenset[str]:
    """Return the characters of a font file."""
    from matplotlib.font_manager import get_font

    return frozenset(map(chr, get_font(path).get_charmap()))


@functools.lru_cache  # n_fonts, the number of installed fonts, is a part of its key
def _find_families(wanted: frozenset[str], n_fonts: int) -> tuple[list[str], frozenset[str]]:
    """Return the font families that together have the wanted characters, and the characters that none has."""
    from matplotlib.font_manager import fontManager

    # One file per family is enough; without serifs first, like matplotlib's default
    fonts = {font.name: font for font in fontManager.ttflist if font.style == "normal" and font.name != _BOXES}
    families = []
    for family, font in sorted(fonts.items(), key=lambda item: ("Sans" not in item[0], item[0])):
        try:
            found = wanted & _known_characters.__wrapped__(font.fname)
        except (OSError, RuntimeError):  # no longer installed, or a font of bitmaps
            continue
        if found:
            families.append(family)
            wanted -= found
        if not wanted:
            break
    has_boxes = _BOXES in fontManager.get_font_names()
    # These boxes are drawn without a warning for each character
    return families + ([_BOXES] if wanted and has_boxes else []), wanted

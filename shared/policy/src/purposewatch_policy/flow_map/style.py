"""The colours of a picture of flows, on a light and on a dark page."""

from purposewatch_policy.flow_map.model import COLOURS

_FONT = (
    'font-family:system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC","PingFang SC",'
    '"Microsoft YaHei","WenQuanYi Micro Hei",sans-serif'
)
_LIGHT = ("#2563a8", "#b3541e", "#1f7a4d", "#8a3ffc", "#a11950", "#0f766e", "#7c5e10", "#475569")
_DARK = ("#7cb8f5", "#f5a871", "#6fd3a0", "#c5a3ff", "#f48fb8", "#5fd4c8", "#e3c25c", "#aab8ca")
_SHAPES: tuple[tuple[str, str], ...] = (
    ("text", f"{_FONT};font-size:13.5px"),
    (".title", "font-size:19px;font-weight:600"),
    (".head", "font-size:12px;font-weight:600;letter-spacing:.04em"),
    (".note", "font-size:12px"),
    (".public", "stroke-width:2"),
    (".strand", "fill:none;stroke-linecap:butt"),
    (".if", "stroke-dasharray:7 5"),
)
_COLOURED: tuple[tuple[str, str, str, str], ...] = (
    ("text", "fill", "#1c2733", "#e6ebf1"),
    (".page", "fill", "#ffffff", "#12181f"),
    (".head,.note", "fill", "#5b6875", "#9aa8b6"),
    (".node", "fill", "#f3f5f8", "#1d2630"),
    (".node", "stroke", "#c9d1da", "#3c4a58"),
    (".public", "stroke", "#c0262d", "#ff7b7f"),
    (".alarm", "fill", "#b3151c", "#ff9a9d"),
    *((f".s{index}", "stroke", _LIGHT[index], _DARK[index]) for index in range(COLOURS)),
    (".against", "stroke", "#c0262d", "#ff7b7f"),
)
"""Selector, property, and its values on a light and on a dark page."""
_OPACITY = (0.5, 0.6)


def own_style() -> str:
    """Return the style of a picture that stands alone: it follows the reader's own preference."""
    shapes = "".join(f"{selector}{{{rules}}}" for selector, rules in _SHAPES)
    light, dark = (
        "".join(f"{selector}{{{name}:{values[which]}}}" for selector, name, *values in _COLOURED)
        + f".strand{{stroke-opacity:{_OPACITY[which]}}}"
        for which in (0, 1)
    )
    return f"{shapes}\n{light}\n@media (prefers-color-scheme:dark){{{dark}}}"


def themed_style(scope: str) -> str:
    """Return the style of pictures within a page, which chooses light or dark by `color-scheme`.

    `scope` is the selector of what holds the pictures.
    """
    rules = [
        *_SHAPES,
        *(
            (selector, f"{name}:light-dark({light},{dark})")
            for selector, name, light, dark in _COLOURED
        ),
        (".strand", f"stroke-opacity:{_OPACITY[0]}"),
    ]
    return "".join(f"{_scoped(scope, selector)}{{{text}}}\n" for selector, text in rules)


def _scoped(scope: str, selector: str) -> str:
    return ",".join(f"{scope} {each}" for each in selector.split(","))

"""Charts of pages: Vega-Lite descriptions, drawn to SVG here, so that the page needs no chart code.

Each chart is drawn twice, for a wide and for a narrow page; a style sheet shows one. Colours are CSS
variables, so that one drawing serves light and dark. Floats appear in here only, as pixels; what a reader
can point at carries its exact text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import vl_convert
from attrs import frozen
from markupsafe import Markup

Spec = dict[str, Any]
Rows = Sequence[Mapping[str, object]]

VEGA_LITE = "6.1"
WIDE_PX, NARROW_PX = 1080, 326
HALF_PX = 510
HEIGHT_PX, TALL_PX, NARROW_HEIGHT_PX = 190, 240, 170
_PANEL_GAP_PX = 18
_BAR_PX = 22
COLOURS = tuple(f"var(--c{number})" for number in range(1, 8))
"""As many series as one chart may have; the style sheet gives them their light and dark values."""

_DAY: Spec = {"field": "day", "type": "temporal", "timeUnit": "utcyearmonthdate", "title": None}
_TIME_AXIS: Spec = {
    "format": "%-d %b",
    "labelFlush": True,
    "grid": False,
    "tickCount": 6,
    "labelOverlap": True,
}
_COUNTS: Spec = {"labelExpr": "format(datum.value, '~s')"}
"""1.2k, 3M. As an expression: an axis's own format would write 0 as 0k."""
_LEFT_PX = 40
"""Room for the labels of a vertical axis, the same in every chart, so that charts in a row line up."""

# No `labelLimit`: the drawing code would cut a text in the middle of a character outside the BMP (an emoji)
# and fail. Names are cut by `short_names` before they come here.
_CONFIG: Spec = {
    "background": None,
    "font": "Arial",
    "padding": {"left": 0, "right": 1, "top": 4, "bottom": 5},
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "gridColor": "var(--grid)",
        "labelPadding": 5,
        "labelLimit": 0,
    },
    "axisY": {"domain": False, "ticks": False, "tickCount": 4, "minExtent": _LEFT_PX, "maxExtent": _LEFT_PX},
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "symbolType": "square",
        "symbolSize": 90,
        "offset": 6,
        "columnPadding": 14,
        "labelLimit": 0,
    },
    "header": {
        "title": None,
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "labelFontWeight": "bold",
        "labelAnchor": "start",
        "labelLimit": 0,
    },
    "bar": {"discreteBandSize": {"band": 0.82}},
    "facet": {"spacing": _PANEL_GAP_PX},
}

_NOISE = re.compile(
    r' (?:role="graphics-[a-z]+"|aria-roledescription="[^"]*"|aria-hidden="true"|pointer-events="none")'
)
_MARK_LABEL = re.compile(r' aria-label="([^"]*)"')
_ROOT = re.compile(r'^<svg [^>]*?width="([0-9.]+)" height="([0-9.]+)" viewBox="([^"]*)">')


@frozen(kw_only=True)
class Chart:
    """A drawn chart: `wide` and `narrow` are SVG elements, `label` says what they show."""

    wide: Markup
    narrow: Markup
    label: str


def height(value: Decimal | int) -> float:
    """A figure as a length in a drawing; the only place where one becomes a float."""
    return float(value)


def drawn(spec_of: Mapping[str, Spec], label: str) -> Chart:
    """Draw the `wide` and the `narrow` variant; `label` is read out instead of the drawing."""
    return Chart(wide=_svg(spec_of["wide"], label), narrow=_svg(spec_of["narrow"], label), label=label)


def _svg(spec: Spec, label: str) -> Markup:
    whole = {"config": _CONFIG, **spec}
    drawing = vl_convert.vegalite_to_svg(whole, vl_version=VEGA_LITE, allowed_base_urls=[])
    return _embedded(drawing, label)


def _embedded(drawing: str, label: str) -> Markup:
    """The drawing as part of a page: one image to a screen reader, its marks' texts for the pointer."""
    found = _ROOT.match(drawing)
    if found is None:
        raise ValueError("The drawing does not begin as expected.")
    inside = _MARK_LABEL.sub(r' data-tip="\1"', _NOISE.sub("", drawing[found.end() :]))
    root = Markup('<svg role="img" aria-label="{}" width="{}" height="{}" viewBox="{}">').format(
        label, *found.groups()
    )
    return root + Markup(inside)  # noqa: S704 - vl-convert has escaped every text in it


def by_day(rows: Rows, *, wide_px: int) -> Mapping[str, Spec]:
    """Bars a day and the 7-day mean as a line. Rows: day, value, mean (may be None), tip."""
    height: Spec = {"field": "value", "type": "quantitative", "title": None, "axis": _COUNTS}
    bars: Spec = {
        "mark": {"type": "bar", "color": "var(--soft)", "binSpacing": 0.5},
        "encoding": {"x": {**_DAY, "axis": _TIME_AXIS}, "y": height, "description": {"field": "tip"}},
    }
    line: Spec = {
        "mark": {
            "type": "line",
            "color": "var(--c1)",
            "strokeWidth": 2,
            "interpolate": "monotone",
            "aria": False,
        },
        "transform": [{"filter": "isValid(datum.mean)"}],
        "encoding": {"x": _DAY, "y": {"field": "mean", "type": "quantitative"}},
    }
    return _two({"layer": [bars, line]}, rows, wide_px)


def stacked_weeks(rows: Rows, series: Sequence[str], *, wide_px: int) -> Mapping[str, Spec]:
    """Columns a week, stacked by series. Rows: day (its Monday), series, order, value, tip."""
    encoding: Spec = {
        "x": {
            "field": "day",
            "type": "temporal",
            "timeUnit": "utcyearweek",
            "title": None,
            "axis": _TIME_AXIS,
        },
        "y": {"field": "value", "type": "quantitative", "title": None, "axis": _COUNTS},
        **_stacked(series),
    }
    return _two({"mark": {"type": "bar", "binSpacing": 2}, "encoding": encoding}, rows, wide_px)


def stacked_bars(
    rows: Rows, names: Sequence[str], series: Sequence[str], *, wide_px: int, names_px: int = 76
) -> Mapping[str, Spec]:
    """A horizontal bar a name, stacked by series. Rows: name, series, order, value, tip.

    `names_px` is the room for names; the chart grows with their number.
    """
    room: Spec = {"minExtent": names_px, "maxExtent": names_px}
    encoding: Spec = {
        "y": {"field": "name", "type": "nominal", "sort": list(names), "title": None, "axis": room},
        "x": {"field": "value", "type": "quantitative", "title": None, "axis": {**_COUNTS, "tickCount": 4}},
        **_stacked(series),
    }
    variants = _two({"mark": "bar", "encoding": encoding}, rows, wide_px, left_px=names_px)
    height_px = len(names) * _BAR_PX
    return {name: {**spec, "height": max(int(spec["height"]), height_px)} for name, spec in variants.items()}


def before_and_after(rows: Rows, *, wide_px: int) -> Mapping[str, Spec]:
    """Two lines by day, and below them by how much they differ. Rows: day, before, after, change, tip.

    `before` is a broad soft line and `after` a thin one over it; a day that has no value has no point.
    """

    def line(name: str, colour: str, width: float) -> Spec:
        return {
            "transform": [{"filter": f"isValid(datum.{name})"}],
            "mark": {"type": "line", "color": colour, "strokeWidth": width, "aria": False},
            "encoding": {
                "x": {**_DAY, "axis": _TIME_AXIS},
                "y": {"field": name, "type": "quantitative", "title": None, "axis": _COUNTS},
            },
        }

    values: Spec = {"values": list(rows)}

    def variant(width_px: int, height_px: int) -> Spec:
        lines: Spec = {
            "width": width_px - _LEFT_PX,
            "height": height_px,
            "layer": [line("before", "var(--soft)", 5), line("after", "var(--c1)", 1.8)],
        }
        change: Spec = {
            "width": width_px - _LEFT_PX,
            "height": height_px // 3,
            "mark": {"type": "bar", "color": "var(--c5)", "binSpacing": 0.5},
            "encoding": {
                "x": {**_DAY, "axis": {**_TIME_AXIS, "labels": False, "ticks": False, "domain": False}},
                "y": {
                    "field": "change",
                    "type": "quantitative",
                    "title": None,
                    "axis": {**_COUNTS, "tickCount": 2},
                },
                "description": {"field": "tip"},
            },
        }
        return {"data": values, "vconcat": [lines, change], "spacing": 8}

    return {"wide": variant(wide_px, 120), "narrow": variant(NARROW_PX, 110)}


def _stacked(series: Sequence[str]) -> Spec:
    """Colours and order of the parts of a bar; more series than colours begin again with the first."""
    scale: Spec = {"domain": list(series), "range": list(COLOURS[: len(series)])}
    return {
        "color": {"field": "series", "type": "nominal", "scale": scale},
        "order": {"field": "order", "type": "quantitative"},
        "description": {"field": "tip"},
    }


def columns(rows: Rows, *, wide_px: int) -> Mapping[str, Spec]:
    """A column a name, its value above it. Rows: name, value, text, tip; in the order given."""
    x: Spec = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0}}
    y: Spec = {"field": "value", "type": "quantitative", "title": None, "axis": _COUNTS}
    bars: Spec = {
        "mark": {"type": "bar", "color": "var(--c1)"},
        "encoding": {"x": x, "y": y, "description": {"field": "tip"}},
    }
    texts: Spec = {
        "mark": {"type": "text", "dy": -7, "color": "var(--ink)", "fontSize": 11, "aria": False},
        "encoding": {"x": x, "y": y, "text": {"field": "text"}},
    }
    return _two({"layer": [bars, texts]}, rows, wide_px)


def lines_by_panel(rows: Rows, *, number: str, colour: str, from_zero: bool) -> Mapping[str, Spec]:
    """A small line chart a panel, all on one scale. Rows: panel, day, value (may be None).

    Names of panels have 18 characters at most, or they reach into the next panel.
    """
    axis: Spec = {"labelExpr": f"format(datum.value, '{number}')", "tickCount": 3}
    y: Spec = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "axis": axis,
        "scale": {"zero": from_zero},
    }
    mark: Spec = {
        "type": "line",
        "color": colour,
        "strokeWidth": 1.5,
        "interpolate": "monotone",
        "aria": False,
    }

    def variant(columns_count: int, width_px: int) -> Spec:
        time: Spec = {**_DAY, "axis": {**_TIME_AXIS, "tickCount": max(2, width_px // 50)}}
        return {
            "data": {"values": list(rows)},
            "facet": {"field": "panel", "type": "nominal", "sort": None},
            "columns": columns_count,
            "spec": {"width": width_px, "height": 84, "mark": mark, "encoding": {"x": time, "y": y}},
        }

    return {
        "wide": variant(3, (WIDE_PX - _LEFT_PX - 2 * _PANEL_GAP_PX) // 3),
        "narrow": variant(2, (NARROW_PX - _LEFT_PX - _PANEL_GAP_PX) // 2),
    }


def _two(inner: Spec, rows: Rows, wide_px: int, *, left_px: int = _LEFT_PX) -> Mapping[str, Spec]:
    """The same chart at two widths; a narrow page folds the legend into lines of three."""
    values = {"values": list(rows)}
    folded = {**_CONFIG, "legend": {**_CONFIG["legend"], "columns": 3}}
    height_px = HEIGHT_PX if wide_px < WIDE_PX else TALL_PX
    return {
        "wide": {"data": values, "width": wide_px - left_px, "height": height_px, **inner},
        "narrow": {
            "data": values,
            "width": NARROW_PX - left_px,
            "height": NARROW_HEIGHT_PX,
            "config": folded,
            **inner,
        },
    }

"""One dashboard being put together: panels flow from left to right, every text is said in the board's language.

The house conventions hold here by construction: uid, data source, title, description, unit, "no value" and refresh are
arguments that cannot be left out, and a threshold brings the standard it comes from. `lint` checks the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import (
    bargauge,
    common,
    geomap,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import dashboard as sdk

from dashboards.grafana.influxql import InfluxQLTarget, Query

Said: TypeAlias = tuple[str, str]
"""The same in English and in Chinese."""
Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

COLUMNS = 24
MAX_DATA_POINTS = 600
SOURCE_UID = "cityhub"
"""The data source that provisioning and `cityhub dashboards publish` make."""
NO_INTERVAL: Mapping[str, None] = {"auto": None, "auto_min": None, "auto_count": None}
"""The SDK writes these keys of interval variables into all others too, where Grafana's own types have no place for them."""
NO_VALUE: Said = ("no data", "暂无数据")

LEVELS: Mapping[str, tuple[Said, str]] = {
    "blue": (("blue", "蓝色"), "#2f80ed"),
    "yellow": (("yellow", "黄色"), "#f2c94c"),
    "orange": (("orange", "橙色"), "#f2994a"),
    "red": (("red", "红色"), "#eb5757"),
}


class Limits(NamedTuple):
    """Thresholds: (from this value on, colour), lowest first, below all of them `base`; and where they come from."""

    steps: tuple[tuple[float, str], ...]
    source: Said
    base: str = "green"


class Link(NamedTuple):
    """A way from a value to another dashboard, for the device of its row or line."""

    title: Said
    board: str
    """Name of the dashboard, without prefix and language."""
    variable: str = "device"
    of: str = "${__field.labels.device}"
    """The value that the other dashboard's variable takes; tables use "${__data.fields.device}"."""


class Column(NamedTuple):
    """What one column of a table shows otherwise than the panel as a whole."""

    name: str
    title: Said
    unit: str = ""
    width: int | None = None
    link: Link | None = None
    url: str = ""
    """An address elsewhere, such as a camera's picture; may hold ${__value.raw}."""
    mapping: Mapping[str, tuple[Said, str]] | None = None
    hidden: bool = False


ROW_LINK = "${__data.fields.device}"


def uid(name: str, language: Language) -> str:
    return f"cityhub-{name}-{language}"


class Board:
    """A dashboard in one language. `public`: no variables, its own data source by uid."""

    def __init__(
        self,
        name: str,
        title: Said,
        about: Said,
        folder: str,
        language: Language,
        since: str = "now-24h",
        refresh: str = "1m",
        public: bool = False,
    ) -> None:
        self.name, self.folder, self.language, self.public = name, folder, language, public
        self._title, self._about, self._since, self._refresh = title, about, since, refresh
        self._source = common.DataSourceRef("influxdb", SOURCE_UID if public else "${datasource}")
        self._variables: list[sdk.VariableModel] = [] if public else [_source_variable(self.say)]
        self._panels: list[sdk.Panel | sdk.RowPanel] = []
        self._x = self._y = self._row_height = 0

    def say(self, said: Said) -> str:
        return said[0] if self.language == "en" else said[1]

    # ---------------------------------------------------------------------------------------------- variables

    def variable(self, name: str, label: Said, about: Said, query: str, several: bool = True) -> None:
        """One that asks the data source. `several`: any number of values and "all", else one."""
        everything = sdk.VariableOption(True, "All", "$__all")
        self._variables.append(
            sdk.VariableModel(
                sdk.VariableType.QUERY,
                name,
                self.say(label),
                description=self.say(about),
                query=query,
                datasource=self._source,
                refresh=sdk.VariableRefresh.ON_TIME_RANGE_CHANGED,
                sort=sdk.VariableSort.ALPHABETICAL_ASC,
                multi=several,
                include_all=several,
                all_value=".*" if several else None,
                current=everything if several else None,
                **NO_INTERVAL,
            )
        )

    def resolution(self, start: str) -> None:
        """Raw points or the hub's rollups: long ranges are drawn from rollups, or a chart scans millions of points."""
        names: dict[str, Said] = {
            "": ("raw", "原始数据"), "_1m": ("1 min", "1 分钟"), "_1h": ("1 h", "1 小时"), "_1d": ("1 day", "1 天"),
        }  # fmt: skip
        self._variables.append(
            sdk.VariableModel(
                sdk.VariableType.CUSTOM,
                "resolution",
                self.say(("Resolution", "分辨率")),
                description=self.say(("Raw points, or the means the hub keeps of them", "原始数据或汇总均值")),
                query=", ".join(f"{self.say(said)} : {value}" for value, said in names.items()),
                options=[sdk.VariableOption(value == start, self.say(said), value) for value, said in names.items()],
                current=sdk.VariableOption(True, self.say(names[start]), start),
                **NO_INTERVAL,
            )
        )

    def setting(self, name: str, label: Said, about: Said, value: str) -> None:
        """A text that people may change, such as the hub's address."""
        self._variables.append(
            sdk.VariableModel(
                sdk.VariableType.TEXTBOX,
                name,
                self.say(label),
                description=self.say(about),
                query=value,
                current=sdk.VariableOption(True, value, value),
                options=[sdk.VariableOption(True, value, value)],
                **NO_INTERVAL,
            )
        )

    def area(self) -> None:
        self.variable(
            "area",
            ("Area", "区域"),
            ("Areas of the city's registry", "注册表中的区域"),
            'SHOW TAG VALUES WITH KEY = "area"',
        )

    # ---------------------------------------------------------------------------------------------- panels

    def row(self, title: Said) -> None:
        self._break()
        self._panels.append(
            sdk.RowPanel(False, self.say(title), grid_pos=sdk.GridPos(1, COLUMNS, 0, self._y), id_val=self._next_id(), panels=[])
        )  # fmt: skip
        self._y += 1

    def stat(
        self, title: Said, about: Said, *queries: Query, unit: str, w: int = 4, h: int = 4, field: str = "",
        limits: Limits | None = None, link: Link | None = None, decimals: int | None = None, calc: str = "lastNotNull",
        mapping: Mapping[str, tuple[Said, str]] | None = None, recent: str = "",
    ) -> None:  # fmt: skip
        """One large number. `field`: the one column shown, where the query has more; `recent`: see `_add`."""
        options = stat.Options(
            graph_mode=common.BigValueGraphMode.NONE if not any(query.alias for query in queries) else common.BigValueGraphMode.AREA,
            color_mode=common.BigValueColorMode.VALUE,
            reduce_options=common.ReduceDataOptions(False, calcs=[calc], fields=f"/^{field}$/" if field else ""),
        )  # fmt: skip
        config = self._config(unit, limits, link, decimals, mapping=mapping)
        self._add("stat", title, about, queries, options, config, w, h, limits, recent=recent)

    def data_age(self, measurement: str, metric: str, where: str = "") -> None:
        """How old the newest point is: on every page, because a calm picture may be a dead one."""
        condition = f"{WHEN_HERE} AND {where}" if where else WHEN_HERE
        self.stat(
            ("Newest data", "最新数据时间"),
            ("When the newest value of this page was observed. Data that stands still looks calm and is not.",
             "本页最新数据的观测时间。数据停更时画面看似平静。"),
            Query(f'SELECT last("{metric}") AS "newest" FROM "{measurement}" WHERE {condition}'),
            unit="dateTimeFromNow", field="Time", w=4, recent="1d",
        )  # fmt: skip

    def series(
        self, title: Said, about: Said, *queries: Query, unit: str, w: int = 12, h: int = 8, limits: Limits | None = None,
        link: Link | None = None, stacked: bool = False, bars: bool = False, steps: bool = False, low: float | None = None,
        interval: str = "1m",
    ) -> None:  # fmt: skip
        """Lines (or bars) over time. `interval`: no finer than this, because devices do not report more often."""
        custom = common.GraphFieldConfig(
            draw_style=common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE,
            line_interpolation=common.LineInterpolation.STEP_AFTER if steps else common.LineInterpolation.LINEAR,
            fill_opacity=60 if bars else 8,
            show_points=common.VisibilityMode.AUTO,
            # A gap is a gap: a line drawn over it would claim what nobody measured.
            span_nulls=False,
            stacking=common.StackingConfig(common.StackingMode.NORMAL if stacked else common.StackingMode.NONE),
            thresholds_style=common.GraphThresholdsStyleConfig(
                common.GraphThresholdsStyleMode.DASHED if limits else common.GraphThresholdsStyleMode.OFF
            ),
        )
        options = timeseries.Options(legend=_legend(), tooltip=_tooltip())
        config = self._config(unit, limits, link, custom=custom, low=low, by_threshold=False)
        self._add("timeseries", title, about, queries, options, config, w, h, limits, interval)

    def bars(
        self, title: Said, about: Said, *queries: Query, unit: str, w: int = 12, h: int = 8, limits: Limits | None = None,
        link: Link | None = None, decimals: int | None = None, rows: bool = False,
    ) -> None:  # fmt: skip
        """Horizontal bars to compare things now; `rows`: one bar a row of the table, else one a series."""
        options = bargauge.Options(
            display_mode=common.BarGaugeDisplayMode.BASIC,
            value_mode=common.BarGaugeValueMode.TEXT,
            name_placement=common.BarGaugeNamePlacement.LEFT,
            sizing=common.BarGaugeSizing.AUTO,
            legend=_legend(False),
            reduce_options=common.ReduceDataOptions(rows, calcs=["lastNotNull"], fields=""),
            orientation=common.VizOrientation.HORIZONTAL,
        )
        config = self._config(unit, limits, link, decimals, low=0)
        self._add("bargauge", title, about, queries, options, config, w, h, limits)

    def table(
        self, title: Said, about: Said, *queries: Query, columns: Sequence[Column], unit: str = "none", w: int = 12, h: int = 8,
        limits: Limits | None = None, transform: Sequence[sdk.DataTransformerConfig] = (), sort: str = "", decimals: int | None = None,
        recent: str = "",
    ) -> None:  # fmt: skip
        """Rows. `columns` names them in the board's language; `sort`: the title of the column sorted by, descending."""
        wanted = next((self.say(column.title) for column in columns if column.name == sort), sort)
        options = table.Options(
            sort_by=[common.TableSortByFieldState(wanted, True)] if sort else [],
            cell_height=common.TableCellHeight.SM,
        )
        config = self._config(unit, limits, None, decimals)
        config.overrides = [self._override(column) for column in columns]
        self._add("table", title, about, queries, options, config, w, h, limits, transform=transform, recent=recent)

    def states(
        self, title: Said, about: Said, *queries: Query, w: int = 12, h: int = 8, unit: str = "none",
        mapping: Mapping[str, tuple[Said, str]] | None = None, limits: Limits | None = None, link: Link | None = None,
    ) -> None:  # fmt: skip
        """What state things were in, over time."""
        options = statetimeline.Options(legend=_legend(), tooltip=_tooltip(), show_value=common.VisibilityMode.AUTO)
        custom = statetimeline.FieldConfig(fill_opacity=80)
        config = self._config(unit, limits, link, mapping=mapping, custom=custom)
        self._add("state-timeline", title, about, queries, options, config, w, h, limits)

    def map(
        self, title: Said, about: Said, *queries: Query, colour_by: str, unit: str, w: int = 12, h: int = 14,
        limits: Limits | None = None, route: bool = False, rotate_by: str = "", columns: Sequence[Column] = (),
        recent: str = "",
    ) -> None:  # fmt: skip
        """Markers at `lat`, `lon`, coloured by a column. The basemap is the server's own, which works offline (README)."""
        style: dict[str, object] = {
            "size": {"fixed": 3 if route else 8, "min": 2, "max": 15},
            "color": {"field": colour_by, "fixed": "blue"},
            "opacity": 0.85,
            "symbol": {"fixed": "img/icons/marker/triangle.svg" if rotate_by else "img/icons/marker/circle.svg", "mode": "fixed"},
            "rotation": {"field": rotate_by, "fixed": 0, "mode": "mod", "min": 0, "max": 360},
        }  # fmt: skip
        layer = common.MapLayerOptions(
            "markers",
            self.say(title),
            config={"showLegend": True, "style": style},
            location=common.FrameGeometrySource(common.FrameGeometrySourceMode.COORDS, latitude="lat", longitude="lon"),
            tooltip=True,
        )
        options = geomap.Options(
            view=geomap.MapViewConfig("fit", 0, 0, 13, all_layers=True, padding=5),
            controls=geomap.ControlsOptions(True, True, True, True, False, False),
            basemap=common.MapLayerOptions("default", self.say(("Basemap", "底图")), config={}),
            layers=[layer],
            tooltip=geomap.TooltipOptions(geomap.TooltipMode.DETAILS),
        )
        config = self._config(unit, limits, None)
        config.overrides = [self._override(column) for column in columns]
        self._add("geomap", title, about, queries, options, config, w, h, limits, recent=recent)

    def text(self, title: Said, about: Said, content: Said, w: int = 24, h: int = 3) -> None:
        """Words on the page: what the figures are, and what they are not."""
        options = text.Options(text.TextMode.MARKDOWN, content=self.say(content))
        self._add("text", title, about, (), options, sdk.FieldConfigSource(sdk.FieldConfig(), []), w, h, None)

    # ---------------------------------------------------------------------------------------------- how

    def _add(
        self, kind: str, title: Said, about: Said, queries: Sequence[Query], options: object, config: sdk.FieldConfigSource,
        w: int, h: int, limits: Limits | None, interval: str | None = None, transform: Sequence[sdk.DataTransformerConfig] = (),
        recent: str = "",
    ) -> None:  # fmt: skip
        """`recent`: a panel about now looks back only so far, whatever range is chosen (Grafana leaves absolute ranges alone),
        because `last()` reads all points of the range: 30 days of 1,000 devices would take seconds."""
        if self._x + w > COLUMNS:
            self._break()
        where = sdk.GridPos(h, w, self._x, self._y)
        self._x += w
        self._row_height = max(self._row_height, h)
        description = self.say(about)
        if limits:
            description += self.say((f"\n\nThresholds: {limits.source[0]}", f"\n\n阈值依据：{limits.source[1]}"))
        targets: list[Dataquery] = [
            InfluxQLTarget(chr(ord("A") + n), query, self._source) for n, query in enumerate(queries)
        ]
        self._panels.append(
            sdk.Panel(
                kind,
                self._next_id(),
                targets=targets or None,
                title=self.say(title),
                description=description,
                datasource=self._source if targets else None,
                grid_pos=where,
                max_data_points=MAX_DATA_POINTS if targets else None,
                interval=interval,
                time_from=recent or None,
                transformations=list(transform),
                options=options,
                field_config=config,
            )
        )

    def _config(
        self, unit: str, limits: Limits | None, link: Link | None, decimals: int | None = None,
        mapping: Mapping[str, tuple[Said, str]] | None = None, custom: object | None = None, low: float | None = None,
        by_threshold: bool = True,
    ) -> sdk.FieldConfigSource:  # fmt: skip
        steps = [sdk.Threshold(None, limits.base if limits else "text")]
        if limits:
            steps += [sdk.Threshold(value, colour) for value, colour in limits.steps]
        colour = sdk.FieldColorModeId.THRESHOLDS if by_threshold else sdk.FieldColorModeId.PALETTE_CLASSIC
        defaults = sdk.FieldConfig(
            unit=unit,
            decimals=decimals,
            min_val=low,
            mappings=[self._mapping(mapping)] if mapping else [],
            thresholds=sdk.ThresholdsConfig(sdk.ThresholdsMode.ABSOLUTE, steps),
            color=sdk.FieldColor(colour),
            links=[self._link(link)] if link else [],
            no_value=self.say(NO_VALUE),
            custom=custom,
        )
        return sdk.FieldConfigSource(defaults, [])

    def _mapping(self, mapping: Mapping[str, tuple[Said, str]]) -> sdk.ValueMap:
        return sdk.ValueMap(
            {value: sdk.ValueMappingResult(self.say(said), colour, index=at) for at, (value, (said, colour)) in enumerate(mapping.items())}
        )  # fmt: skip

    def _override(self, column: Column) -> sdk.DashboardFieldConfigSourceOverrides:
        properties = [sdk.DynamicConfigValue("displayName", self.say(column.title))]
        if column.unit:
            properties.append(sdk.DynamicConfigValue("unit", column.unit))
        if column.width:
            properties.append(sdk.DynamicConfigValue("custom.width", column.width))
        if column.hidden:
            properties.append(sdk.DynamicConfigValue("custom.hidden", True))
        if column.mapping:
            properties.append(sdk.DynamicConfigValue("mappings", [self._mapping(column.mapping)]))
            properties.append(sdk.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
        if column.link:
            properties.append(sdk.DynamicConfigValue("links", [self._link(column.link)]))
        if column.url:
            away = sdk.DashboardLink(
                self.say(column.title), sdk.DashboardLinkType.LINK, url=column.url, target_blank=True
            )
            properties.append(sdk.DynamicConfigValue("links", [away]))
        return sdk.DashboardFieldConfigSourceOverrides(
            matcher=sdk.MatcherConfig("byName", column.name), properties=properties
        )

    def _link(self, link: Link) -> sdk.DashboardLink:
        """To another board of the same language, with the time range and the variables both have."""
        shared = "" if self.public else "&${datasource:queryparam}"
        address = f"/d/{uid(link.board, self.language)}?${{__url_time_range}}{shared}&var-{link.variable}={link.of}"
        return sdk.DashboardLink(self.say(link.title), sdk.DashboardLinkType.LINK, url=address)

    def _next_id(self) -> int:
        return len(self._panels) + 1

    def _break(self) -> None:
        self._y += self._row_height
        self._x = self._row_height = 0

    def build(self) -> sdk.Dashboard:
        """The whole dashboard, Classic schema 42."""
        links = [
            sdk.DashboardLink(
                self.say(("City dashboards", "城市看板")), sdk.DashboardLinkType.DASHBOARDS, "external link",
                tags=["cityhub", self.language], as_dropdown=True, include_vars=True, keep_time=True,
            )
        ]  # fmt: skip
        return sdk.Dashboard(
            uid=uid(self.name, self.language),
            title=self.say(self._title),
            description=self.say(self._about),
            tags=["cityhub", self.language, self.folder],
            timezone="browser",
            editable=False,
            graph_tooltip=sdk.DashboardCursorSync.CROSSHAIR,
            time=sdk.DashboardDashboardTime(self._since, "now"),
            timepicker=sdk.TimePickerConfig(False, ["30s", "1m", "5m", "15m"]),
            refresh=self._refresh,
            panels=list(self._panels),
            templating=sdk.DashboardDashboardTemplating(self._variables),
            annotations=sdk.AnnotationContainer([] if self.public else [self._annotations()]),
            links=[] if self.public else links,
        )

    def _annotations(self) -> sdk.AnnotationQuery:
        """Warnings raised, as marks on every chart."""
        query = Query(
            f'SELECT "title" AS "text", "level" AS "tags" FROM "alerts" WHERE {WHEN_HERE} AND "change" = \'raised\''
        )
        target: Any = _AnnotationTarget(query, self._source)
        return sdk.AnnotationQuery(
            self.say(("Warnings", "预警")), self._source, True, False, "orange", target=target
        )  # fmt: skip


WHEN_HERE = "$timeFilter"


class _AnnotationTarget(Dataquery):
    def __init__(self, query: Query, source: common.DataSourceRef) -> None:
        self._query, self._source = query, source

    def to_json(self) -> dict[str, object]:
        return {
            "refId": "Anno",
            "datasource": self._source,
            "query": self._query.text,
            "rawQuery": True,
            "resultFormat": "table",
            "textEditor": True,
            "fromAnnotations": True,
            "textColumn": "text",
            "tagsColumn": "tags",
            "limit": 200,
        }


def transformation(name: str, **options: object) -> sdk.DataTransformerConfig:
    return sdk.DataTransformerConfig(name, options=options)


def _source_variable(say: Any) -> sdk.VariableModel:
    return sdk.VariableModel(
        sdk.VariableType.DATASOURCE,
        "datasource",
        say(("Data source", "数据源")),
        description=say(
            ("InfluxDB that the hub writes to, queried in InfluxQL", "城市中枢写入的 InfluxDB（InfluxQL）")
        ),
        query="influxdb",
        current=sdk.VariableOption(True, SOURCE_UID, SOURCE_UID),
        refresh=sdk.VariableRefresh.ON_DASHBOARD_LOAD,
        **NO_INTERVAL,
    )


def _legend(show: bool = True) -> common.VizLegendOptions:
    return common.VizLegendOptions(
        common.LegendDisplayMode.LIST, common.LegendPlacement.BOTTOM, show, calcs=[]
    )  # fmt: skip


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions(common.TooltipDisplayMode.MULTI, common.SortOrder.DESCENDING)

"""One dashboard being put together: panels flow from left to right, every text is said in the board's language.

The house conventions hold here by construction: uid, data source, title, description, unit, "no value" and refresh are
arguments that cannot be left out, a threshold brings the standard it comes from, and a row of panels fills the page's width.
`lint` checks the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import bargauge, common, geomap, stat, statetimeline, table, text, timeseries
from grafana_foundation_sdk.models import dashboard as sdk

from dashboards.grafana.fields import default_config, named_override, override, transformation
from dashboards.grafana.influxql import HERE, WHEN, InfluxQLTarget, Query
from dashboards.grafana.look import NO_VALUE, ORANGE, RED, Column, Language, Limits, Link, Said, States

COLUMNS = 24
MAX_DATA_POINTS = 600
SERIES_MAX = 10
"""Lines of one chart that people can still tell apart; the rest is for tables and the page of one device."""
ROWS_A_PAGE = 10
"""Of a state timeline; Grafana turns its pages."""
SOURCE_UID = "cityhub"
"""The data source that provisioning and `cityhub dashboards publish` make."""
ZONES = "public/maps/cityhub-zones.geojson"
"""The city's zones among Grafana's own static files, where deploy/compose.yaml mounts them; `publish` puts them in whole."""
NO_INTERVAL: Mapping[str, None] = {"auto": None, "auto_min": None, "auto_count": None}
"""The SDK writes these keys of interval variables into all others too, where Grafana's own types have no place for them."""
NOTHING: Mapping[str, Mapping[str, Any]] = {}
GAP_S = 90 * 60.0
"""A line is drawn over shorter gaps, for stations that report by the hour; over longer ones it would claim what nobody measured."""


class Layer(NamedTuple):
    """Points of one query on a map, under a name that the legend shows. `colour` for all, or by the value of a column."""

    name: Said
    query: Query
    colour: str = "blue"
    colour_by: str = ""
    rotate_by: str = ""
    size: int = 8
    symbol: str = "circle"
    label: str = ""
    """Column written beside each point."""


def uid(name: str, language: Language) -> str:
    return f"cityhub-{name}-{language}"


class Board:
    """A dashboard in one language. `public`: no variables, its own data source by uid.

    `warned` says which warnings are marks on its charts, as a condition on the measurement `alerts`: those of the
    page's area or device. `marks`: whether they are drawn from the start; on pages full of charts people switch them on.
    """

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
        warned: str = HERE,
        marks: bool = False,
    ) -> None:
        self.name, self.folder, self.language, self.public = name, folder, language, public
        self._title, self._about, self._since, self._refresh = title, about, since, refresh
        self._warned, self._marks = warned, marks
        self._source = common.DataSourceRef("influxdb", SOURCE_UID if public else "${datasource}")
        self._variables: list[sdk.VariableModel] = [] if public else [_source_variable(self.say)]
        self._panels: list[sdk.Panel | sdk.RowPanel] = []
        self._x = self._y = self._row_height = 0

    def say(self, said: Said) -> str:
        return said[0] if self.language == "en" else said[1]

    # ---------------------------------------------------------------------------------------------- variables

    def variable(
        self, name: str, label: Said, about: Said, query: str, several: bool = True, regex: str = "", start: str = ""
    ) -> None:
        """One that asks the data source. `several`: any number of values and "all", else one, `start` at first."""
        chosen = sdk.VariableOption(True, "All", "$__all") if several else sdk.VariableOption(True, start, start)
        self._variables.append(
            sdk.VariableModel(
                sdk.VariableType.QUERY,
                name,
                self.say(label),
                description=self.say(about),
                query=query,
                regex=regex or None,
                datasource=self._source,
                refresh=sdk.VariableRefresh.ON_TIME_RANGE_CHANGED,
                sort=sdk.VariableSort.ALPHABETICAL_ASC,
                multi=several,
                include_all=several,
                all_value=".*" if several else None,
                current=chosen if several or start else None,
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
        self, title: Said, about: Said, *queries: Query, unit: str, w: int, h: int = 4, field: str = "",
        limits: Limits | None = None, decimals: int | None = None, calc: str = "lastNotNull", values: Sequence[Column] = (),
        states: States | None = None, recent: str = "", empty: Said = NO_VALUE,
    ) -> None:  # fmt: skip
        """Large numbers: one, or several side by side, named by `values`. `field`: the one column shown, where the query has
        more; `empty`: what stands there when the query finds nothing; `recent`: see `_add`."""
        options = stat.Options(
            graph_mode=common.BigValueGraphMode.NONE,
            color_mode=common.BigValueColorMode.VALUE,
            orientation=common.VizOrientation.VERTICAL if len(values) > 1 else common.VizOrientation.AUTO,
            text_mode=common.BigValueTextMode.VALUE_AND_NAME if len(values) > 1 else common.BigValueTextMode.VALUE,
            reduce_options=common.ReduceDataOptions(False, calcs=[calc], fields=f"/^{field}$/" if field else ""),
        )
        config = default_config(self.say, unit, limits, decimals=decimals, states=states, empty=empty)
        config.overrides = [override(self, value) for value in values]
        sources = [limits, *(value.limits for value in values)]
        self._add("stat", title, about, queries, options, config, w, h, sources, recent=recent)

    def data_age(self, measurement: str, metric: str, where: str = "", w: int = 5) -> None:
        """How old the newest point is: on every page, because a calm picture may be a dead one."""
        condition = f"{WHEN} AND {where}" if where else WHEN
        self.stat(
            ("Newest data", "最新数据"),
            ("When the newest value of this page was observed, looked for in the last day. Data that stands still looks calm and is not.",
             "本页最新数据的观测时间（近一天内）。数据停更时画面看似平静。"),
            Query(f'SELECT last("{metric}") AS "newest" FROM "{measurement}" WHERE {condition}'),
            unit="dateTimeFromNow", field="Time", w=w, recent="1d",
        )  # fmt: skip

    def series(
        self, title: Said, about: Said, *queries: Query, unit: str, w: int = 12, h: int = 8, limits: Limits | None = None,
        link: Link | None = None, stacked: bool = False, bars: bool = False, steps: bool = False, points: bool = False,
        low: float | None = None, decimals: int | None = None, names: Sequence[Column] = (), interval: str = "1m",
        gap_s: float = GAP_S, shorten: str = "", recent: str = "", by_pattern: Mapping[str, Mapping[str, Any]] = NOTHING, sources: Sequence[Limits] = (),
        empty: Said = NO_VALUE,
    ) -> None:  # fmt: skip
        """Lines (or bars) over time, `SERIES_MAX` at most. `names`: what each is called, and its colour; `interval`: no finer
        than this, because devices do not report more often; `gap_s`: gaps shorter than this are drawn over; `by_pattern`:
        properties of lines that may occur, by a regular expression; `sources`: those of their limits."""
        custom = common.GraphFieldConfig(
            draw_style=common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE,
            line_interpolation=common.LineInterpolation.STEP_AFTER if steps else common.LineInterpolation.LINEAR,
            line_width=0 if bars else 2,
            fill_opacity=70 if bars else 4,
            show_points=common.VisibilityMode.ALWAYS if points else common.VisibilityMode.AUTO,
            span_nulls=gap_s * 1000,
            stacking=common.StackingConfig(common.StackingMode.NORMAL if stacked else common.StackingMode.NONE),
            thresholds_style=common.GraphThresholdsStyleConfig(
                common.GraphThresholdsStyleMode.DASHED if limits else common.GraphThresholdsStyleMode.OFF
            ),
        )
        options = timeseries.Options(legend=_legend(), tooltip=_tooltip())
        config = default_config(self.say, unit, limits, link=self._to(link), decimals=decimals, custom=custom, low=low, by_threshold=False, empty=empty)  # fmt: skip
        config.overrides = [
            *(override(self, name) for name in names),
            *(named_override(*item, "byRegexp") for item in by_pattern.items()),
        ]
        renamed = [transformation("renameByRegex", regex=shorten, renamePattern="$1")] if shorten else []
        self._add(
            "timeseries", title, about, queries, options, config, w, h, [limits, *sources], interval, renamed, recent
        )

    def bars(
        self, title: Said, about: Said, *queries: Query, unit: str, w: int = 12, h: int = 8, limits: Limits | None = None,
        decimals: int | None = None, names: Sequence[Column] = (), empty: Said = NO_VALUE,
    ) -> None:  # fmt: skip
        """Horizontal bars that compare a few fixed things, such as levels; what there may be many of belongs in a table."""
        options = bargauge.Options(
            display_mode=common.BarGaugeDisplayMode.BASIC,
            value_mode=common.BarGaugeValueMode.TEXT,
            name_placement=common.BarGaugeNamePlacement.LEFT,
            sizing=common.BarGaugeSizing.AUTO,
            legend=_legend(False),
            reduce_options=common.ReduceDataOptions(False, calcs=["lastNotNull"], fields=""),
            orientation=common.VizOrientation.HORIZONTAL,
        )
        config = default_config(self.say, unit, limits, decimals=decimals, low=0, empty=empty)
        config.overrides = [override(self, name) for name in names]
        self._add("bargauge", title, about, queries, options, config, w, h, [limits])

    def table(
        self, title: Said, about: Said, *queries: Query, columns: Sequence[Column], unit: str = "none", w: int = 12, h: int = 8,
        limits: Limits | None = None, transform: Sequence[sdk.DataTransformerConfig] = (), sort: str = "", decimals: int | None = None,
        recent: str = "", empty: Said = NO_VALUE, interval: str | None = None,
    ) -> None:  # fmt: skip
        """Rows. `columns`, in this order and no others, each named in the board's language; `sort`: the column sorted by,
        descending. Grafana's server gives the tags of a table in any order, so the order is always said."""
        wanted = next((self.say(column.title) for column in columns if column.name == sort), "")
        options = table.Options(
            sort_by=[common.TableSortByFieldState(wanted, True)] if wanted else [],
            cell_height=common.TableCellHeight.SM,
        )
        config = default_config(self.say, unit, limits, decimals=decimals, empty=empty)
        config.overrides = [override(self, column) for column in columns]
        named = {column.name: at for at, column in enumerate(columns)}
        others = {name: True for query in queries for name in query.shown if name not in named}
        order = transformation("organize", indexByName=named, excludeByName=others, renameByName={})
        sources = [limits, *(column.limits for column in columns)]
        self._add("table", title, about, queries, options, config, w, h, sources, interval, [*transform, order], recent)

    def states(
        self, title: Said, about: Said, *queries: Query, states: States | None = None, w: int = 12, h: int = 8,
        link: Link | None = None, shorten: str = "", gap_s: float = GAP_S, interval: str = "1m", empty: Said = NO_VALUE,
    ) -> None:  # fmt: skip
        """What state things were in, over time: bars with words, each until the next state, or until silence for `gap_s`."""
        options = statetimeline.Options(
            legend=_legend(),
            tooltip=_tooltip(),
            show_value=common.VisibilityMode.AUTO,
            merge_values=True,
            row_height=0.8,
            per_page=ROWS_A_PAGE,
        )
        gap = int(gap_s * 1000)
        custom = statetimeline.FieldConfig(fill_opacity=80, line_width=0, span_nulls=gap, insert_nulls=gap)
        config = default_config(self.say, "none", None, link=self._to(link), states=states, custom=custom, by_threshold=False, fixed=not states, empty=empty)  # fmt: skip
        renamed = [transformation("renameByRegex", regex=shorten, renamePattern="$1")] if shorten else []
        self._add("state-timeline", title, about, queries, options, config, w, h, (), interval, renamed)

    def map(
        self, title: Said, about: Said, *layers: Layer, unit: str = "none", w: int = 12, h: int = 14, decimals: int | None = None,
        limits: Limits | None = None, columns: Sequence[Column] = (), recent: str = "", interval: str | None = None,
    ) -> None:  # fmt: skip
        """Points at `lat`, `lon`, above the city's zones, which make it legible where there are no tiles (README)."""
        shown = [_markers(self.say(layer.name), chr(ord("A") + at), layer) for at, layer in enumerate(layers)]
        options = geomap.Options(
            view=geomap.MapViewConfig("fit", 0, 0, 13, all_layers=True, padding=5),
            controls=geomap.ControlsOptions(True, True, True, True, False, False),
            basemap=common.MapLayerOptions("default", self.say(("Basemap", "底图")), config={}),
            layers=[zones_layer(self.say(("Zones", "区域")), ZONES), *shown],
            tooltip=geomap.TooltipOptions(geomap.TooltipMode.DETAILS),
        )
        config = default_config(self.say, unit, limits, decimals=decimals)
        places = (Column("lat", ("Latitude", "纬度"), decimals=5, unit="degree"), Column("lon", ("Longitude", "经度"), decimals=5, unit="degree"))  # fmt: skip
        config.overrides = [override(self, column) for column in (*columns, *places)]
        self._add("geomap", title, about, [layer.query for layer in layers], options, config, w, h, [limits], interval, recent=recent)  # fmt: skip

    def text(self, title: Said, about: Said, content: Said, w: int = 24, h: int = 3) -> None:
        """Words on the page: what the figures are, and what they are not."""
        options = text.Options(text.TextMode.MARKDOWN, content=self.say(content))
        self._add("text", title, about, (), options, sdk.FieldConfigSource(sdk.FieldConfig(), []), w, h, ())

    # ---------------------------------------------------------------------------------------------- how

    def _add(
        self, kind: str, title: Said, about: Said, queries: Sequence[Query], options: object, config: sdk.FieldConfigSource,
        w: int, h: int, limits: Sequence[Limits | None], interval: str | None = None,
        transform: Sequence[sdk.DataTransformerConfig] = (), recent: str = "",
    ) -> None:  # fmt: skip
        """`recent`: a panel about now looks back only so far, whatever range is chosen (Grafana leaves absolute ranges alone),
        because `last()` reads all points of the range: 30 days of 1,000 devices would take seconds."""
        if self._x + w > COLUMNS:
            self._break()
        if self._x and h != self._row_height:
            raise ValueError(f"{self.name}: {title[0]!r} is {h} high in a row of {self._row_height}")
        where = sdk.GridPos(h, w, self._x, self._y)
        self._x += w
        self._row_height = h
        description = self.say(about)
        for source in dict.fromkeys(limit.source for limit in limits if limit):
            description += self.say((f"\n\nThresholds: {source[0]}", f"\n\n阈值依据：{source[1]}"))
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
                hide_time_override=True if recent else None,
                transformations=list(transform),
                options=options,
                field_config=config,
            )
        )

    def _to(self, link: Link | None) -> sdk.DashboardLink | None:
        return self.link(link) if link else None

    def link(self, link: Link) -> sdk.DashboardLink:
        """To another board of the same language, with the time range and the data source."""
        shared = "" if self.public else "&${datasource:queryparam}"
        address = f"/d/{uid(link.board, self.language)}?${{__url_time_range}}{shared}&var-{link.variable}={link.of}{link.more}"
        return sdk.DashboardLink(self.say(link.title), sdk.DashboardLinkType.LINK, url=address)

    def _next_id(self) -> int:
        return len(self._panels) + 1

    def _break(self) -> None:
        if self._x not in (0, COLUMNS):
            raise ValueError(f"{self.name}: the row above y={self._y} fills {self._x} of {COLUMNS} columns")
        self._y += self._row_height
        self._x = self._row_height = 0

    def build(self) -> sdk.Dashboard:
        """The whole dashboard, Classic schema 42."""
        self._break()
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
            annotations=sdk.AnnotationContainer(
                [] if self.public or not self._warned else [self._annotation("red", ("Red warnings", "红色预警"), RED), self._annotation("orange", ("Orange warnings", "橙色预警"), ORANGE)]
            ),
            links=[] if self.public else links,
        )  # fmt: skip

    def _annotation(self, level: str, name: Said, colour: str) -> sdk.AnnotationQuery:
        """Warnings of a level as marks on every chart, each from the observation that raised it until this change.

        A point of `alerts` stands at its own change and says in `began` what it goes back to. Grafana wants the beginning first, so
        the mappings swap the two ends.
        """
        query = Query(
            f'SELECT "title" AS "text", "level" AS "tags", "began" AS "ended" FROM "alerts" WHERE {WHEN} '
            f'AND "level" = \'{level}\' AND "change" =~ /^(raised|escalated|cleared|expired)$/ AND {self._warned}'
        )
        target: Any = _AnnotationTarget(query, self._source)
        swapped = {
            "time": sdk.AnnotationEventFieldMapping(sdk.AnnotationEventFieldSource.FIELD, "timeEnd"),
            "timeEnd": sdk.AnnotationEventFieldMapping(sdk.AnnotationEventFieldSource.FIELD, "time"),
        }
        return sdk.AnnotationQuery(
            self.say(name), self._source, self._marks, False, colour, target=target, mappings=swapped
        )


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
            # Grafana's server calls a column by its measurement too, and looks for this one by its whole name.
            "timeEndColumn": "alerts.ended",
            "limit": 200,
        }


def zones_layer(name: str, src: str) -> common.MapLayerOptions:
    """The city's zones as outlines, filled so lightly that points stay what is seen first."""
    style = {"color": {"fixed": "#5794f2"}, "opacity": 0.15, "lineWidth": 1}
    return common.MapLayerOptions("geojson", name, config={"src": src, "rules": [], "style": style}, tooltip=False)


def _markers(name: str, ref: str, layer: Layer) -> common.MapLayerOptions:
    symbol = "triangle" if layer.rotate_by else layer.symbol
    style: dict[str, object] = {
        "size": {"fixed": layer.size, "min": 2, "max": 15},
        "color": {"field": layer.colour_by, "fixed": layer.colour} if layer.colour_by else {"fixed": layer.colour},
        "opacity": 0.85,
        "symbol": {"fixed": f"img/icons/marker/{symbol}.svg", "mode": "fixed"},
        "rotation": {"field": layer.rotate_by, "fixed": 0, "mode": "mod", "min": 0, "max": 360},
    }
    if layer.label:
        style["text"] = {"field": layer.label, "fixed": "", "mode": "field"}
        style["textConfig"] = {
            "fontSize": 11,
            "offsetX": 0,
            "offsetY": 14,
            "textAlign": "center",
            "textBaseline": "top",
        }
    return common.MapLayerOptions(
        "markers",
        name,
        config={"showLegend": True, "style": style},
        location=common.FrameGeometrySource(common.FrameGeometrySourceMode.COORDS, latitude="lat", longitude="lon"),
        filter_data={"id": "byRefId", "options": ref},
        tooltip=True,
    )


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

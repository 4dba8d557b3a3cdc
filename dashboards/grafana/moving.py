"""Fleet and harbour: where things are, what they did, and a page for each vehicle and vessel."""

from __future__ import annotations

from dashboards.grafana.board import LEVELS, ROW_LINK, Board, Column, Language, Limits, Link, transformation
from dashboards.grafana.influxql import AREA, WHEN, lines, rows
from dashboards.grafana.warnings import LATEST_OF_EACH, RENAMED_TIME, state_of_each_alert

TRIP = Link(("Trips of this vehicle", "车辆行程"), "vehicle")
TRIP_ROW = Link(("Trips of this vehicle", "车辆行程"), "vehicle", of=ROW_LINK)
VESSEL_ROW = Link(("This vessel", "船舶详情"), "vessel", of=ROW_LINK)
SPEED = Limits(((60, "#f2c94c"), (80, "#f2994a"), (100, "#eb5757")), ("house default; zones with a limit of their own have rules of their own", "本系统默认；限速区另有规则"))  # fmt: skip
SOG = Limits(((8, "#f2c94c"), (12, "#eb5757")), ("house default for a harbour's fairway; the port's own by-law goes first", "港区航道默认值；以港口规定为准"))  # fmt: skip
ON = {"0": (("off", "熄火"), "#828282"), "1": (("on", "点火"), "#27ae60")}
MOVING = '"kind" !~ /^(phone|vessel)$/'
PAIR = '"subject" =~ /\\+/'
"""A warning about two things that met names both, as `a+b`."""
ALERT_COLUMNS = (
    Column("Time", ("Last change", "最近变化"), "dateTimeAsIso", 170),
    Column("level (lastNotNull)", ("Level", "等级"), width=80, mapping=LEVELS),
    Column("title (lastNotNull)", ("Warning", "预警")),
    Column("subject (lastNotNull)", ("Subject", "对象"), width=220),
    Column("change (lastNotNull)", ("State", "状态"), width=100),
    *(Column(f"{name} (lastNotNull)", (name, name), hidden=True) for name in ("area", "camera", "rule")),
    Column("alert", ("Warning id", "预警编号"), hidden=True),
)


def _distance(where: str) -> str:
    """Kilometres: mean speed of each minute, an hour having sixty. Portable, where INTEGRAL is not."""
    return f'SELECT sum("v") / 60 AS "distance" FROM (SELECT mean("speed") AS "v" FROM "vehicle" WHERE {WHEN} AND {where} GROUP BY time(1m), "device") WHERE {WHEN}'


def fleet(language: Language) -> Board:
    board = Board("fleet", ("Fleet", "车队"), ("Where the vehicles are, how they are used and driven.", "车辆位置、利用率与驾驶行为。"), "fleet", language, refresh="30s")  # fmt: skip
    board.area()
    board.variable(
        "device",
        ("Vehicle", "车辆"),
        ("Vehicles that have reported", "上报过的车辆"),
        'SHOW TAG VALUES FROM "vehicle" WITH KEY = "device"',
    )
    board.setting(
        "limit",
        ("Speed limit, km/h", "限速 km/h"),
        ("Above this a minute counts as overspeed", "超过即计为超速分钟"),
        "80",
    )
    here = f'{AREA} AND "device" =~ /^$device$/'
    board.data_age("vehicle", "speed", here)
    board.stat(("Vehicles heard", "在线车辆"), ("Vehicles that reported in the chosen time.", "所选时段上报过的车辆。"), rows(f'SELECT count("n") AS "vehicles" FROM (SELECT last("speed") AS "n" FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY "device")'), unit="none", field="vehicles")  # fmt: skip
    board.stat(("Distance", "总里程"), ("Of all vehicles, from their speed.", "全部车辆，由速度计算。"), rows(_distance(here)), unit="lengthkm", field="distance", decimals=0)  # fmt: skip
    board.stat(("Utilisation", "利用率"), ("Share of the time the ignition was on.", "点火时间占比。"), rows(f'SELECT mean("ignition") AS "used" FROM "vehicle" WHERE {WHEN} AND {here} AND {MOVING}'), unit="percentunit", field="used", decimals=1)  # fmt: skip
    board.stat(("Highest speed", "最高车速"), ("Of any vehicle in the chosen time.", "所选时段任一车辆。"), rows(f'SELECT max("speed") AS "top" FROM "vehicle" WHERE {WHEN} AND {here}'), unit="velocitykmh", field="top", limits=SPEED)  # fmt: skip
    board.map(
        ("Where they are", "实时位置"), ("The newest place of every vehicle; the colour is its speed.", "各车辆最新位置；颜色为车速。"),
        rows(f'SELECT last("speed") AS "speed", "lat", "lon", "course" FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY "device", "kind"'),
        colour_by="speed", unit="velocitykmh", rotate_by="course", limits=SPEED,
        columns=[Column("device", ("Vehicle", "车辆"), link=TRIP_ROW)],
    )  # fmt: skip
    board.states(("Ignition", "点火状态"), ("On or off, by vehicle.", "各车辆点火/熄火。"), lines(f'SELECT last("ignition") FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), h=14, mapping=ON, link=TRIP)  # fmt: skip
    board.table(
        ("Use", "使用情况"), ("Share of the time used, highest speed and odometer of each vehicle.", "各车使用占比、最高车速与里程表。"),
        rows(f'SELECT mean("ignition") AS "used", max("speed") AS "top", spread("odometer") AS "driven", last("odometer") AS "odometer" FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY "device", "kind"'),
        h=10, sort="used", decimals=1,
        columns=[
            Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Vehicle", "车辆"), link=TRIP_ROW), Column("kind", ("Kind", "类型")),
            Column("used", ("Used", "使用占比"), "percentunit"), Column("top", ("Highest speed", "最高车速"), "velocitykmh"), Column("driven", ("Driven", "行驶"), "lengthkm"), Column("odometer", ("Odometer", "里程表"), "lengthkm"),
        ],
    )  # fmt: skip
    board.bars(("Distance by vehicle", "各车里程"), ("From the speed of each minute.", "由逐分钟车速计算。"), lines(_distance(here) + ' GROUP BY "device"'), unit="lengthkm", h=10, decimals=1, link=TRIP)  # fmt: skip
    board.bars(
        ("Minutes over the limit", "超速分钟数"), ("Minutes in which a vehicle was faster than the limit set above.", "车速超过上方限速的分钟数。"),
        lines(f'SELECT count("v") FROM (SELECT max("speed") AS "v" FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY time(1m), "device") WHERE "v" > $limit AND {WHEN} GROUP BY "device"'), unit="m", w=8, link=TRIP,
    )  # fmt: skip
    board.table(
        ("Harsh driving and events", "急加减速与事件"), ("Events that the terminals reported.", "终端上报的事件。"),
        rows(f'SELECT "events", "speed", "device" FROM "vehicle" WHERE {WHEN} AND {here} AND "events" =~ /[a-z]/ ORDER BY time DESC LIMIT 200'), w=8,
        columns=[Column("Time", ("Time", "时间"), "dateTimeAsIso"), Column("device", ("Vehicle", "车辆"), link=TRIP_ROW), Column("events", ("Events", "事件")), Column("speed", ("Speed", "车速"), "velocitykmh")],
    )  # fmt: skip
    board.table(
        ("Time in zones", "区域停留"), ("Minutes each vehicle spent in a zone of the city (one report a minute).", "车辆在各区域停留分钟数（每分钟一报）。"),
        rows(f'SELECT "zone", "device", "heard" FROM "device" WHERE {WHEN} AND {here} AND "zone" =~ /./ AND "kind" != \'vessel\''), w=8, unit="m", sort="heard (count)",
        transform=[transformation("groupBy", fields={"zone": {"aggregations": [], "operation": "groupby"}, "device": {"aggregations": [], "operation": "groupby"}, "heard": {"aggregations": ["count"], "operation": "aggregate"}})],
        columns=[Column("device", ("Vehicle", "车辆"), link=TRIP_ROW), Column("zone", ("Zone", "区域")), Column("heard (count)", ("Time", "停留"), "m")],
    )  # fmt: skip
    return board


def vehicle(language: Language) -> Board:
    board = Board("vehicle", ("Vehicle", "车辆行程"), ("One vehicle: its way, its speed, what happened.", "单车：轨迹、车速与事件。"), "fleet", language)  # fmt: skip
    board.variable(
        "device",
        ("Vehicle", "车辆"),
        ("Vehicles that have reported", "上报过的车辆"),
        'SHOW TAG VALUES FROM "vehicle" WITH KEY = "device"',
        several=False,
    )
    here = "\"device\" = '$device'"
    board.data_age("vehicle", "speed", here)
    board.stat(("Distance", "里程"), ("From the speed of each minute.", "由逐分钟车速计算。"), rows(_distance(here)), unit="lengthkm", field="distance", decimals=1)  # fmt: skip
    board.stat(("Highest speed", "最高车速"), ("In the chosen time.", "所选时段。"), rows(f'SELECT max("speed") AS "top" FROM "vehicle" WHERE {WHEN} AND {here}'), unit="velocitykmh", field="top", limits=SPEED)  # fmt: skip
    board.stat(("Used", "使用占比"), ("Share of the time the ignition was on.", "点火时间占比。"), rows(f'SELECT mean("ignition") AS "used" FROM "vehicle" WHERE {WHEN} AND {here}'), unit="percentunit", field="used", decimals=1)  # fmt: skip
    board.map(("Way", "轨迹"), ("Every fix; the colour is the speed.", "全部定位点；颜色为车速。"), rows(f'SELECT "speed", "lat", "lon", "course" FROM "vehicle" WHERE {WHEN} AND {here} LIMIT 20000'), colour_by="speed", unit="velocitykmh", limits=SPEED, route=True)  # fmt: skip
    board.series(("Speed", "车速"), ("Highest of each interval.", "区间最大值。"), lines(f'SELECT max("speed") FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), unit="velocitykmh", limits=SPEED, interval="10s")  # fmt: skip
    board.states(("Ignition", "点火状态"), ("On or off.", "点火/熄火。"), lines(f'SELECT last("ignition") FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), h=6, mapping=ON)  # fmt: skip
    board.table(("Events", "事件"), ("What the terminal reported.", "终端上报的事件。"), rows(f'SELECT "events", "speed", "lat", "lon" FROM "vehicle" WHERE {WHEN} AND {here} AND "events" =~ /[a-z]/ ORDER BY time DESC LIMIT 500'), columns=[Column("Time", ("Time", "时间"), "dateTimeAsIso"), Column("events", ("Events", "事件")), Column("speed", ("Speed", "车速"), "velocitykmh")])  # fmt: skip
    board.table(("Warnings", "预警"), ("Warnings about this vehicle.", "与该车相关的预警。"), rows(state_of_each_alert('"subject" =~ /$device/')), transform=(LATEST_OF_EACH, RENAMED_TIME), columns=ALERT_COLUMNS, sort="Time")  # fmt: skip
    return board


def harbour(language: Language) -> Board:
    board = Board("harbour", ("Harbour", "港区"), ("Vessels in and off the harbour: arrivals, speed, encounters and anchorage.", "港区船舶：到港、航速、会遇与锚泊。"), "harbour", language, refresh="30s")  # fmt: skip
    board.variable(
        "device",
        ("Vessel", "船舶"),
        ("Vessels that have been heard", "收到过的船舶"),
        'SHOW TAG VALUES FROM "vessel" WITH KEY = "device"',
    )
    here = '"device" =~ /^$device$/'
    board.data_age("vessel", "sog", here)
    board.stat(("Vessels heard", "在港船舶"), ("Vessels heard in the chosen time.", "所选时段收到的船舶。"), rows(f'SELECT count("n") AS "vessels" FROM (SELECT last("sog") AS "n" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device")'), unit="none", field="vessels")  # fmt: skip
    board.stat(("Encounters", "会遇"), ("Warnings about two vessels.", "涉及两船的预警。"), rows(f'SELECT count("alert") AS "encounters" FROM "alerts" WHERE {WHEN} AND {PAIR} AND "change" = \'raised\''), unit="none", field="encounters")  # fmt: skip
    board.stat(("Highest speed", "最高航速"), ("Of any vessel in the chosen time.", "所选时段任一船舶。"), rows(f'SELECT max("sog") AS "top" FROM "vessel" WHERE {WHEN} AND {here}'), unit="velocityknot", field="top", limits=SOG)  # fmt: skip
    board.map(
        ("Vessels", "船舶分布"), ("The newest place of every vessel; the colour is its speed over ground.", "各船最新位置；颜色为对地航速。"),
        rows(f'SELECT last("sog") AS "sog", "lat", "lon", "cog" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device"'), colour_by="sog", unit="velocityknot", rotate_by="cog", limits=SOG, w=14,
        columns=[Column("device", ("Vessel", "船舶"), link=VESSEL_ROW)],
    )  # fmt: skip
    board.table(
        ("Arrivals", "到港"), ("When each vessel was first heard in the chosen time.", "所选时段内首次收到的时间。"),
        rows(f'SELECT first("sog") AS "sog", "cog" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device"'), w=10, h=14, sort="Time",
        columns=[Column("Time", ("First heard", "首次收到"), "dateTimeAsIso"), Column("device", ("Vessel", "船舶"), link=VESSEL_ROW), Column("sog", ("Speed", "航速"), "velocityknot"), Column("cog", ("Course", "航向"), "degree")],
    )  # fmt: skip
    board.table(
        ("Who they are", "船舶资料"), ("Name, type and destination as the vessels say.", "船舶自报的船名、类型与目的港。"),
        rows(f'SELECT last("name") AS "name", last("ship_type") AS "type", last("destination") AS "destination", last("draught") AS "draught" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device"'),
        columns=[Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Vessel", "船舶"), link=VESSEL_ROW), Column("name", ("Name", "船名")), Column("type", ("Type", "类型")), Column("destination", ("Destination", "目的港")), Column("draught", ("Draught", "吃水"), "lengthm")],
    )  # fmt: skip
    board.table(
        ("Speed in zones", "区域航速"), ("The zone each vessel is in, and its speed there.", "船舶所在区域及航速。"),
        rows(f'SELECT last("zone_speed") AS "speed", "zone" FROM "device" WHERE {WHEN} AND {here} AND "kind" = \'vessel\' GROUP BY "device"'), sort="speed", unit="velocitykmh",
        columns=[Column("Time", ("Time", "时间"), hidden=True), Column("device", ("Vessel", "船舶"), link=VESSEL_ROW), Column("zone", ("Zone", "区域")), Column("speed", ("Speed", "航速"), "velocitykmh")],
    )  # fmt: skip
    board.table(("Encounters (CPA)", "会遇（CPA）"), ("Warnings about two vessels that come near each other.", "两船接近的预警。"), rows(state_of_each_alert(PAIR)), transform=(LATEST_OF_EACH, RENAMED_TIME), columns=ALERT_COLUMNS, sort="Time")  # fmt: skip
    board.table(
        ("Anchorage watch", "锚泊监视"), ("Vessels that say they are at anchor, and how fast they move: an anchored vessel above 1 kn may drag.", "自报锚泊的船舶及其航速：超过 1 kn 可能走锚。"),
        rows(f'SELECT last("sog") AS "sog", "lat", "lon" FROM "vessel" WHERE {WHEN} AND {here} AND "nav_status" = \'at anchor\' GROUP BY "device"'), sort="sog",
        limits=Limits(((1, "#eb5757"),), ("house default: 1 kn over ground at anchor", "本系统默认：锚泊时对地 1 kn")), unit="velocityknot",
        columns=[Column("Time", ("Heard", "时间"), "dateTimeFromNow"), Column("device", ("Vessel", "船舶"), link=VESSEL_ROW), Column("sog", ("Speed", "航速"), "velocityknot")],
    )  # fmt: skip
    return board


def vessel(language: Language) -> Board:
    board = Board("vessel", ("Vessel", "船舶详情"), ("One vessel: its track, speed and what was warned of.", "单船：航迹、航速与预警。"), "harbour", language)  # fmt: skip
    board.variable(
        "device",
        ("Vessel", "船舶"),
        ("Vessels that have been heard", "收到过的船舶"),
        'SHOW TAG VALUES FROM "vessel" WITH KEY = "device"',
        several=False,
    )
    here = "\"device\" = '$device'"
    board.data_age("vessel", "sog", here)
    board.stat(("Speed now", "当前航速"), ("Newest speed over ground.", "最新对地航速。"), rows(f'SELECT last("sog") AS "sog" FROM "vessel" WHERE {WHEN} AND {here}'), unit="velocityknot", field="sog", limits=SOG, decimals=1)  # fmt: skip
    board.stat(("Status", "航行状态"), ("As the vessel says.", "船舶自报。"), rows(f'SELECT last("nav_status") AS "status" FROM "vessel" WHERE {WHEN} AND {here}'), unit="none", field="status", w=8)  # fmt: skip
    board.map(("Track", "航迹"), ("Every report; the colour is the speed.", "全部报告；颜色为航速。"), rows(f'SELECT "sog", "lat", "lon", "cog" FROM "vessel" WHERE {WHEN} AND {here} AND "sog" >= 0 LIMIT 20000'), colour_by="sog", unit="velocityknot", limits=SOG, route=True)  # fmt: skip
    board.series(("Speed over ground", "对地航速"), ("Highest of each interval.", "区间最大值。"), lines(f'SELECT max("sog") FROM "vessel" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'), unit="velocityknot", limits=SOG, interval="10s")  # fmt: skip
    board.series(("Course and heading", "航向与船首向"), ("Newest of each interval; a vessel whose heading leaves its course drifts.", "区间最新值；船首向偏离航向说明在漂移。"), lines(f'SELECT last("cog") FROM "vessel" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)', "cog"), lines(f'SELECT last("heading") FROM "vessel" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)', "heading"), unit="degree", h=6, steps=True, interval="10s")  # fmt: skip
    board.states(("Status", "状态"), ("Navigational status over time.", "航行状态变化。"), lines(f'SELECT last("nav_status") FROM "vessel" WHERE {WHEN} AND {here} GROUP BY time($__interval), "device" fill(null)'))  # fmt: skip
    board.table(("Warnings", "预警"), ("Warnings about this vessel, alone or with another.", "与该船（或另一船）相关的预警。"), rows(state_of_each_alert('"subject" =~ /$device/')), transform=(LATEST_OF_EACH, RENAMED_TIME), columns=ALERT_COLUMNS, sort="Time")  # fmt: skip
    return board

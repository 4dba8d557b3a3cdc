"""Fleet and harbour: where things are, what they did, and a page for each vehicle and vessel."""

from __future__ import annotations

from dashboards.grafana.board import Board, Layer
from dashboards.grafana.city import silent_devices
from dashboards.grafana.environment import extreme
from dashboards.grafana.fields import transformation
from dashboards.grafana.influxql import (
    ABOUT_DEVICE,
    EVERY,
    HERE,
    THIS_DEVICE,
    WHEN,
    Query,
    lines,
    over_time,
    rolled,
    rows,
)
from dashboards.grafana.look import (  # fmt: skip
    BLUE,
    GREEN,
    GREY,
    NONE,
    ORANGE,
    RED,
    YELLOW,
    Column,
    Language,
    Limits,
    Link,
    States,
    device,
    flag,
)
from dashboards.grafana.warnings import LAST_CHANGE, LEVEL, STATE, alerts_table

TRIP_LINE = Link(("Trips of this vehicle", "车辆行程"), "vehicle", of="${__field.labels.device}")
SPEED = Limits(((60, YELLOW), (80, ORANGE), (100, RED)), ("house default; zones with a limit of their own have rules of their own", "本系统默认；限速区另有规则"))  # fmt: skip
SOG = Limits(((8, YELLOW), (12, RED)), ("house default for a harbour's fairway; the port's own by-law goes first", "港区航道默认值；以港口规定为准"))  # fmt: skip
DRAGGING = Limits(((1, RED),), ("house default: 1 kn over ground at anchor", "本系统默认：锚泊时对地 1 kn"))
IGNITION = flag(("off", "熄火"), ("on", "点火"))
EVENTS: States = {
    f'["{event}"]': (said, ORANGE)
    for event, said in {
        "harsh-braking": ("harsh braking", "急刹车"), "harsh-acceleration": ("harsh acceleration", "急加速"), "harsh-cornering": ("harsh cornering", "急转弯"),
        "harsh-left-turn": ("harsh left turn", "急左转"), "harsh-right-turn": ("harsh right turn", "急右转"), "overspeed": ("overspeed", "超速"),
    }.items()
}  # fmt: skip
EVENT = Column(
    "events", ("Events", "事件"), states=EVENTS, shorten=r'^\["([^"]*)"(?:, ?"([^"]*)")?(?:, ?"([^"]*)")?.*\]$'
)
STATUS: States = {
    "under way using engine": (("under way using engine", "机动航行"), GREEN), "at anchor": (("at anchor", "锚泊"), BLUE),
    "not under command": (("not under command", "失控"), RED), "restricted manoeuvrability": (("restricted manoeuvrability", "操纵受限"), ORANGE),
    "constrained by her draught": (("constrained by her draught", "吃水受限"), YELLOW), "moored": (("moored", "系泊"), GREY),
    "aground": (("aground", "搁浅"), RED), "engaged in fishing": (("fishing", "捕捞"), "#73bfb8"), "under way sailing": (("under sail", "驶帆"), "#8ab8ff"),
}  # fmt: skip
VEHICLES = "^(vehicle|bus|taxi|phone|.*truck)$"
PAIR = '"other" =~ /./'
"""A warning about two that met names both; a device called `A+B` is one, by whatever name."""
TITLE = Column("title", ("Warning", "预警"))
AT = Column("Time", ("Time", "时间"), "dateTimeAsIso", 170)
KMH, KN, KM, CLOCK = "velocitykmh", "velocityknot", "suffix:km", "dtdhms"
IGNITION_ON, SPEED_MAX, SOG_MAX = '"ignition"', '"speed_max"', '"sog_max"'
ODOMETER = '"odometer_max", "odometer_min"'
DRIVEN = 'max("odometer_max") - min("odometer_min")'
"""Distance is what the odometer says, everywhere: at the end less at the beginning. Speeds between reports are nobody's to guess."""
TRIP, STOP = "\"motion\" = 'driving'", '"motion" =~ /^(standing|unheard)$/'
"""Of the points that the hub writes of trips and stops, each at its beginning (hub/app/trip_notes.py): those that count. Others are withdrawn."""
MOTION: States = {
    "driving": (("driving", "行驶"), GREEN),
    "standing": (("standing", "停车"), BLUE),
    "unheard": (("not heard", "失联"), GREY),
}
LONG_S = 400 * 86_400
"""A stop lasts until the next trip, however long that is."""
TRIPS_FROM = ("The hub works them out of the places, within minutes of their coming; the last one may still go on.", "由中枢根据定位计算，数分钟内更新；最后一段可能尚未结束。")  # fmt: skip
DRIVEN_ABOUT = ("By the odometer, end less beginning.", "按里程表，终值减初值。")


def trips(board: Board, here: str, *who: Column) -> None:
    """What was driven and where it stood, one row each; `who`: the columns that name the vehicle."""
    named = ', "device"' if who else ""
    for title, about, chosen, condition, columns in (
        (
            ("Trips", "行程"), (f"Those that began in the chosen time, the newest 500. {TRIPS_FROM[0]}", f"所选时段内开始的行程，最新 500 条。{TRIPS_FROM[1]}"),
            '"trip_duration" AS "duration", "trip_distance" AS "distance", "trip_idling" AS "idling", "trip_speed" AS "top"', TRIP,
            [
                Column("duration", ("Duration", "时长"), CLOCK), Column("distance", ("Distance", "里程"), KM, decimals=1, cell="gauge"),
                Column("idling", ("Idling", "怠速"), CLOCK), Column("top", ("Highest speed", "最高车速"), KMH, decimals=0, limits=SPEED, cell="text"),
            ],
        ),
        (
            ("Stops", "停车"), (f"Those that began in the chosen time, the newest 500. Not heard: no place for more than an hour. {TRIPS_FROM[0]}", f"所选时段内开始的停车，最新 500 条。失联：超过一小时无定位。{TRIPS_FROM[1]}"),
            '"motion", "stop_duration" AS "duration", "stop_idling" AS "idling"', STOP,
            [
                Column("motion", ("State", "状态"), states=MOTION, cell="text"), Column("duration", ("Duration", "时长"), CLOCK), Column("idling", ("Idling", "怠速"), CLOCK, cell="gauge"),
            ],
        ),
    ):  # fmt: skip
        board.table(
            title, about, rows(f'SELECT {chosen}{named} FROM "trip" WHERE {WHEN} AND {here} AND {condition} ORDER BY time DESC LIMIT 500'), h=10, sort="Time", empty=NONE,
            columns=[Column("Time", ("Began", "开始"), "dateTimeAsIso", 170), *who, *columns],
        )  # fmt: skip


def fleet(language: Language) -> Board:
    board = Board("fleet", ("Fleet", "车队"), ("Where are the vehicles, how are they used and how are they driven?", "车辆在哪、利用如何、驾驶如何？"), "fleet", language, refresh="30s")  # fmt: skip
    board.area()
    board.variable("device", ("Vehicle", "车辆"), ("Vehicles that have reported", "上报过的车辆"), 'SHOW TAG VALUES FROM "vehicle" WITH KEY = "device"')  # fmt: skip
    board.setting("limit", ("Speed limit, km/h", "限速 km/h"), ("Above this a minute counts as overspeed", "超过即计为超速分钟"), "80")  # fmt: skip
    here = f"{HERE} AND {THIS_DEVICE}"
    board.data_age("vehicle", "speed", here, w=4)
    board.stat(
        ("Vehicles heard", "在线车辆"), ("Vehicles that reported in the last hour.", "近 1 小时上报过的车辆。"),
        rows(f'SELECT count("n") AS "vehicles" FROM (SELECT last("speed") AS "n" FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY "device")'), unit="none", field="vehicles", w=4, recent="1h", decimals=0,
    )  # fmt: skip
    silent_devices(board, f'{here} AND "kind" =~ /{VEHICLES}/', 4)
    board.stat(
        ("Distance", "总里程"), (f"Of all vehicles in the chosen time. {DRIVEN_ABOUT[0]}", f"所选时段全部车辆合计。{DRIVEN_ABOUT[1]}"),
        rows(f'SELECT sum("v") AS "distance" FROM (SELECT {DRIVEN} AS "v" FROM {rolled(ODOMETER, "vehicle", here)} GROUP BY "device")'), unit=KM, field="distance", decimals=0, w=4,
    )  # fmt: skip
    board.stat(
        ("Ignition on", "点火占比"), ("Share of the reports of the chosen time that had the ignition on.", "所选时段点火占比。"),
        rows(f'SELECT mean("ignition") AS "used" FROM {rolled(IGNITION_ON, "vehicle", here)}'), unit="percentunit", field="used", decimals=0, w=4,
    )  # fmt: skip
    board.stat(
        ("Highest speed", "最高车速"), ("Of any vehicle in the chosen time.", "所选时段任一车辆。"),
        rows(f'SELECT max("speed_max") AS "top" FROM {rolled(SPEED_MAX, "vehicle", here)}'), unit=KMH, field="top", limits=SPEED, w=4, decimals=0,
    )  # fmt: skip
    board.map(
        ("Where they are", "实时位置"), ("The newest place of every vehicle, of the last day; the colour is its speed.", "各车辆近一天最新位置；颜色为车速。"),
        Layer(("Speed", "车速"), rows(f'SELECT last("speed") AS "speed", "lat", "lon", "course" FROM "vehicle" WHERE {WHEN} AND {here} GROUP BY "device", "kind"'), colour_by="speed", rotate_by="course", label="device"),
        unit=KMH, limits=SPEED, recent="1d", h=16, decimals=0,
        columns=[device(("Vehicle", "车辆"), board="vehicle"), Column("kind", ("Kind", "类型")), Column("speed", ("Speed", "车速"), KMH, decimals=0), Column("course", ("Course", "航向"), "degree", decimals=0)],
    )  # fmt: skip
    board.states(
        ("Ignition", "点火状态"), ("On or off, by vehicle; a gap means that it did not report.", "各车辆点火/熄火；空白为未上报。"),
        lines(over_time('last("ignition_last")', '"ignition_last"', "vehicle", here, ', "device"', "none"), "$tag_device"), h=16, states=IGNITION, link=TRIP_LINE, interval="5m",
    )  # fmt: skip
    board.table(
        ("Use by day", "每日使用"), (f"Each vehicle and day (UTC) of the last 7. {DRIVEN_ABOUT[0]}", f"近 7 天各车每日（UTC）。{DRIVEN_ABOUT[1]}"),
        rows(f'SELECT {DRIVEN} AS "distance", mean("ignition") AS "used", max("speed_max") AS "top" FROM "vehicle_1h" WHERE {WHEN} AND {here} GROUP BY time(1d), "device" fill(none)'), h=10, sort="Time", recent="7d", interval="1d",
        columns=[
            Column("Time", ("Day", "日期"), "time:YYYY-MM-DD", 110), device(("Vehicle", "车辆"), board="vehicle"), Column("distance", ("Distance", "里程"), KM, decimals=1, cell="gauge"),
            Column("used", ("Ignition on", "点火占比"), "percentunit", decimals=0), Column("top", ("Highest speed", "最高车速"), KMH, decimals=0, limits=SPEED, cell="text"),
        ],
    )  # fmt: skip
    board.table(
        ("Distance by vehicle", "各车里程"), (f"In the chosen time. {DRIVEN_ABOUT[0]}", f"所选时段。{DRIVEN_ABOUT[1]}"),
        rows(f'SELECT {DRIVEN} AS "distance", max("odometer_max") AS "odometer" FROM {rolled(ODOMETER, "vehicle", here)} GROUP BY "device"'), h=10, sort="distance",
        columns=[device(("Vehicle", "车辆"), board="vehicle"), Column("distance", ("Distance", "里程"), KM, decimals=1, cell="gauge"), Column("odometer", ("Odometer", "里程表"), KM, decimals=0)],
    )  # fmt: skip
    trips(board, here, device(("Vehicle", "车辆"), board="vehicle"))
    for title, about, condition in (
        (("Minutes over the limit", "超速分钟数"), ("Minutes of the last 24 hours in which a vehicle was faster than the limit set above.", "近 24 小时车速超过上方限速的分钟数。"), '"speed_max" > $limit'),
        (("Idle minutes", "怠速分钟数"), ("Minutes of the last 24 hours with the ignition on in which a vehicle stood.", "近 24 小时点火而未行驶的分钟数。"), '"ignition_min" > 0 AND "speed_max" < 1'),
    ):  # fmt: skip
        board.table(
            title, about, rows(f'SELECT count("speed_max") AS "minutes" FROM "vehicle_1m" WHERE {WHEN} AND {here} AND {condition} GROUP BY "device"'), w=6, sort="minutes", recent="1d", empty=NONE,
            columns=[device(("Vehicle", "车辆"), board="vehicle"), Column("minutes", ("Minutes", "分钟"), "none", decimals=0, cell="gauge")],
        )  # fmt: skip
    board.table(
        ("Events", "事件"), ("Harsh driving and other events that the terminals reported, newest first, 200 at most.", "终端上报的急加减速等事件，最新 200 条。"),
        rows(f'SELECT "events", "speed", "device" FROM "vehicle" WHERE {WHEN} AND {here} AND "events" =~ /[a-z]/ ORDER BY time DESC LIMIT 200'), w=6, sort="Time", empty=NONE,
        columns=[Column("Time", ("Time", "时间"), "dateTimeFromNow", 110), device(("Vehicle", "车辆"), board="vehicle"), EVENT],
    )  # fmt: skip
    board.table(
        ("Time in zones", "区域停留"), ("Minutes of the last 24 hours that each vehicle spent in a zone of the city (the hub looks once a minute).", "近 24 小时各车辆在各区域停留分钟数（中枢每分钟检查一次）。"),
        rows(f'SELECT "zone", "device", "heard" FROM "device" WHERE {WHEN} AND {here} AND "zone" =~ /./ AND "kind" != \'vessel\''), w=6, sort="minutes", recent="1d", empty=NONE,
        transform=[
            transformation("groupBy", fields={"zone": {"aggregations": [], "operation": "groupby"}, "device": {"aggregations": [], "operation": "groupby"}, "heard": {"aggregations": ["count"], "operation": "aggregate"}}),
            transformation("organize", excludeByName={}, indexByName={}, renameByName={"heard (count)": "minutes"}),
        ],
        columns=[device(("Vehicle", "车辆"), board="vehicle"), Column("zone", ("Zone", "区域")), Column("minutes", ("Minutes", "分钟"), decimals=0)],
    )  # fmt: skip
    return board


def vehicle(language: Language) -> Board:
    board = Board("vehicle", ("Vehicle", "车辆行程"), ("Where did this vehicle go, how fast, and what happened?", "该车去了哪、多快、发生了什么？"), "fleet", language, warned=ABOUT_DEVICE, marks=True)  # fmt: skip
    board.variable("device", ("Vehicle", "车辆"), ("Vehicles that have reported", "上报过的车辆"), 'SHOW TAG VALUES FROM "vehicle" WITH KEY = "device"', several=False)  # fmt: skip
    here = THIS_DEVICE
    board.data_age("vehicle", "speed", here, w=6)
    board.stat(("Distance", "里程"), DRIVEN_ABOUT, rows(f'SELECT {DRIVEN} AS "distance" FROM {rolled(ODOMETER, "vehicle", here)}'), unit=KM, field="distance", decimals=1, w=6)  # fmt: skip
    board.stat(("Highest speed", "最高车速"), ("In the chosen time.", "所选时段。"), rows(f'SELECT max("speed_max") AS "top" FROM {rolled(SPEED_MAX, "vehicle", here)}'), unit=KMH, field="top", limits=SPEED, w=6, decimals=0)  # fmt: skip
    board.stat(("Ignition on", "点火占比"), ("Share of the reports of the chosen time.", "所选时段占比。"), rows(f'SELECT mean("ignition") AS "used" FROM {rolled(IGNITION_ON, "vehicle", here)}'), unit="percentunit", field="used", decimals=0, w=6)  # fmt: skip
    board.map(
        ("Way", "轨迹"), ("Every fix of the chosen time, the newest 20,000; the colour is the speed.", "所选时段定位点（最新 20000 个）；颜色为车速。"),
        Layer(("Speed", "车速"), rows(f'SELECT "speed", "lat", "lon", "course" FROM "vehicle" WHERE {WHEN} AND {here} ORDER BY time DESC LIMIT 20000'), colour_by="speed", size=3), unit=KMH, limits=SPEED, decimals=0,
        columns=[Column("Time", ("Time", "时间"), "dateTimeAsIso"), Column("speed", ("Speed", "车速"), KMH, decimals=0), Column("course", ("Course", "航向"), "degree", decimals=0)],
    )  # fmt: skip
    board.table(
        ("Days", "每日"), (f"Each day (UTC) of the last 30. {DRIVEN_ABOUT[0]}", f"近 30 天每日（UTC）。{DRIVEN_ABOUT[1]}"),
        rows(f'SELECT {DRIVEN} AS "distance", mean("ignition") AS "used", max("speed_max") AS "top" FROM "vehicle_1h" WHERE {WHEN} AND {here} GROUP BY time(1d) fill(none)'), h=14, sort="Time", recent="30d", interval="1d",
        columns=[
            Column("Time", ("Day", "日期"), "time:YYYY-MM-DD", 120), Column("distance", ("Distance", "里程"), KM, decimals=1, cell="gauge"), Column("used", ("Ignition on", "点火占比"), "percentunit", decimals=0),
            Column("top", ("Highest speed", "最高车速"), KMH, decimals=0, limits=SPEED, cell="text"),
        ],
    )  # fmt: skip
    extreme(
        board,
        ("Speed", "车速"),
        ("Highest of each interval.", "区间最大值。"),
        "speed",
        "vehicle",
        here,
        KMH,
        w=24,
        limits=SPEED,
        decimals=0,
        interval="1m",
    )
    board.states(("Ignition", "点火状态"), ("On or off; a gap means that it did not report.", "点火/熄火；空白为未上报。"), lines(over_time('last("ignition_last")', '"ignition_last"', "vehicle", here, ', "device"', "none"), "$tag_device"), w=24, h=5, states=IGNITION, gap_s=3600)  # fmt: skip
    board.states(
        ("Driving and standing", "行驶与停车"), (f"Each trip and stop from its beginning; what began before the chosen time is not drawn. {TRIPS_FROM[0]}", f"各行程与停车自开始时刻起；所选时段之前开始的不显示。{TRIPS_FROM[1]}"),
        lines(f'SELECT "motion" FROM "trip" WHERE {WHEN} AND {here} AND ({TRIP} OR {STOP}) GROUP BY "device"', "$tag_device"), w=24, h=5, states=MOTION, gap_s=LONG_S, empty=NONE,
    )  # fmt: skip
    trips(board, here)
    board.table(
        ("Events", "事件"), ("What the terminal reported, newest first, 500 at most.", "终端上报的事件，最新 500 条。"),
        rows(f'SELECT "events", "speed" FROM "vehicle" WHERE {WHEN} AND {here} AND "events" =~ /[a-z]/ ORDER BY time DESC LIMIT 500'), sort="Time", empty=NONE,
        columns=[AT, EVENT, Column("speed", ("Speed", "车速"), KMH, decimals=0)],
    )  # fmt: skip
    alerts_table(
        board,
        ("Warnings", "预警"),
        ("Warnings about this vehicle.", "与该车相关的预警。"),
        ABOUT_DEVICE,
        [LAST_CHANGE, LEVEL, TITLE, STATE],
        w=12,
    )
    return board


def harbour(language: Language) -> Board:
    board = Board("harbour", ("Harbour", "港区"), ("Which vessels are here, do two come too near, does one drag its anchor?", "港区有哪些船？是否会遇过近？是否走锚？"), "harbour", language, refresh="30s", warned=PAIR)  # fmt: skip
    board.variable("device", ("Vessel", "船舶"), ("Vessels that have been heard", "收到过的船舶"), 'SHOW TAG VALUES FROM "vessel" WITH KEY = "device"')  # fmt: skip
    here = THIS_DEVICE
    board.data_age("vessel", "sog", here)
    board.stat(("Vessels heard", "在港船舶"), ("Vessels heard in the last hour.", "近 1 小时收到的船舶。"), rows(f'SELECT count("n") AS "vessels" FROM (SELECT last("sog") AS "n" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device")'), unit="none", field="vessels", w=4, recent="1h", decimals=0)  # fmt: skip
    board.stat(("Encounters", "会遇"), ("Warnings about two vessels, raised in the chosen time.", "所选时段新增的两船预警。"), rows(f'SELECT count("alert") AS "encounters" FROM "alerts" WHERE {WHEN} AND {PAIR} AND "change" = \'raised\''), unit="none", field="encounters", w=5, decimals=0, empty=NONE)  # fmt: skip
    board.stat(("Fastest at anchor", "锚泊最高航速"), ("The highest newest speed of a vessel that says it is at anchor, of the last hour: above 1 kn it may drag.", "近 1 小时自报锚泊船舶的最高航速：超过 1 kn 可能走锚。"), rows(f'SELECT max("v") AS "sog" FROM (SELECT last("sog") AS "v" FROM "vessel" WHERE {WHEN} AND {here} AND "nav_status" = \'at anchor\' GROUP BY "device")'), unit=KN, field="sog", limits=DRAGGING, w=5, recent="1h", decimals=1, empty=NONE)  # fmt: skip
    board.stat(("Highest speed", "最高航速"), ("Of any vessel in the chosen time.", "所选时段任一船舶。"), rows(f'SELECT max("sog_max") AS "top" FROM {rolled(SOG_MAX, "vessel", here)}'), unit=KN, field="top", limits=SOG, w=5, decimals=1)  # fmt: skip
    board.map(
        ("Vessels", "船舶分布"), ("The newest place of every vessel, of the last 6 hours; the colour is its speed over ground.", "各船近 6 小时最新位置；颜色为对地航速。"),
        Layer(("Speed over ground", "对地航速"), rows(f'SELECT last("sog") AS "sog", "lat", "lon", "cog" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device"'), colour_by="sog", rotate_by="cog", label="device"), unit=KN, limits=SOG, w=14, recent="6h", decimals=1,
        columns=[device(("Vessel", "船舶"), board="vessel"), Column("sog", ("Speed", "航速"), KN, decimals=1), Column("cog", ("Course", "航向"), "degree", decimals=0)],
    )  # fmt: skip
    board.table(
        ("Arrivals", "到港"), ("When each vessel was first heard in the chosen time.", "所选时段内首次收到的时间。"),
        rows(f'SELECT first("sog") AS "sog", "cog" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device"'), w=10, h=14, sort="Time",
        columns=[Column("Time", ("First heard", "首次收到"), "dateTimeAsIso", 170), device(("Vessel", "船舶"), board="vessel"), Column("sog", ("Speed", "航速"), KN, decimals=1), Column("cog", ("Course", "航向"), "degree", decimals=0)],
    )  # fmt: skip
    alerts_table(
        board,
        ("Encounters (CPA)", "会遇（CPA）"),
        ("Warnings about two vessels that come near each other.", "两船接近的预警。"),
        PAIR,
        [LAST_CHANGE, LEVEL, TITLE, STATE],
        w=14,
    )
    board.table(
        ("Anchorage watch", "锚泊监视"), ("Vessels that said within the last 6 hours that they are at anchor, and how fast they move: above 1 kn one may drag.", "近 6 小时自报锚泊的船舶及其航速：超过 1 kn 可能走锚。"),
        rows(f'SELECT last("sog") AS "sog" FROM "vessel" WHERE {WHEN} AND {here} AND "nav_status" = \'at anchor\' GROUP BY "device"'), w=10, sort="sog", recent="6h", empty=NONE,
        columns=[Column("Time", ("Heard", "时间"), "dateTimeFromNow", 130), device(("Vessel", "船舶"), board="vessel"), Column("sog", ("Speed", "航速"), KN, decimals=1, limits=DRAGGING, cell="background")],
    )  # fmt: skip
    board.table(
        ("Who they are", "船舶资料"), ("Name, type and destination as the vessels say.", "船舶自报的船名、类型与目的港。"),
        rows(f'SELECT last("name") AS "name", last("ship_type") AS "type", last("destination") AS "destination", last("draught") AS "draught" FROM "vessel" WHERE {WHEN} AND {here} GROUP BY "device"'), w=14, sort="name",
        columns=[device(("Vessel", "船舶"), board="vessel"), Column("name", ("Name", "船名")), Column("type", ("Type", "类型")), Column("destination", ("Destination", "目的港")), Column("draught", ("Draught", "吃水"), "suffix:m", decimals=1)],
    )  # fmt: skip
    board.table(
        ("Speed in zones", "区域航速"), ("The zone each vessel is in, and its speed there, as the hub noted within the last hour.", "近 1 小时船舶所在区域及航速。"),
        rows(f'SELECT last("zone_speed") / 1.852 AS "speed", last("zone") AS "zone" FROM "device" WHERE {WHEN} AND {here} AND "kind" = \'vessel\' GROUP BY "device"'), w=10, sort="speed", recent="1h",
        columns=[device(("Vessel", "船舶"), board="vessel"), Column("zone", ("Zone", "区域")), Column("speed", ("Speed", "航速"), KN, decimals=1, limits=SOG, cell="text")],
    )  # fmt: skip
    return board


def vessel(language: Language) -> Board:
    board = Board("vessel", ("Vessel", "船舶详情"), ("Where did this vessel go, how fast, and what was warned of?", "该船航迹、航速与预警。"), "harbour", language, warned=ABOUT_DEVICE, marks=True)  # fmt: skip
    board.variable("device", ("Vessel", "船舶"), ("Vessels that have been heard", "收到过的船舶"), 'SHOW TAG VALUES FROM "vessel" WITH KEY = "device"', several=False)  # fmt: skip
    here = THIS_DEVICE
    board.data_age("vessel", "sog", here)
    board.stat(("Name", "船名"), ("As the vessel says.", "船舶自报。"), rows(f'SELECT last("name") AS "name" FROM "vessel" WHERE {WHEN} AND {here}'), unit="none", field="name", w=7, recent="7d")  # fmt: skip
    board.stat(("Speed now", "当前航速"), ("Newest speed over ground, of the last 6 hours.", "近 6 小时最新对地航速。"), rows(f'SELECT last("sog") AS "sog" FROM "vessel" WHERE {WHEN} AND {here}'), unit=KN, field="sog", limits=SOG, decimals=1, w=5, recent="6h")  # fmt: skip
    board.stat(("Status", "航行状态"), ("As the vessel says, of the last 6 hours.", "近 6 小时船舶自报。"), rows(f'SELECT last("nav_status") AS "status" FROM "vessel" WHERE {WHEN} AND {here}'), unit="none", field="status", w=7, states=STATUS, recent="6h")  # fmt: skip
    board.map(
        ("Track", "航迹"), ("Every report of the chosen time, the newest 20,000; the colour is the speed.", "所选时段报告（最新 20000 条）；颜色为航速。"),
        Layer(("Speed over ground", "对地航速"), rows(f'SELECT "sog", "lat", "lon", "cog" FROM "vessel" WHERE {WHEN} AND {here} AND "sog" >= 0 ORDER BY time DESC LIMIT 20000'), colour_by="sog", size=3), unit=KN, limits=SOG, w=12, decimals=1,
        columns=[Column("Time", ("Time", "时间"), "dateTimeAsIso"), Column("sog", ("Speed", "航速"), KN, decimals=1), Column("cog", ("Course", "航向"), "degree", decimals=0)],
    )  # fmt: skip
    extreme(
        board,
        ("Speed over ground", "对地航速"),
        ("Highest of each interval.", "区间最大值。"),
        "sog",
        "vessel",
        here,
        KN,
        w=12,
        h=14,
        limits=SOG,
        decimals=1,
        interval="1m",
    )
    board.series(
        ("Course and heading", "航向与船首向"), ("Newest of each interval; a vessel whose heading leaves its course drifts.", "区间最新值；船首向偏离航向说明在漂移。"),
        lines(over_time('last("cog_last") AS "cog", last("heading_last") AS "heading"', '"cog_last", "heading_last"', "vessel", here)), unit="degree", w=12, h=8, steps=True, decimals=0,
        names=[Column("cog", ("course over ground", "对地航向"), colour="#5794f2"), Column("heading", ("heading", "船首向"), colour="#b877d9")],
    )  # fmt: skip
    board.states(("Status", "状态"), ("Navigational status over time; a gap means that nothing was heard.", "航行状态变化；空白为未收到。"), status_over_time(here), h=8, states=STATUS)  # fmt: skip
    alerts_table(
        board,
        ("Warnings", "预警"),
        ("Warnings about this vessel, alone or with another.", "与该船（或另一船）相关的预警。"),
        ABOUT_DEVICE,
        [LAST_CHANGE, LEVEL, TITLE, STATE],
    )
    return board


def status_over_time(where: str) -> Query:
    """A text, which no rollup keeps: one vessel's own reports."""
    return lines(
        f'SELECT last("nav_status") FROM "vessel" WHERE {WHEN} AND {where} {EVERY}, "device" fill(none)', "$tag_device"
    )

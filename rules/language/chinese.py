"""A condition in Chinese: what an operator reads of why a rule warns.

From the text as it was written, not from the checked tree: limits keep their units and names stay names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hub.bilingual import UNITS_ZH, duration_zh, figure_zh
from hub.metrics import vocabulary
from hub.units import UnitError
from rules.language import grammar as g
from rules.language import types as t
from rules.language.rule import Rule

SPELT_OUT_MAX = 30
"""Letters up to which a name without a Chinese one is replaced by what it stands for."""

ATTRIBUTES = {
    "warning_level_m": "警戒水位", "guaranteed_level_m": "保证水位", "record_level_m": "历史最高水位", "warning_flow_m3s": "警戒流量", "guaranteed_flow_m3s": "保证流量",
    "record_flow_m3s": "历史最大流量", "nominal_voltage_v": "额定电压", "nominal_flow_m3h": "额定流量", "speed_limit_kmh": "限速", "bankfull_1h_mm": "1小时平滩雨量",
    "bankfull_3h_mm": "3小时平滩雨量", "bankfull_6h_mm": "6小时平滩雨量", "report_every_min": "上报间隔", "normal_level_m": "正常蓄水位", "flood_limit_level_m": "汛限水位",
    "design_flood_level_m": "设计洪水位", "check_flood_level_m": "校核洪水位", "design_level_m": "设计水位", "check_level_m": "校核水位", "crack_limit_mm": "裂缝限值",
    "displacement_limit_mm": "位移限值", "gust_close_mps": "封桥阵风", "gust_high_vehicles_mps": "高车限行阵风", "gust_slow_mps": "降速阵风", "pore_limit_kpa": "孔压限值",
    "soil_water_limit_mm": "土壤含水限值", "start_level_m": "启泵水位", "free_speed_kmh": "畅行车速", "heading_deg": "道路方向", "temperature_limit_cel": "温度限值", "speed_limit_kn": "限速",
}  # fmt: skip
TEXTS = {
    "aground": "搁浅", "not under command": "失控", "at anchor": "锚泊", "moored": "系泊", "under way using engine": "机动航行", "restricted manoeuvrability": "操纵能力受限",
    "constrained by her draught": "吃水受限", "engaged in fishing": "捕捞作业", "under way sailing": "驶帆航行", "AIS-SART is active": "搜救应答器已启动", "undefined": "未定义",
    "rollover": "侧翻", "collision": "碰撞", "harsh_braking": "急刹车", "harsh_acceleration": "急加速", "harsh_cornering": "急转弯", "emergency": "紧急报警",
    "school": "学校", "school-hours": "上下学", "bridge": "桥梁", "tunnel": "隧道", "restricted": "管制区", "channel": "航道", "anchorage": "锚地", "forbidden": "禁入区", "allowed": "限行区", "route": "规定路线", "crossing": "道口",
    "bridge-1": "第一桥区", "bridge-2": "第二桥区", "fatigue": "疲劳驾驶", "motorway-segment": "高速公路路段", "no-entry": "禁入区", "keep-in": "限定活动区", "hazmat-restricted": "危化品管制区", "hazmat-route": "危化品路线", "comms": "通信故障",
    "SOS": "紧急求助", "sos": "紧急求助", "overspeed": "超速", "fatigue pre-warning": "疲劳预警", "harsh acceleration": "急加速", "harsh braking": "急刹车", "harsh cornering": "急转弯",
    "harsh-acceleration": "急加速", "harsh-braking": "急刹车", "harsh-cornering": "急转弯", "harsh-left-turn": "急左转", "harsh-right-turn": "急右转", "": "空",
    "maintenance": "维护", "calibration": "校准", "fault": "故障", "suspect": "存疑", "river-gauge": "水文站", "hazmat": "危化品",
}  # fmt: skip
"""Texts that packs compare with: what devices report, kinds of zones, marks."""

OPERATORS = {">=": "≥", "<=": "≤", ">": ">", "<": "<", "==": "=", "!=": "≠", "+": "+", "-": "−", "*": "×", "/": "÷"}
OF_WINDOW = {
    "last": "最新值", "min": "最小值", "max": "最大值", "mean": "均值", "sum": "累计", "count": "读数个数", "std": "标准差", "rate": "变化速率", "delta": "变化量", "rise": "涨幅",
    "fall": "降幅", "nowcast": "临近值", "spread": "离散度", "largest_step": "最大单步变化", "trend": "趋势", "anomaly": "偏离常态的倍数", "hourly_anomaly": "偏离同时段常态的倍数",
    "expects": "后的预计值", "soil_water": "土壤含水量", "ewma": "指数平均", "cusum": "累积偏差", "residual": "偏离预期的倍数",
}  # fmt: skip
OF_FIGURES = {
    "greatest": "最大者", "least": "最小者", "greatest_known": "已知最大者", "second_greatest": "次大者", "third_greatest": "第三大者", "heat_index": "体感温度", "beaufort": "风力等级",
    "intensity_cn": "地震烈度", "cornering": "横向加速度", "antecedent_excess": "前期雨量超出值", "caine_ratio": "滑坡雨量阈值倍数",
}  # fmt: skip


def condition(text: str, rule: Rule, clear: bool = False) -> str:
    """The condition in Chinese (`clear`: one that ends a level), such as 水深 ≥ 27 cm，持续2分钟. What has no Chinese word keeps its own."""
    clause = g.parse(text)
    said = _Speaker(rule, clear).say(clause.condition)
    return f"{said}，持续{_quantity(clause.duration)}" if clause.duration else said


def name(word: str, rule: Rule) -> str:
    """A name of the rule, a metric or an attribute in Chinese."""
    return _Speaker(rule).name(word)


def text_zh(text: str) -> str:
    """What a device reports in words."""
    return TEXTS.get(text, text)


class _Speaker:
    """Says trees of one rule. `clear`: of a condition that ends a level, whose limit is called `level` there."""

    def __init__(self, rule: Rule, clear: bool = False) -> None:
        self.rule = rule
        self.clear = clear
        self.compared = False

    def name(self, word: str) -> str:
        if word == "level" and self.clear and self.compared:
            return "本级限值"
        if word in self.rule.let_zh:
            return self.rule.let_zh[word]
        if word in self.rule.let_texts:
            return self._spelt_out(word)
        metric = word.rstrip("~")
        if metric in vocabulary():
            return vocabulary()[metric].title_zh or metric
        limit = word.removeprefix("attr.").removeprefix("zone.")
        return ("所在区" if word.startswith("zone.") else "") + ATTRIBUTES.get(limit, limit)

    def _spelt_out(self, word: str) -> str:
        try:
            said = self.say(g.parse(self.rule.let_texts[word]).condition)
        except g.ExpressionError:  # of several editions
            return word
        return said if len(said) <= SPELT_OUT_MAX else word

    def say(self, tree: g.Tree | g.Aside) -> str:
        match tree:
            case g.Quantity():
                return _quantity(tree)
            case g.Text(value=value):
                return f"“{text_zh(value)}”"
            case g.Truth(value=value):
                return "是" if value else "否"
            case g.Name(name=word):
                return self.name(word)
            case g.Negative(operand=operand):
                return f"−{self.inner(operand)}"
            case g.Arithmetic(op=op, left=left, right=right):
                return f"{self.inner(left)} {OPERATORS[op]} {self.inner(right)}"
            case g.Share(percent=percent, operand=operand):
                return f"{self.inner(operand)}的{percent:g}%"
            case g.Compare(op=op, left=left, right=right):
                return f"{self.say(left)} {OPERATORS[op]} {self._limit(right)}"
            case g.Contains(text=text, operand=operand):
                return f"{self.say(operand)}含“{text_zh(text)}”"
            case g.Junction(op=op, parts=parts):
                return ("，且" if op == "and" else "，或").join(self.inner(part) for part in parts)
            case g.Not(operand=operand):
                return f"并非{self.inner(operand)}"
            case g.KofN(k=k, n=n, operand=operand):
                times = f"连续{n}次" if k == n else f"最近{n}次中有{k}次"
                return f"{times}{self.inner(operand)}"
            case g.Then(first=first, second=second, within=within):
                return f"先{self.inner(first)}，{_quantity(within)}内再{self.inner(second)}"
            case g.Call():
                return self.call(tree)
        return ""

    def _limit(self, tree: g.Tree) -> str:
        self.compared = True
        said = self.say(tree)
        self.compared = False
        return said

    def inner(self, tree: g.Tree) -> str:
        """Part of something larger: in brackets where it would run into its neighbours."""
        said = self.say(tree)
        return f"（{said}）" if isinstance(tree, g.Junction | g.Arithmetic | g.Not | g.Then) else said

    def call(self, tree: g.Call) -> str:
        plain = [a for a in tree.arguments if not isinstance(a, g.Scope | g.AtLeast | g.Margin | g.Together)]
        around = "".join(_around(a) for a in tree.arguments if isinstance(a, g.Scope))
        spot = "".join(f"同处一地（{_quantity(a.distance)}内）" for a in tree.arguments if isinstance(a, g.Together))
        sizes = [a for a in plain if isinstance(a, g.Quantity)]
        rest = [a for a in plain if not isinstance(a, g.Quantity)]
        what = "、".join(self.inner(a) for a in rest)
        if tree.name == "percentile" and len(sizes) == 2:
            figure = "中位数" if sizes[0].value == 50 else f"第{sizes[0].value:g}百分位数"
            return f"{around}{what}的{_quantity(sizes[1])}{figure}"
        if tree.name in OF_WINDOW:
            span = _quantity(sizes[0]) if sizes else ""
            return f"{around}{what}的{span}{OF_WINDOW[tree.name]}"
        if tree.name in OF_FIGURES:
            return f"{'、'.join(self.inner(a) for a in plain)}{'中' if len(plain) > 1 and tree.name not in DERIVED else '的'}{OF_FIGURES[tree.name]}"
        known: dict[str, Callable[[], str]] = {
            "abs": lambda: f"{what}的绝对值",
            "agree": lambda: f"{around}{spot}{what}的设备数",
            "share": lambda: f"{around}{what}的设备比例",
            "stuck": lambda: f"{what}{_quantity(sizes[0])}不变",
            "reports_here": lambda: f"停在{_quantity(sizes[0])}范围内的上报次数",
            "angle_between": lambda: f"{what}的夹角",
            "time_since": lambda: f"距{what}的时间",
            "in_zone": lambda: f"位于{what}内",
            "during": lambda: f"处于{what}时段",
            "marked": lambda: f"带有{what}标记",
        }
        if tree.name in known:
            return known[tree.name]()
        if tree.name.startswith("aqi_us"):
            return f"{what}的美国AQI分指数"
        return f"{tree.name}({'、'.join(self.say(a) for a in plain)})"


DERIVED = ("heat_index", "beaufort", "intensity_cn", "cornering", "antecedent_excess", "caine_ratio")
"""Of `OF_FIGURES`, those that are made of their arguments instead of being one of them."""

_TIMES: Mapping[str | None, str] = {symbol: UNITS_ZH[symbol] for symbol in ("s", "min", "h", "d")}


def _quantity(quantity: g.Quantity) -> str:
    if quantity.unit in _TIMES:
        try:
            return duration_zh(t.nanoseconds(quantity.value, quantity.unit))
        except UnitError:
            return f"{quantity.value:g}{_TIMES[quantity.unit]}"
    return figure_zh(f"{quantity.value:.10g}", quantity.unit or "")


def _around(scope: g.Scope) -> str:
    reach = _quantity(scope.distance) if scope.distance else ""
    match scope.which:
        case "within":
            return f"周边{reach}内"
        case "upstream":
            return f"上游{f'（流达{reach}内）' if reach else ''}"
        case "ahead":
            return f"同一{text_zh(scope.name) if scope.name else '区'}及其前方"
        case "passing":
            return "途经"
        case "same area":
            return "同一区域"
        case "same zone":
            return f"同一{text_zh(scope.name) if scope.name else '区'}内"
    return "区内"

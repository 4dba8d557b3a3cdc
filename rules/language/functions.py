"""The functions of expressions: windows, neighbours and places, memories, zones, calendars, derived figures."""

from __future__ import annotations

from difflib import get_close_matches

from hub.model import Mark
from hub.units import UnitError
from rules.figures import derived
from rules.language import grammar as g
from rules.language import ir
from rules.language import types as t
from rules.language.check import HOUR, Expressions
from rules.language.types import Type

MAX_WINDOW_NS = 31 * 24 * HOUR
"""The longest window whose samples the engine keeps."""
MAX_NEIGHBOURS_M = 200_000.0
MAX_MARGIN_M = 5_000.0

WINDOW_FUNCTIONS = {
    "last": "value", "min": "value", "max": "value", "mean": "value", "sum": "value", "percentile": "value",
    "count": "count", "std": "difference", "rate": "rate", "delta": "difference", "rise": "difference",
    "fall": "difference", "nowcast": "value", "spread": "difference", "largest_step": "difference",
    "trend": "rate",
}  # fmt: skip
"""What each window function's result is, in terms of the metric's type."""
OF_PASSING = ("mean", "count", "min", "max")
"""What may be asked of those passing through a place."""
CLOSED = {"rate", "delta", "rise", "fall", "largest_step"}
ENOUGH_TO_BE_USUAL = 30
"""Samples that `anomaly` asks for unless it is told how many."""
STUCK_READINGS = 6
"""Equal readings that `stuck` asks for unless it is told how many, as the flat-line test of QARTOD does."""
OTHER_FUNCTIONS = (
    "anomaly",
    "hourly_anomaly",
    "stuck",
    "expects",
    "residual",
    "ewma",
    "cusum",
    "soil_water",
    "time_since",
    "agree",
    "share",
    "in_zone",
    "reports_here",
    "during",
    "marked",
    "greatest",
    "least",
    "greatest_known",
    "second_greatest",
    "third_greatest",
    "abs",
)


class Scope(Expressions):
    """Expressions with their functions."""

    def call(self, tree: g.Call) -> tuple[ir.Node, Type]:
        for argument in tree.arguments:
            if isinstance(argument, g.Margin) and tree.name != "in_zone":
                self.wrong("'margin' belongs to in_zone, such as in_zone(\"restricted\", margin 50 m)", argument.at)
            if isinstance(argument, g.Together) and tree.name != "agree":
                self.wrong(
                    "'together' belongs to agree, such as agree(speed < 3 km/h, inside, together 20 m)", argument.at
                )
        if tree.name in WINDOW_FUNCTIONS:
            return self._window(tree)
        if tree.name in OTHER_FUNCTIONS:
            reader = getattr(self, f"_call_{tree.name}")
            result: tuple[ir.Node, Type] = reader(tree)
            return result
        if tree.name in derived.functions():
            return self._derived(tree)
        known = [*WINDOW_FUNCTIONS, *OTHER_FUNCTIONS, *derived.functions()]
        near = get_close_matches(tree.name, known, n=1)
        self.wrong(
            f"unknown function {tree.name!r}"
            + (f"; was {near[0]} meant?" if near else f"; known are {', '.join(known)}"),
            tree.at,
        )
        return ir.Const(0.0), t.UNKNOWN

    def _series(self, tree: object, function: str, at: int) -> tuple[ir.Series, Type] | None:
        if isinstance(tree, g.Name | g.Call):
            node, kind = self.value(tree)
            if isinstance(node, ir.Series) and (kind.kind == "number" or (function == "count" and kind.kind == "flag")):
                return node, kind
            if kind.kind == "?":
                return None
        self.wrong(f"{function} is taken of a metric with a number, such as {function}(pm25, 1 h)", at)
        return None

    def _window(self, tree: g.Call) -> tuple[ir.Node, Type]:
        name = tree.name
        plain = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        around = self._around(tree)
        at_least = next((a.count for a in tree.arguments if isinstance(a, g.AtLeast)), 1)
        if around.which == "passing" and name not in OF_PASSING:
            self.wrong(f"those passing are asked for {', '.join(OF_PASSING)}, not for {name}", tree.at)
        before, self.of_others = self.of_others, self.of_others or around.which != ""
        series = self._series(plain[0] if plain else None, name, tree.at)
        self.of_others = before
        parameter = 0.0
        if name == "percentile":
            if (
                len(plain) != 3
                or not isinstance(plain[1], g.Quantity)
                or plain[1].unit not in ("%", None)
                or not 0 <= plain[1].value <= 100
            ):
                self.wrong("percentile is written percentile(metric, 95 %, 24 h)", tree.at)
                return ir.Const(0.0), t.UNKNOWN
            parameter = plain[1].value
            plain = [plain[0], plain[2]]
        size = self.hold_ns
        if len(plain) == 2 and isinstance(plain[1], g.Quantity):
            size = self.duration(plain[1])
        elif len(plain) != 1 or name != "last":
            self.wrong(f"{name} is written {name}(metric, 30 min)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        if size > MAX_WINDOW_NS:
            self.wrong(
                f"a window may be at most {t.seconds_text(MAX_WINDOW_NS)} long",
                plain[1].at if len(plain) > 1 else tree.at,
            )
        if series is None:
            return ir.Const(0.0), t.UNKNOWN
        node, kind = series
        result = {"value": kind, "count": t.COUNT, "difference": t.difference(kind), "rate": t.per_time(kind)}[
            WINDOW_FUNCTIONS[name]
        ]
        return ir.Window(name, node.series, size, name in CLOSED, parameter, max(at_least, 1), around), result

    def _call_anomaly(self, tree: g.Call) -> tuple[ir.Node, Type]:
        """anomaly(x, 24 h): how many spreads of the last day the newest value stands off its median, with a sign; anomaly(x, 24 h, 1 h):
        off the median of the last hour."""
        plain = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        series = self._series(plain[0] if plain else None, "anomaly", tree.at)
        sizes = [self.duration(a) for a in plain[1:] if isinstance(a, g.Quantity)]
        if series is None or not 1 <= len(sizes) <= 2 or len(sizes) != len(plain) - 1 or self._around(tree).which:
            self.wrong(
                "anomaly is written anomaly(metric, 24 h), or anomaly(metric, 24 h, 1 h) to count from the last hour's median",
                tree.at,
            )
            return ir.Const(0.0), t.UNKNOWN
        if max(sizes) > MAX_WINDOW_NS:
            self.wrong(f"a window may be at most {t.seconds_text(MAX_WINDOW_NS)} long", tree.at)
        at_least = next((a.count for a in tree.arguments if isinstance(a, g.AtLeast)), ENOUGH_TO_BE_USUAL)
        node = series[0]
        usual = ir.Window("percentile", node.series, sizes[-1], False, 50.0, 1, ir.Around())
        spread = ir.Window("spread", node.series, sizes[0], False, 0.0, at_least, ir.Around())
        return ir.Operation("/", ir.Operation("-", node, usual), spread), t.NUMBER

    def _call_hourly_anomaly(self, tree: g.Call) -> tuple[ir.Node, Type]:
        """hourly_anomaly(x, 7 d): how many spreads the newest value stands off what this hour of the day was on the days before."""
        plain = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        series = self._series(plain[0] if plain else None, "hourly_anomaly", tree.at)
        size = self.duration(plain[1]) if len(plain) == 2 and isinstance(plain[1], g.Quantity) else 0
        if series is None or not 2 * 24 * HOUR <= size <= MAX_WINDOW_NS or len(plain) != len(tree.arguments):
            longest = t.seconds_text(MAX_WINDOW_NS)
            self.wrong(f"hourly_anomaly is written hourly_anomaly(metric, 7 d), of two days to {longest}", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        usual, spread = (
            ir.Window(name, series[0].series, size, False, 0.0, 1, ir.Around())
            for name in ("hour_median", "hour_spread")
        )
        return ir.Operation("/", ir.Operation("-", series[0], usual), spread), t.NUMBER

    def _call_stuck(self, tree: g.Call) -> tuple[ir.Node, Type]:
        """stuck(x, 1 h): whether the value has been the same to the last digit for so long, in six readings at least."""
        plain = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        readings = next((a.count for a in tree.arguments if isinstance(a, g.AtLeast)), STUCK_READINGS)
        series = self._series(plain[0] if plain else None, "stuck", tree.at)
        if series is None or len(plain) != 2 or not isinstance(plain[1], g.Quantity) or self._around(tree).which:
            self.wrong("stuck is written stuck(metric, 1 h), or stuck(metric, 1 h, at least 12)", tree.at)
            return ir.Const(False), t.FLAG
        unchanged = self._memory("unchanged", (series[0],), (float(readings),), tree.at)
        return ir.Comparison(">=", unchanged, ir.Const(self.duration(plain[1]) / 1e9)), t.FLAG

    def _call_expects(self, tree: g.Call) -> tuple[ir.Node, Type]:
        """expects(x, 30 min): what the value will be by its damped trend; expects(x, 30 min, 20 %): what it will be above in four
        cases of five."""
        arguments = tree.arguments
        series = self._series(arguments[0] if arguments else None, "expects", tree.at)
        horizon = arguments[1] if len(arguments) in (2, 3) else None
        share = arguments[2] if len(arguments) == 3 else None
        if (
            series is None
            or not isinstance(horizon, g.Quantity)
            or not (share is None or (isinstance(share, g.Quantity) and share.unit == "%" and 1 <= share.value <= 99))
        ):
            self.wrong("expects is written expects(metric, 30 min), or expects(metric, 30 min, 20 %)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        percent = share.value if isinstance(share, g.Quantity) else 50.0
        return self._memory("expects", (series[0],), (float(self.duration(horizon)), percent), tree.at), series[1]

    def _call_residual(self, tree: g.Call) -> tuple[ir.Node, Type]:
        """residual(y, x, 24 h): how many spreads y stands off what x lets expect."""
        arguments = tree.arguments
        y, x = (self._series(a, "residual", tree.at) for a in (*arguments, None, None)[:2])
        if y is None or x is None or len(arguments) != 3 or not isinstance(arguments[2], g.Quantity):
            self.wrong(
                "residual is written residual(flow, pressure, 24 h): the channel, the coupled one, how long it learns",
                tree.at,
            )
            return ir.Const(0.0), t.UNKNOWN
        return self._memory("residual", (y[0], x[0]), (float(self.duration(arguments[2])),), tree.at), t.NUMBER

    def _call_greatest_known(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._several(tree, "greatest_known")

    def _call_second_greatest(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._several(tree, "second_greatest")

    def _call_third_greatest(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._several(tree, "third_greatest")

    def _around(self, tree: g.Call) -> ir.Around:
        scopes = [a for a in tree.arguments if isinstance(a, g.Scope)]
        if not scopes:
            return ir.Around()
        if len(scopes) > 1:
            self.wrong(
                "only one of 'within', 'upstream', 'same area', 'same zone', 'ahead', 'inside' and 'passing' can stand here",
                tree.at,
            )
        if self.inside_neighbour:
            self.wrong("neighbours of neighbours cannot be asked", tree.at)
        scope = scopes[0]
        if scope.which == "passing":
            if not self.measuring or tree.name not in WINDOW_FUNCTIONS:
                self.wrong(
                    "'passing' belongs to a metric derived of places, such as derive: segment_speed, value: mean(speed, 1 min, passing)",
                    scope.at,
                )
            return ir.Around("passing", words=self.select.of)
        if scope.which == "ahead" and self.select.every != "area":
            return ir.Around("ahead", words=(scope.name,) if scope.name else ())
        if (scope.which == "inside") != (self.select.every != ""):
            hint = (
                f"{self._subject()} asks the devices 'inside' it, not '{scope.which}'"
                if self.select.every
                else "'inside' belongs to rules with for_each: {every: zone} or {every: area}; was 'same zone' or 'same area' meant?"
            )
            self.wrong(hint, scope.at)
        if scope.which == "inside":
            return ir.Around("inside", words=self.select.of)
        if scope.which == "upstream" and scope.distance is not None:
            return ir.Around("upstream", travel_min=self.duration(scope.distance) / 60e9)
        if scope.which != "within" or scope.distance is None:
            return ir.Around(scope.which, words=(scope.name,) if scope.name else ())
        metres = self._distance(scope.distance, "'within' needs a distance such as 3 km")
        if not 0 < metres <= MAX_NEIGHBOURS_M:
            self.wrong(f"neighbours may be up to {MAX_NEIGHBOURS_M / 1000:g} km away", scope.at)
        return ir.Around("within", metres)

    def _distance(self, distance: g.Quantity, needed: str) -> float:
        """Metres of a distance; 1 m (and a mistake) where it is none."""
        try:
            kind = t.quantity(distance.unit or "")
        except UnitError as error:
            self.wrong(str(error), distance.at)
            return 1.0
        if kind.dimension != "length":
            self.wrong(f"{needed}; {distance.unit or 'a bare number'} is {kind.shown()}", distance.at)
            return 1.0
        return t.tidy(distance.value * kind.unit.factor)

    def _call_ewma(self, tree: g.Call) -> tuple[ir.Node, Type]:
        series = self._series(tree.arguments[0] if tree.arguments else None, "ewma", tree.at)
        if series is None or len(tree.arguments) != 2 or not isinstance(tree.arguments[1], g.Quantity):
            self.wrong("ewma is written ewma(metric, 30 min): a mean with that time constant", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        return self._memory("ewma", (series[0],), (float(self.duration(tree.arguments[1])),), tree.at), series[1]

    def _call_cusum(self, tree: g.Call) -> tuple[ir.Node, Type]:
        arguments = tree.arguments
        series = self._series(arguments[0] if arguments else None, "cusum", tree.at)
        if series is None or len(arguments) != 3 or not all(isinstance(a, g.Quantity) for a in arguments[1:]):
            self.wrong("cusum is written cusum(metric, target, slack)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        numbers = []
        for argument in arguments[1:]:
            assert isinstance(argument, g.Quantity)
            node, kind = self.literal(argument)
            constant = self._to(argument, node, kind, series[1]) if kind.kind != "?" else node
            numbers.append(
                constant.value if isinstance(constant, ir.Const) and isinstance(constant.value, float) else 0.0
            )
        return self._memory("cusum", (series[0],), tuple(numbers), tree.at), t.difference(series[1])

    def _call_soil_water(self, tree: g.Call) -> tuple[ir.Node, Type]:
        series = self._series(tree.arguments[0] if tree.arguments else None, "soil_water", tree.at)
        if series is None or len(tree.arguments) != 1 or series[1].dimension != "length":
            self.wrong("soil_water is written soil_water(rainfall): the water that the soil still holds", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        return self._memory("soil-water", (series[0],), (), tree.at), series[1]

    def _call_time_since(self, tree: g.Call) -> tuple[ir.Node, Type]:
        if len(tree.arguments) != 1 or isinstance(tree.arguments[0], g.Aside):
            self.wrong("time_since is written time_since(rainfall > 0 mm)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        return self._memory("since", (self.condition(tree.arguments[0]),), (), tree.at), t.SECONDS

    def _call_agree(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._agreement(tree, "agree"), t.COUNT

    def _call_share(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._agreement(tree, "share"), t.quantity("%")

    def _agreement(self, tree: g.Call, name: str) -> ir.Node:
        plain = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        at_least = next((a.count for a in tree.arguments if isinstance(a, g.AtLeast)), 1)
        around = self._around(tree)
        if (
            not plain
            or not around.which
            or len(plain) > 2
            or (len(plain) == 2 and not isinstance(plain[1], g.Quantity))
        ):
            self.wrong(
                f"{name} is written {name}(pm25 > 150 ug/m3, within 3 km) or with an age, {name}(…, 1 h, within 3 km)",
                tree.at,
            )
            return ir.Const(0.0)
        spots = [a.distance for a in tree.arguments if isinstance(a, g.Together)]
        together = self._distance(spots[0], "'together' needs a distance such as 20 m") if spots else 0.0
        if spots and not 0 < together <= MAX_MARGIN_M:
            self.wrong(f"what stands together may be up to {MAX_MARGIN_M / 1000:g} km apart", spots[0].at)
        age = self.duration(plain[1]) if len(plain) == 2 and isinstance(plain[1], g.Quantity) else self.hold_ns
        self.inside_neighbour = self.of_others = True
        condition = self.condition(plain[0])
        self.inside_neighbour = self.of_others = False
        if not any(isinstance(node, ir.Series | ir.Window) for node in ir.walk(condition)):
            self.wrong(f"{name} needs a condition on a metric", tree.at)
        at_least = max(at_least, 1) if name == "share" else 1
        return ir.Agree(condition, around, age, name == "share", at_least, together)

    def _call_reports_here(self, tree: g.Call) -> tuple[ir.Node, Type]:
        """reports_here(20 m): in how many reports, up to the newest, it has been within that distance of one place."""
        distance = tree.arguments[0] if len(tree.arguments) == 1 else None
        if not isinstance(distance, g.Quantity) or (self.select.every and not self.of_others):
            self.wrong("reports_here is written reports_here(20 m), of a device", tree.at)
            return ir.Const(0.0), t.COUNT
        metres = self._distance(distance, "reports_here needs a distance such as 20 m")
        if not 0 < metres <= MAX_MARGIN_M:
            self.wrong(f"reports_here takes up to {MAX_MARGIN_M / 1000:g} km", distance.at)
        return ir.Stay(metres), t.COUNT

    def _call_in_zone(self, tree: g.Call) -> tuple[ir.Node, Type]:
        plain = [a for a in tree.arguments if not isinstance(a, g.Margin)]
        margins = [a.distance for a in tree.arguments if isinstance(a, g.Margin)]
        if len(plain) != 1 or not isinstance(plain[0], g.Text) or len(margins) > 1:
            self.wrong(
                'in_zone is written in_zone("restricted") or in_zone("restricted", margin 50 m): the name or kind of a zone',
                tree.at,
            )
            return ir.Const(False), t.FLAG
        if self.select.every and not self.of_others:
            self.wrong(f"{self._subject()} does not move; in_zone is asked of devices", tree.at)
        margin = self._distance(margins[0], "'margin' needs a distance such as 50 m") if margins else 0.0
        if not 0 <= margin <= MAX_MARGIN_M:
            self.wrong(f"a margin may be up to {MAX_MARGIN_M / 1000:g} km", margins[0].at)
        return ir.InZone(plain[0].value, margin), t.FLAG

    def _call_during(self, tree: g.Call) -> tuple[ir.Node, Type]:
        if len(tree.arguments) != 1 or not isinstance(tree.arguments[0], g.Text):
            self.wrong('during is written during("school-hours"): the name of a calendar', tree.at)
            return ir.Const(False), t.FLAG
        name = tree.arguments[0].value
        if name not in self.calendars:
            near = get_close_matches(name, self.calendars, n=1)
            known = f"known are {', '.join(sorted(self.calendars))}" if self.calendars else "no rule file has any"
            self.wrong(
                f"unknown calendar {name!r}" + (f"; was {near[0]} meant?" if near else f"; {known}"),
                tree.arguments[0].at,
            )
            return ir.Const(False), t.FLAG
        return ir.During(self.calendars[name]), t.FLAG

    def _call_marked(self, tree: g.Call) -> tuple[ir.Node, Type]:
        if self.select.every and not self.of_others:
            self.wrong(f"{self._subject()} carries no marks; they are asked of devices", tree.at)
        marks = [a.value for a in tree.arguments if isinstance(a, g.Text)]
        known = [mark.value for mark in Mark]
        for mark in marks:
            if mark not in known:
                self.wrong(f"unknown mark {mark!r}; known are {', '.join(known)}", tree.at)
        if not marks or len(marks) != len(tree.arguments):
            self.wrong('marked is written marked("fault", "comms")', tree.at)
        return ir.Marked(tuple(marks)), t.FLAG

    def _call_greatest(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._several(tree, "greatest")

    def _call_least(self, tree: g.Call) -> tuple[ir.Node, Type]:
        return self._several(tree, "least")

    def _several(self, tree: g.Call, name: str) -> tuple[ir.Node, Type]:
        arguments = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        if len(arguments) < 2 or len(arguments) != len(tree.arguments):
            self.wrong(f"{name} is written {name}(a, b)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        typed = [self.number(a) for a in arguments]
        target = next((kind for node, kind in typed if not isinstance(node, ir.Const)), typed[0][1])
        if "?" in (kind.kind for _, kind in typed):
            return ir.Const(0.0), t.UNKNOWN
        nodes = tuple(self._to(tree_, node, kind, target) for tree_, (node, kind) in zip(arguments, typed, strict=True))
        return ir.Function(name, nodes), target

    def _call_abs(self, tree: g.Call) -> tuple[ir.Node, Type]:
        if len(tree.arguments) != 1 or isinstance(tree.arguments[0], g.Aside):
            self.wrong("abs is written abs(x)", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        node, kind = self.number(tree.arguments[0])
        return ir.Function("abs", (node,)), kind

    def _derived(self, tree: g.Call) -> tuple[ir.Node, Type]:
        spec = derived.functions()[tree.name]
        arguments = [a for a in tree.arguments if not isinstance(a, g.Aside)]
        if len(arguments) != len(spec.units) or len(arguments) != len(tree.arguments):
            self.wrong(f"{tree.name} is written {spec.usage}", tree.at)
            return ir.Const(0.0), t.UNKNOWN
        nodes: list[ir.Node] = []
        for argument, symbol in zip(arguments, spec.units, strict=True):
            node, kind = self.number(argument)
            if kind.kind != "?":
                node = self._to(argument, node, kind, t.quantity(symbol))
            nodes.append(node)
        return ir.Function(tree.name, tuple(nodes)), t.quantity(spec.result)

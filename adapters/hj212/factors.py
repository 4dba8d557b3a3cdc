"""HJ 212's factor codes, in the words of the vocabulary.

Sources: HJ 212-2017 annex B (tables B.1 to B.5: code, former 2005 code, unit, unit of totals), HJ 524-2009 (air codes),
HJ 525-2009 (water codes). One air code serves both the ambient station and the stack: the system code ST of the frame
tells which is meant. Ambient gases are sent in ug/m3 and CO in mg/m3 by practice (HJ 663), while annex B prints mg/m3
for the stack.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from adapters.hj212 import annex_b
from hub.metrics import vocabulary
from hub.model import Mark
from hub.units import conversion


class Factor(NamedTuple):
    """A vocabulary metric and the linear way into its unit: `metric = wire * scale + shift`."""

    metric: str
    scale: float
    shift: float


_WATER: dict[str, tuple[str, str]] = {
    "w00000": ("flow", "L/s"),
    "w01001": ("ph", "[pH]"),
    "w01003": ("turbidity", "NTU"),
    "w01009": ("dissolved_oxygen", "mg/L"),
    "w01010": ("water_temperature", "Cel"),
    "w01012": ("suspended_solids", "mg/L"),
    "w01014": ("conductivity", "uS/cm"),
    "w01017": ("bod5", "mg/L"),
    "w01018": ("cod", "mg/L"),
    "w01019": ("codmn", "mg/L"),
    "w01020": ("toc", "mg/L"),
    "w20111": ("mercury", "ug/L"),
    "w20115": ("cadmium", "ug/L"),
    "w20116": ("chromium", "mg/L"),
    "w20117": ("chromium_vi", "ug/L"),
    "w20119": ("arsenic", "ug/L"),
    "w20120": ("lead", "ug/L"),
    "w20121": ("nickel", "mg/L"),
    "w20122": ("copper", "mg/L"),
    "w20123": ("zinc", "mg/L"),
    "w20124": ("manganese", "mg/L"),
    "w20125": ("iron", "mg/L"),
    "w21001": ("total_nitrogen", "mg/L"),
    "w21003": ("ammonia_nitrogen", "mg/L"),
    "w21006": ("nitrite_nitrogen", "mg/L"),
    "w21007": ("nitrate_nitrogen", "mg/L"),
    "w21011": ("total_phosphorus", "mg/L"),
    "w21016": ("cyanide", "mg/L"),
    "w21017": ("fluoride", "mg/L"),
    "w21019": ("sulphide", "mg/L"),
    "w21022": ("chloride", "mg/L"),
    "w22001": ("petroleum", "mg/L"),
    "w23002": ("volatile_phenol", "mg/L"),
}

_AMBIENT: dict[str, tuple[str, str]] = {
    "a01001": ("air_temperature", "Cel"),
    "a01002": ("relative_humidity", "%"),
    "a01006": ("air_pressure", "kPa"),
    "a01007": ("wind_speed", "m/s"),
    "a01008": ("wind_direction", "deg"),
    "a01901": ("temperature", "Cel"),  # furnace of a waste incinerator, mean
    "a05024": ("o3", "ug/m3"),
    "a21001": ("nh3", "ug/m3"),
    "a21002": ("nox", "ug/m3"),
    "a21003": ("no", "ug/m3"),
    "a21004": ("no2", "ug/m3"),
    "a21005": ("co", "mg/m3"),
    "a21022": ("cl2_gas", "mg/m3"),
    "a21026": ("so2", "ug/m3"),
    "a21028": ("h2s", "mg/m3"),
    "a34001": ("tsp", "ug/m3"),
    "a34002": ("pm10", "ug/m3"),
    "a34004": ("pm25", "ug/m3"),
    "a34005": ("pm1", "ug/m3"),
}

_WEATHER = frozenset({"a01001", "a01002", "a01006", "a01007", "a01008", "a01901"})
"""Codes that mean the same at a stack: the weather, and the furnace."""

_STACK: dict[str, tuple[str, str]] = {
    "a00000": ("stack_flow", "m3/s"),
    "a01011": ("stack_velocity", "m/s"),
    "a01012": ("stack_temperature", "Cel"),
    "a01013": ("stack_pressure", "kPa"),
    "a01014": ("stack_humidity", "%"),
    "a19001": ("stack_o2", "%"),
    "a21002": ("stack_nox", "mg/m3"),
    "a21005": ("stack_co", "mg/m3"),
    "a21024": ("stack_hcl", "mg/m3"),
    "a21026": ("stack_so2", "mg/m3"),
    "a34013": ("smoke_dust", "mg/m3"),
}

# Former codes: HJ/T 212-2005 annex (column "original code" of HJ 212-2017 annex B), and the symbols met in the field.
_FORMER: dict[str, str] = {
    "B01": "w00000",
    "001": "w01001",
    "003": "w01012",
    "010": "w01017",
    "011": "w01018",
    "015": "w01020",
    "020": "w20111",
    "022": "w20115",
    "023": "w20116",
    "024": "w20117",
    "026": "w20119",
    "027": "w20120",
    "028": "w20121",
    "029": "w20122",
    "030": "w20123",
    "031": "w20124",
    "032": "w20125",
    "060": "w21003",
    "063": "w21006",
    "064": "w21007",
    "065": "w21001",
    "070": "w21016",
    "071": "w21019",
    "072": "w21017",
    "080": "w22001",
    "090": "w21022",
    "101": "w21011",
    "110": "w23002",
    "B02": "a00000",
    "S01": "a19001",
    "S02": "a01011",
    "S03": "a01012",
    "S05": "a01014",
    "S08": "a01013",
    "01": "a34013",
    "02": "a21026",
    "03": "a21002",
    "04": "a21005",
    "05": "a21028",
    "08": "a21024",
    "10": "a21001",
    "11": "a21022",
    "PM25": "a34004",
    "PM2.5": "a34004",
    "PM10": "a34002",
    "PM1": "a34005",
    "TSP": "a34001",
    "O3": "a05024",
    "SO2": "a21026",
    "NO2": "a21004",
    "NOX": "a21002",
    "NO": "a21003",
    "CO": "a21005",
    "NH3": "a21001",
    "TEM": "a01001",
    "TEMP": "a01001",
    "RH": "a01002",
    "PA": "a01006",
    "WS": "a01007",
    "WD": "a01008",
    "LEQ": "Leq",
}

# Totals (suffix Cou) that are a quantity of the vocabulary; masses discharged (kg) have none and stay in the detail.
_TOTALS: dict[str, tuple[str, str]] = {"w00000": ("water_volume", "m3")}

# B00 is a running counter in the field (cumulative sewage), sent as Rtd; it stands in no annex.
_COUNTERS: dict[str, tuple[str, str]] = {"B00": ("flow_total", "m3")}

# Converted ("Zs") concentrations at reference oxygen get metrics of their own beside the measured ones.
_CONVERTED = frozenset({"smoke_dust", "stack_so2", "stack_nox", "stack_co", "stack_hcl"})

# Electricity-use monitoring (local extension, ST=80): suffixes of the one factor 100000.
_ELECTRICITY: dict[str, tuple[str, str]] = {
    "Ia": ("current_a", "A"),
    "Ib": ("current_b", "A"),
    "Ic": ("current_c", "A"),
    "Ua": ("voltage_a", "V"),
    "Ub": ("voltage_b", "V"),
    "Uc": ("voltage_c", "V"),
    "Pt": ("active_power", "kW"),
    "Ept": ("energy", "kWh"),
}

STACK_SYSTEMS = frozenset({"31", "51"})
"""ST of stacks: 31 air pollution source, 51 flue gas process (HJ 212-2017 table 5, HJ/T 212-2005 table 4)."""

KINDS = {"22": "air-station", "39": "air-station", "32": "outfall", "52": "outfall"}
"""The kind of device by the frame's ST, where the registry says nothing."""

ELECTRICITY = "100000"
"""The one code of a station's electricity meter, of which the suffix says what it measures."""

VALUE_SUFFIXES = ("Rtd", "Avg", "Data", "td")
"""Suffixes that carry the factor's value, best first: real time, period mean, noise, and a clipped Rtd from the field."""

SILENT_SUFFIXES = frozenset(
    (
        "Min", "Max", "Cou", "Flag", "EFlag", "SampleTime", "ZsRtd", "ZsAvg", "ZsMin", "ZsMax", "ZsCou", "Info", "SN", "RS", "RT",
        "ValidNum", "TotalNum",
    )
)  # fmt: skip
"""Suffixes of the standard that no metric stands for, or only of some codes; what else stands behind a code is told as unknown."""

MARKS: dict[str, str | None] = {
    # HJ 212-2017 table 8 (data marks)
    "N": None,
    "F": Mark.STOPPED,
    "M": Mark.MAINTENANCE,
    "S": Mark.MANUAL,
    "D": Mark.FAULT,
    "C": Mark.CALIBRATION,
    "T": Mark.OVER_RANGE,
    "B": Mark.COMMS,
    # HJ/T 212-2005: P power failure; ambient stations 0 calibration, 1 meteorology, 2 abnormal, 3 normal
    "P": Mark.FAULT,
    "0": Mark.CALIBRATION,
    "1": None,
    "2": Mark.INVALID,
    "3": None,
}

NO_VALUE = frozenset({"", "-", "--", "---", "NA", "N/A", "NULL", "NAN", "NONE", "*", "/"})
BELOW_DETECTION = frozenset({"ND", "N.D.", "N.D", "BDL", "未检出", "L", "DL", "LOD", "MDL"})
"""Words for "below the detection limit" that do not tell the limit, `<DL` (SL 219) without its sign among them: the value is 0."""
SENTINELS = frozenset({-99.0, -999.0, -9999.0, -99.9, -999.9, -9999.9, -99.99, -999.99})
"""What loggers send for "no value"."""


_WATER = {**annex_b.WATER, **_WATER}
_AT_THE_STACK = {
    **{code: meaning for code, meaning in _AMBIENT.items() if code in _WEATHER},
    **{code: (f"stack_{name}", unit) for code, (name, unit) in annex_b.SUBSTANCES.items()},
    **annex_b.STACK_GASES,
    **annex_b.STACK_STATE,
    **_STACK,
}
"""Under ST 31 and 51 no code means ambient air."""
_OUTSIDE = {
    **{code: (f"air_{name}", unit) for code, (name, unit) in annex_b.SUBSTANCES.items()},
    **annex_b.STACK_STATE,
    **annex_b.AMBIENT,
    **_STACK,
    **_AMBIENT,
}


def _factor(metric: str, unit: str) -> Factor:
    return Factor(metric, *conversion(unit, vocabulary()[metric].unit))


def local_factor(metric: str, suffix: str, unit: str = "") -> Factor | None:
    """What a local code mapped to `metric` means; None for suffixes that carry no value. Raises KeyError where there is no such metric."""
    known = vocabulary()[metric]
    return _factor(metric, unit or known.unit) if suffix in VALUE_SUFFIXES else None


@lru_cache(maxsize=4096)
def known_code(code: str) -> bool:
    """Whether the standard has this code, or it is met in the field."""
    name = _FORMER.get(code.upper()) or annex_b.FORMER.get(code.upper(), code)
    tables = (_WATER, annex_b.NOISE, _AT_THE_STACK, _OUTSIDE, _COUNTERS)
    return code == ELECTRICITY or any(name in table for table in tables)


@lru_cache(maxsize=4096)  # bounded: codes come from the wire
def factor(code: str, suffix: str, system: str, unit: str = "") -> Factor | None:
    """What `code-suffix` means in a frame of system code ST, or None where the vocabulary has no word for it.

    `unit` replaces the standard's unit (for stations that send others). Raises `UnitError` where it does not fit.
    """
    entry: tuple[str, str] | None
    if code == ELECTRICITY:
        entry = _ELECTRICITY.get(suffix)
    else:
        name = _FORMER.get(code.upper()) or annex_b.FORMER.get(code.upper(), code)
        air = _AT_THE_STACK if system in STACK_SYSTEMS else _OUTSIDE
        if suffix == "Cou":
            entry = _TOTALS.get(name)
        elif suffix in annex_b.NOISE_FIELDS and name in annex_b.SOUND:
            entry = annex_b.NOISE_FIELDS[suffix]
        elif suffix in VALUE_SUFFIXES:
            entry = _COUNTERS.get(name) or _WATER.get(name) or annex_b.NOISE.get(name) or air.get(name)
        elif suffix in ("ZsRtd", "ZsAvg"):
            entry = air.get(name)
            entry = (f"{entry[0]}_converted", entry[1]) if entry and entry[0] in _CONVERTED else None
        else:
            entry = None
    return _factor(entry[0], unit or entry[1]) if entry else None

"""What an ideal instrument of each kind would read now, in the vocabulary's names and units."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from simulators.world.ground import intensity
from simulators.world.places import Site
from simulators.world.world import World

Values = dict[str, float | bool | str | list[str]]


def observe(world: World, site: Site) -> Values:
    """The true values at a fixed device; empty for kinds that the world does not know."""
    look = KINDS.get(site.kind)
    return look(world, site) if look and site.at else {}


def _air(world: World, site: Site) -> Values:
    x, y = _at(site)
    found: Values = {
        m: world.air.at(m, x, y, world.weather) for m in ("pm25", "pm10", "so2", "no2", "co", "o3", "voc", "nh3")
    }
    return found | _weather(world, site, ("air_temperature", "relative_humidity", "wind_speed", "wind_direction"))


def _weather(world: World, site: Site, only: tuple[str, ...] = ()) -> Values:
    x, y = _at(site)
    sky = world.weather
    found: Values = {
        "wind_speed": sky.wind_speed * (1.15 if site.elevation_m > 15 else 1.0),
        "wind_direction": sky.wind_from,
        "air_temperature": sky.temperature_at(x, y) - site.elevation_m * 0.0065,
        "relative_humidity": sky.humidity_at(x, y),
        "air_pressure": sky.pressure - site.elevation_m * 0.12,
        "visibility": sky.visibility_at(x, y),
        "rain_intensity": sky.rain_at(x, y),
    }
    return {name: found[name] for name in only} if only else found


def _rain(world: World, site: Site) -> Values:
    x, y = _at(site)
    return {"rain_intensity": world.weather.rain_at(x, y)}


def _river(world: World, site: Site) -> Values:
    gauge = {"1": 0, "2": 1, "3": 2}.get(site.device[-1], 2)
    return {"water_level": world.water.level(gauge), "water_flow": world.water.flows[gauge]}


def _underpass(world: World, site: Site) -> Values:
    x, y = _at(site)
    pool = world.water.underpasses.get(site.device)
    return {"water_depth": pool.depth_m if pool else 0.0, "rain_intensity": world.weather.rain_at(x, y)}


def _pump(world: World, site: Site) -> Values:
    pool = world.water.underpasses.get(site.device.rpartition("/")[2].replace("pump-", "underpass-"))
    on = bool(pool and pool.pumping)
    flow = pool.pumps_m3_s * pool.pump_share * 3600 if pool and on else 0.0
    return {
        "running": on,
        "flow": flow,
        "current": 48.0 if on else 0.0,
        "vibration": 2.1 if on else 0.1,
        "temperature": 46.0 if on else 21.0,
    }


def _tide(world: World, site: Site) -> Values:
    return {"water_level": world.water.tide, "water_temperature": 16.5}


def _water_plant(world: World, site: Site) -> Values:
    if site.device.endswith("intake"):
        mud = world.water.flows[1] / 40
        return {
            "ph": 7.5,
            "turbidity": 9.0 * mud,
            "conductivity": 310.0,
            "water_temperature": 15.8,
            "flow": 2600 * world.plant.demand,
        }
    return _drinking(world.plant.water.slug) | {
        "water_temperature": 16.0,
        "flow": 2550 * world.plant.demand,
        "pressure": 520.0,
    }


def _water_network(world: World, site: Site) -> Values:
    x, y = _at(site)
    away = sqrt((x + 2420) ** 2 + (y - 2360) ** 2)
    slug = world.plant.water.slug_after(away / 1.1)  # 1.1 m/s in the main
    return _drinking(slug) | {"pressure": 430.0 - 110 * world.plant.demand}


def _drinking(slug: float) -> Values:
    """Clean: GB 5749-2022 met with room; a slug uses up the chlorine and clouds the water."""
    return {
        "ph": 7.4 - 1.1 * slug,
        "turbidity": 0.18 + 6.5 * slug,
        "free_chlorine": 0.62 * (1 - slug) ** 3,
        "conductivity": 320 + 900 * slug,
    }


def _sewage(world: World, site: Site) -> Values:
    strain = world.plant.sewage_m3_h / 1800
    return {
        "cod": 26 + 14 * strain,
        "ammonia_nitrogen": 1.1 + 1.6 * strain,
        "total_phosphorus": 0.21 + 0.1 * strain,
        "ph": 7.1,
        "flow": world.plant.sewage_m3_h,
    }


def _substation(world: World, site: Site) -> Values:
    nominal = float(site.attributes.get("nominal_voltage_v", "10000"))
    voltage = world.plant.voltage(site.device, nominal)
    power = 5200 * world.plant.load
    return {
        "voltage": voltage,
        "frequency": world.plant.frequency,
        "active_power": power,
        "current": power * 1000 / (sqrt(3) * voltage * 0.95),
    }


def _gas(world: World, site: Site) -> Values:
    if site.device.startswith("gas-tunnel-"):
        gas = world.plant.tunnel.segments[int(site.device[-1]) - 1]
        return {"methane_lel": gas, "oxygen": 20.9 - gas * 0.012, "temperature": 22.0}
    return {"methane_lel": 0.3, "oxygen": 20.9, "h2s": 0.4}


def _fire(world: World, site: Site) -> Values:
    return {"fire_alarm": site.device in world.fires, "smoke": world.smoke.get(site.device, 0.2)}


def _bridge(world: World, site: Site) -> Values:
    x, y = _at(site)
    shake = world.ground.acceleration(x, y)
    wind = world.weather.wind_speed
    return {
        "vibration": 0.8 + 0.06 * wind**1.5 + 60 * shake,
        "tilt": 0.02 + 0.002 * wind,
        "wind_speed": wind * 1.4,
        "strain": 180.0 + 3 * world.weather.temperature_at(x, y),
    }


def _dam(world: World, site: Site) -> Values:
    head = world.water.reservoir_m - 55
    if site.device.endswith("toe"):
        return {"seepage": 1.4 + 0.09 * head, "pore_pressure": 9.8 * head * 0.4}
    return {"upstream_level": world.water.reservoir_m, "displacement": 3.0 + 0.35 * head, "tilt": 0.01}


def _slope(world: World, site: Site) -> Values:
    x, y = _at(site)
    soil = world.water.soil
    return {
        "rain_intensity": world.weather.rain_at(x, y),
        "soil_moisture": 18 + 30 * soil,
        "pore_pressure": 4 + 26 * soil,
        "displacement": world.ground.creep_mm,
        "tilt": 0.02 + world.ground.creep_mm / 900,
    }


def _seismometer(world: World, site: Site) -> Values:
    x, y = _at(site)
    pga = world.ground.acceleration(x, y)
    return {"pga": pga, "seismic_intensity": intensity(pga)}


def _at(site: Site) -> tuple[float, float]:
    assert site.at is not None
    return site.at


KINDS: dict[str, Callable[[World, Site], Values]] = {
    "air-station": _air,
    "weather-station": _weather,
    "rain-gauge": _rain,
    "river-gauge": _river,
    "underpass-gauge": _underpass,
    "pump": _pump,
    "tide-gauge": _tide,
    "water-plant": _water_plant,
    "water-network": _water_network,
    "sewage-plant": _sewage,
    "substation": _substation,
    "gas-detector": _gas,
    "fire-panel": _fire,
    "bridge-sensor": _bridge,
    "dam-sensor": _dam,
    "landslide-station": _slope,
    "seismometer": _seismometer,
}

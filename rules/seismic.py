"""Earthquakes: the instrumental intensity of GB/T 17742-2020 and the recursive STA/LTA trigger, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10


def intensity_cn(pga_mps2: float | None, pgv_mps: float | None) -> float | None:
    """The seismic intensity (1.0 to 12.0) by GB/T 17742-2020, Annex A.

    I_A = 3.17 lg PGA + 6.59, I_V = 3.00 lg PGV + 9.77; where both reach 6 the velocity decides, else their mean. Peaks are
    of the vector sum of three components, band-passed 0.1 to 10 Hz. With one of the two missing the other stands alone (a
    house default: the standard wants both). None where nothing moves.
    """
    by_acceleration = 3.17 * log10(pga_mps2) + 6.59 if pga_mps2 is not None and pga_mps2 > 0 else None
    by_velocity = 3.00 * log10(pgv_mps) + 9.77 if pgv_mps is not None and pgv_mps > 0 else None
    if by_acceleration is None or by_velocity is None:
        intensity = by_velocity if by_acceleration is None else by_acceleration
    elif by_acceleration >= 6.0 and by_velocity >= 6.0:
        intensity = by_velocity
    else:
        intensity = (by_acceleration + by_velocity) / 2
    return None if intensity is None else min(12.0, max(1.0, round(intensity, 1)))


def recursive_sta_lta(samples: Sequence[float], short: int, long: int) -> list[float]:
    """Short- over long-term average of the signal's power (Withers et al. 1998, as in ObsPy). 0 for the first `long` samples.

    `short` and `long` are in samples.
    """
    sta, lta = 0.0, 1e-99
    ratios = [0.0] * len(samples)
    for i in range(1, len(samples)):
        power = samples[i] * samples[i]
        sta += (power - sta) / short
        lta += (power - lta) / long
        if i >= long:
            ratios[i] = sta / lta
    return ratios

"""Earthquakes: the instrumental intensities of GB/T 17742-2020 and of JMA, and the recursive STA/LTA trigger, as pure
functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

import numpy as np
import numpy.typing as npt


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


_JMA_HIGH_CUT = (0.694, 0.241, 0.0557, 0.009664, 0.00134, 0.000155)
"""Coefficients of y^2, y^4 … y^12, y = f / 10 Hz."""
JMA_HELD_S = 0.3
JMA_CLASSES = (0.5, 1.5, 2.5, 3.5, 4.5, 5.0, 5.5, 6.0, 6.5)
JMA_NAMES = ("0", "1", "2", "3", "4", "5-", "5+", "6-", "6+", "7")


def jma_filter(frequency_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The gain of JMA's three filters: the period's effect, a high cut and a low cut; 0 at 0 Hz."""
    f = np.where(frequency_hz > 0, frequency_hz, 1.0)
    y2 = (f / 10) ** 2
    high_cut = 1 / np.sqrt(1 + sum(c * y2 ** (n + 1) for n, c in enumerate(_JMA_HIGH_CUT)))
    low_cut = np.sqrt(1 - np.exp(-((f / 0.5) ** 3)))
    return np.where(frequency_hz > 0, np.sqrt(1 / f) * high_cut * low_cut, 0.0)


def intensity_jma(components_gal: Sequence[Sequence[float]], samples_per_s: float) -> float | None:
    """The instrumental intensity of the Japan Meteorological Agency of three components in gal (cm/s2) of equal length.

    Each is filtered in the frequency domain; a is the vector sum that is reached or exceeded for 0.3 s in total;
    I = 2 lg a + 0.94, rounded to two decimals and cut to one (JMA Notification 4 of 1996). None where nothing moves or the
    record is shorter than 0.3 s.
    """
    held = round(JMA_HELD_S * samples_per_s)
    if not components_gal or held < 1 or min(map(len, components_gal)) < held:
        return None
    count = len(components_gal[0])
    gain = jma_filter(np.fft.rfftfreq(count, 1 / samples_per_s).astype(np.float64))
    filtered = [np.fft.irfft(np.fft.rfft(np.asarray(values, float)) * gain, count) for values in components_gal]
    total = np.sqrt(sum(values**2 for values in filtered))
    a = float(np.sort(total)[-held])
    return jma_of(a) if a > 0 else None


def jma_of(a_gal: float) -> float:
    """The intensity of the filtered acceleration that is held for 0.3 s: Yonago 2000-10-06, 127.85 gal, is 5.1."""
    return floor(round(2 * log10(a_gal) + 0.94, 2) * 10) / 10


def jma_class(intensity: float) -> str:
    """0 to 7, with 5 and 6 in a lower and an upper half."""
    return JMA_NAMES[sum(intensity >= lowest for lowest in JMA_CLASSES)]

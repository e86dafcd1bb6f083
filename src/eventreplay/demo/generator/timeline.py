"""Which moment a slot of the history stands for: demand over hours, weekdays, releases and growth.

180 days up to a fixed last day. Every hour has an integer weight; slot q of Q lies where the cumulative
weight reaches q/Q, so that busy hours hold more slots. All in integers: no float, no time zone, no clock.
"""

from __future__ import annotations

import numpy as np

from eventreplay.demo.generator.dice import Dice, Ints

DAYS = 180
DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
FIRST_DAY = 20_455
"""2026-01-02 as days since 1970; the last day is 2026-06-30."""
START_US = FIRST_DAY * DAY_US
END_US = START_US + DAYS * DAY_US

_WEEKDAY = (100, 95, 92, 96, 118, 150, 138)
_HOUR = (6, 4, 3, 2, 2, 3, 6, 10, 14, 17, 19, 21, 23, 22, 20, 20, 21, 24, 29, 33, 32, 26, 18, 11)
_AFTER_RELEASE = (260, 190, 150, 125, 112, 106)
_RELEASES = 7
_WEIGHT_TOTAL = 1_000_000_000


class Timeline:
    """Moments of `slots` slots, ascending, from START_US to just before END_US."""

    def __init__(self, dice: Dice, slots: int) -> None:
        days = np.arange(DAYS, dtype=np.int64)
        weights = (1_000 + 12 * days) * np.array(_WEEKDAY)[(days + FIRST_DAY + 3) % 7]
        for release in range(_RELEASES):
            day = 9 + 25 * release + int(dice.below("release day", np.array([release]), 9)[0])
            for later, factor in enumerate(_AFTER_RELEASE):
                if day + later < DAYS:
                    weights[day + later] = weights[day + later] * factor // 100
        weights = weights * (92 + dice.below("day noise", days, 17)) // 100
        hourly = (weights[:, None] * np.array(_HOUR, dtype=np.int64)).ravel()
        self._hour_weight: Ints = hourly * _WEIGHT_TOTAL // int(hourly.sum()) + 1
        self._reached: Ints = np.concatenate([[0], np.cumsum(self._hour_weight)]).astype(np.int64)
        self._slots = max(slots, 1)

    def moments(self, slot: Ints) -> Ints:
        """Microseconds since 1970 of each slot in [0, slots]; never past the last microsecond."""
        reached = slot * int(self._reached[-1]) // self._slots
        hour = np.minimum(np.searchsorted(self._reached, reached, side="right") - 1, DAYS * 24 - 1)
        into = (reached - self._reached[hour]) * HOUR_US // self._hour_weight[hour]
        moments: Ints = np.minimum(START_US + hour * HOUR_US + into, END_US - 1)
        return moments

"""How many pages a server will have written after some time, from how many it had at some moments before.

The share of the pages that is not yet written is a mixture of exponentials: each page waits for its first write at its
own rate. Such a mixture is log-convex, so that the one exponential through its last two moments is never above it
later, and the pages predicted are never too few, as long as the writes go on as they were. For writes that prefer no
page it is exact.
"""

from __future__ import annotations

from math import expm1, log1p

from checker.facts import Written

MOST_RATIO = 0.999
"""Above this share nearly all pages are written, and from then on the count no longer tells how often."""


def written_after(written: Written, resident: float, seconds: float) -> float:
    """Bytes written after so many seconds: between two looks along their chord, after the last along its rate."""
    most = MOST_RATIO * resident
    if resident <= 0 or most <= 0:
        return 0.0
    moments = [(0.0, 0.0), *((at, min(float(dirty), most)) for at, dirty in written.earlier)]
    moments.append((written.seconds, min(float(written.bytes), most)))
    before, last = moments[0], moments[1]
    for following in moments[2:]:
        if last[0] >= seconds:
            break
        before, last = last, following
    span = last[0] - before[0]
    if span <= 0:
        return last[1]
    rate = max(0.0, log1p(-before[1] / resident) - log1p(-last[1] / resident)) / span
    # Within the stretch the chord of the logarithm lies above the curve of what is left: take its end, if that is more.
    left = log1p(-before[1] / resident) - rate * (seconds - before[0])
    return -resident * expm1(left)

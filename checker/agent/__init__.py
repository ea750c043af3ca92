"""`bgsafe agent`: every server of a node scanned, judged, predicted, watched when it forks, and published as metrics.

`census` finds the servers, `scan` reads and judges them, `watch` sees their forks, `finish` says how those ended,
`asking` talks to the servers that let it, `book` remembers, `loop` starts and ends all of it.
"""

"""Polygon.io, called Massive since October 2025: bars, news, corporate actions, reference and VIX over REST.

Docs: https://massive.com/docs (read 2026-11-21; no key was at hand). Bars come as traded (`adjusted=false`); ranges
include both ends. A day's bar is stamped 00:00 New York in a range, 16:00 in the grouped answer of a whole market, and
00:00 Chicago for an index. Five calls a minute on the free plan.
"""

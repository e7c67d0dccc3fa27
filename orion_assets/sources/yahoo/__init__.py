"""Yahoo by way of yfinance: bars to look at and to compare with, never landed; the VIX where nobody else can tell it.

Docs: https://ranaroussi.github.io/yfinance (yfinance 1.7, its source read 2026-11-22); Yahoo documents nothing, and its
terms forbid bulk use. Of yfinance only what it alone has is used: cookie, crumb and a browser's fingerprint. Its frames
are not: they hide errors, fill volumes with zero, merge the live row, and remember past ranges until the process ends.
Here the body is archived as it came and read by chart.py.

Days are stamped at the exchange's open, in seconds; the zone stands in the answer. `period2` is not included. Every
price is adjusted for the splits up to the day of asking, and every volume the other way (in a recorded chart all of
NVDA's volumes before two splits, by 4 and by 10, are multiples of 4,000), so a bar as traded cannot be had: bars are
refused. Dividends are taken out in `adjclose` only, which is not used. Prices come as single precision, widened, and
are read as the shorter decimals that they were. Delay: 15 min assumed. No limit is stated; 20 asks a minute are kept,
each of which may cost yfinance several requests. yfinance keeps cookies in the user's cache folder.
"""

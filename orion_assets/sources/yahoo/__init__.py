"""Yahoo by way of yfinance: closes to compare with, and the VIX where nobody else can tell it. Never bars.

Docs: https://ranaroussi.github.io/yfinance (yfinance 1.7, its source read 2026-11-22); Yahoo documents nothing, and its
terms forbid bulk use. Of yfinance only what it alone has is used: cookie, crumb and a browser's fingerprint. Its frames
are not: they hide errors, fill volumes with zero, merge the live row, and remember past ranges until the process ends.
Here the body is archived as it came and read by chart.py.

Days are stamped at the exchange's open, in seconds; the zone stands in the answer. `period2` is not included. Every
price is adjusted for the splits up to the day of asking, so a bar as traded cannot be had: bars are refused. Dividends
are taken out in `adjclose` only, which is not used. Prices come as single precision, widened, and are read as the
shorter decimals that they were. Delay: 15 min assumed. No limit is stated; 20 asks a minute are kept, each of which may
cost yfinance several requests. yfinance keeps cookies in the user's cache folder.
"""

"""Alpaca Markets: daily and minute bars of many tickers in one call, news and corporate actions over REST.

Docs: https://docs.alpaca.markets (read 2026-11-21 in summaries and in the vendor's own client, alpaca-py 0.44; no key
was at hand). Bars come as traded (`adjustment=raw`), stamped with their start in RFC 3339, days at 00:00 New York; both
ends of every range are included, and a minute without a trade has no bar. Bars are asked with `asof=-`: each session
under the ticker that traded then. By default the vendor follows today's company back through its renames, so that META
would hold Facebook's bars of 2021, and the fund's that bore the name then would be nobody's. A page is filled ticker by
ticker: only the last one tells who has no bar.

News carries when an article was made and when it was last changed. The text is known as changed only, so it counts from
then. Corporate actions are asked by the date at which the vendor processes them: of splits the ex-date, of dividends
mostly the day of payment. Delay: 15 min assumed; consolidated (SIP) bars of the last 15 minutes are refused on the free
plan, so sessions count from the next day on. Limits: 200 calls a minute free, 10,000 with Algo Trader Plus; 10,000
bars, 50 articles, 1,000 actions a page.
"""

"""Alpaca: bars of many tickers in one call, news and corporate actions over REST."""

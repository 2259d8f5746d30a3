"""DNS: what every vantage answers, when no honest cache can hold the old answer any more, and changes of record sets."""

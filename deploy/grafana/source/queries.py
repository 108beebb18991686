"""Pieces of PromQL that the panels share."""

CONTROLLER = 'controller=~"$controller"'
INSTANCE = 'instance=~"$instance"'

RATE = "$__rate_interval"
RANGE = "$__range"


def rate(metric: str, by: str = "", *matchers: str) -> str:
    """Per second, summed over everything but the labels in `by`."""
    return f"{_sum(by)} (rate({_selector(metric, matchers)}[{RATE}]))"


def counted(metric: str, by: str = "", *matchers: str, window: str = RANGE) -> str:
    """The increase in the window, including series that began within it.

    `increase` alone misses what a series begins with: the first violation of its kind. It also
    guesses what lies between the scrapes, so that the count is rounded to a whole one.
    """
    series = _selector(metric, matchers)
    return (
        f"round({_sum(by)} ((increase({series}[{window}]) and {series} offset {window})"
        f" or ({series} unless {series} offset {window})))"
    )


def quantile(share: float, histogram: str, by: str = "", *matchers: str) -> str:
    """The quantile of a histogram."""
    labels = f"{by}, le" if by else "le"
    buckets = rate(f"{histogram}_bucket", labels, *matchers)
    return f"histogram_quantile({share}, {buckets})"


def or_zero(query: str, by: str = "") -> str:
    """0 instead of no data where there is nothing to count.

    The labels in `by` are then `none`: a legend has no name for a series without them.
    """
    zero = "vector(0)"
    for label in by.split(", ") if by else ():
        zero = f'label_replace({zero}, "{label}", "none", "", "")'
    return f"{query} or on () {zero}"


def _sum(by: str) -> str:
    return f"sum by ({by})" if by else "sum"


def _selector(metric: str, matchers: tuple[str, ...]) -> str:
    return f"{metric}{{{', '.join(matchers)}}}" if matchers else metric

"""How the HTML looks: colours, light and dark, on a screen and on paper."""

from __future__ import annotations

LIGHT = {
    "ink": "#1b1f24",
    "dim": "#4a525c",
    "paper": "#ffffff",
    "soft": "#f1f3f6",
    "link": "#0a4f96",
    "good": "#0f5f26",
    "bad": "#9b0d23",
    "mind": "#704400",
    "rule": "#7d8590",
    "bar": "#2f6fb3",
    "edge": "#12263a",
}
DARK = {
    "ink": "#e9edf2",
    "dim": "#b3bcc8",
    "paper": "#14181d",
    "soft": "#20262e",
    "link": "#8fc1ff",
    "good": "#7ddc93",
    "bad": "#ff9ca6",
    "mind": "#f0c36a",
    "rule": "#7b8694",
    "bar": "#6aa7e8",
    "edge": "#f4f7fa",
}
TEXTS = ("ink", "dim", "link", "good", "bad", "mind")
"""Colours of text, each of which stands on each of `GROUNDS`."""
GROUNDS = ("paper", "soft")
SHAPES = ("rule", "bar", "edge")
"""Colours of lines and bars that mean something."""

_RULES = """
*{box-sizing:border-box}
html{background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
body{margin:0 auto;max-width:110rem;padding:1rem}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-100rem}
.skip:focus{left:1rem;top:.5rem;padding:.5rem;background:var(--paper);z-index:1}
h1{font-size:1.7rem;line-height:1.2;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--rule)}
nav ol{columns:16rem;padding-left:1.6rem}
nav a{display:inline-block;padding:.15rem 0;min-height:1.5rem}
p{max-width:75ch;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:1rem 0;max-width:100%}
table{border-collapse:collapse;min-width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.4rem 0}
th,td{border:1px solid var(--rule);padding:.25rem .5rem;text-align:left;vertical-align:top}
th,td{overflow-wrap:break-word;max-width:34rem}
thead th{background:var(--soft)}
tbody th{font-weight:600}
.n{text-align:right;white-space:nowrap}
.at{white-space:nowrap;font-size:.8rem;color:var(--dim)}
tr.more>td{background:var(--soft)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0 .8rem;font-size:.8rem}
code,pre{font-family:ui-monospace,monospace}
.screen svg{width:auto;max-width:100%;height:auto}
summary{cursor:pointer;padding:.3rem 0;font-weight:600;color:var(--link)}
.label{font-weight:600;margin:.3rem 0}
.good{color:var(--good)}.bad{color:var(--bad)}.mind{color:var(--mind)}
p.good,p.bad,p.mind{font-weight:600}
tr.bad>th,tr.bad>td:first-child{color:var(--bad)}tr.mind>th{color:var(--mind)}
figure{margin:1rem 0}
figcaption{max-width:75ch;overflow-wrap:anywhere}
.chart{min-width:44rem;max-width:80rem}
svg{display:block;width:100%;height:auto}
.chart text{font:11px ui-monospace,monospace;fill:var(--ink)}
.grid{stroke:var(--rule);stroke-width:1;stroke-dasharray:1 3}
.planned{fill:none;stroke:var(--rule);stroke-width:1}
.actual{fill:var(--bar)}
.critical{fill:var(--bar);stroke:var(--edge);stroke-width:2}
.undo{fill:none;stroke:var(--bad);stroke-width:2;stroke-dasharray:2 2}
.verify{fill:none;stroke:var(--mind);stroke-width:2;stroke-dasharray:6 2}
.first{fill:none;stroke:var(--bar);stroke-width:2.5}
.second{fill:none;stroke:var(--edge);stroke-width:2;stroke-dasharray:6 4}
footer{margin-top:3rem;color:var(--dim);border-top:1px solid var(--rule)}
@media (max-width:40rem){body{padding:.6rem}h1{font-size:1.35rem}}
"""

_PRINT = """
@page{size:A4 landscape;margin:12mm}
html{font-size:11px}
body{max-width:none;padding:0}
nav,.skip{display:none}
a{color:inherit;text-decoration:none}
.scroll{overflow:visible}
.chart{min-width:0}
table{width:100%;font-size:.8rem}
th,td{overflow-wrap:anywhere;padding:.15rem .3rem}
.at,.n{white-space:normal}
thead{display:table-header-group}
tr,figure{break-inside:avoid}
tr.more{break-inside:auto}
h2,caption,summary{break-after:avoid}
details::details-content{content-visibility:visible;display:block;height:auto}
"""


def css() -> str:
    """The style sheet: light and dark as the reader prefers, light on paper."""
    return (
        f":root{{color-scheme:light dark;{_named(LIGHT)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_named(DARK)}}}}}"
        f"{_RULES}@media print{{:root{{color-scheme:light}}{_PRINT}}}"
    )


def _named(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())

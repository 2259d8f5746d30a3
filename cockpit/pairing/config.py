"""The configuration of a run's tmux server, as text. Pure: keys, secret and version go in."""

from __future__ import annotations

from collections.abc import Iterable

from cockpit.pairing.marks import hook_mark, key_mark
from cockpit.pairing.tmux import LISTED, SESSION

NAMES = {
    "slash": "/",
    "question_mark": "?",
    "exclamation_mark": "!",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "dollar_sign": "$",
    "space": " ",
    "enter": "\r",
    "escape": "\x1b",
}
"""Keys that the registry calls by another name than their character."""

BY_NAME = {" ": "Space", "\r": "Enter", "\x1b": "Escape"}
"""And what tmux calls them."""

ALWAYS = ("enter", "escape")
"""Bound beside the registry's keys: Enter confirms in dialogs, Escape refuses, and told by a mark, it needs no waiting."""

SETTINGS = """\
# Two clients that press within a millisecond are two people, not a paste; a guess would pass by the bindings.
set -g assume-paste-time 0
# Escape is Escape after 10 ms; a key that begins with it comes in one piece.
set -s escape-time 10
# The window is as large as the smallest terminal of those who may act, so that everybody sees all of it.
set -g window-size smallest
set -g mouse off
set -g focus-events off
set -g default-terminal "tmux-256color"
# What the cockpit copies goes to the terminal of the one who pressed the key, where that takes it (OSC 52).
set -s set-clipboard on
set -as terminal-features ",*:clipboard"
# The session goes on without anybody, and the server ends with it.
set -g destroy-unattached off
set -s exit-unattached off
set -s exit-empty on
set -g detach-on-destroy on
set -g remain-on-exit off
# A colleague's environment stays the colleague's.
set -g update-environment ""
set -g set-titles off
set -g allow-rename off
set -g automatic-rename off
set -g history-limit 0
set -g lock-after-time 0
set -g repeat-time 0
set -g display-time 2000
set -g bell-action any
set -g visual-bell off
"""

STATUS = """\
set -g status on
set -g status-position bottom
set -g status-interval 0
set -g status-style "bg=colour236,fg=colour252"
set -g message-style "bg=colour178,fg=colour16"
set -g status-left-length 200
set -g status-left "#{?client_readonly, YOU OBSERVE , }#{@here}"
set -g window-status-format ""
set -g window-status-current-format ""
set -g status-right-length 90
set -g status-right "#{?#{e|>=:#{client_width},110},#{@join}   ,}C-b d leaves "
set -g @here ""
set -g @join ""
"""

PREFIX = (
    ("d", "detach-client"),
    ("r", "refresh-client"),
    ("]", "paste-buffer -p"),
    ("?", 'display-message "C-b d leaves; C-b r paints anew; C-b ] pastes what was copied. All else is off here."'),
)
"""What is left behind the prefix. Copy mode, splitting, new windows, respawning and the command prompt are off: each would stop
or hide the one screen for everybody."""

HOOKS = ("client-attached", "client-detached", "client-resized")


def character(key: str) -> str:
    """The one character that a key of the registry sends. Raises ValueError for a key that sends more."""
    found = NAMES.get(key, key)
    if len(found) != 1 or ord(found) > 0x7E:
        raise ValueError(f"{key} is not a key of one ASCII character")
    return found


def tmux_key(key: str) -> str:
    """The key as tmux names it."""
    found = character(key)
    return BY_NAME.get(found, found)


def binding(key: str, mark: str) -> str:
    """The line that binds a key to its mark and itself. The key goes as a number: nothing in it needs quoting. `run-shell -C`
    expands formats and starts no shell (tmux(1))."""
    name = tmux_key(key)
    quoted = f"'{name}'" if name != "'" else '"\'"'
    return f"bind-key -T root {quoted} run-shell -C 'send-keys -l \"{mark}\" ; send-keys -H {ord(character(key)):02x}'"


def configuration(keys: Iterable[str], secret: str, version: tuple[int, int]) -> str:
    """The whole configuration. `keys` are those of the registry of actions, by its names; `secret` is a word of [0-9a-f]."""
    # Before that, tmux cannot name the account: the pid alone is told, and no other account can come in.
    mark = key_mark(secret) if version >= LISTED else key_mark(secret).replace("#{client_uid}", "")
    lines = [
        SETTINGS.rstrip(),
        STATUS.rstrip(),
        "set -g prefix C-b",
        "set -g prefix2 None",
        *(f"unbind-key -a -T {table}" for table in ("prefix", "root", "copy-mode", "copy-mode-vi")),
        *(f"bind-key -T prefix '{key}' {command}" for key, command in PREFIX),
        *(binding(key, mark) for key in dict.fromkeys((*keys, *ALWAYS))),
        *(f'set-hook -g {hook} \'send-keys -t "={SESSION}:" -l "{hook_mark(secret)}"\'' for hook in HOOKS),
    ]
    return "\n".join(lines) + "\n"

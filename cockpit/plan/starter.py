"""What `cockpit init` writes: a first plan that passes `cockpit check`."""

from __future__ import annotations

STARTER = """\
# A cutover plan. `cockpit check FILE` tells what is missing, `cockpit show FILE` prints what will run.
cutover: 1
name: My cutover
description: What moves, from where, to where.

hosts: # reached over SSH; `address` is what web probes are pinned to
  old: {ssh: ops@old.example.org, address: 192.0.2.10}
  new: {ssh: ops@new.example.org, address: 192.0.2.20}

contacts:
  - {name: Ann, channel: "+31 20 555 0100", for: the web site}

template: site # each service below is made from this template
services:
  - {id: www, wave: 1, vars: {site: www}} # one row a service; {site} is filled into plain fields

templates:
  site:
    health:
      - {id: home, http: "https://{site}.example.org/", expect: {status: 200}, at: [old, new, world]}
    downtime: {probe: home, budget: 60s}
    steps: # in order; `needs` says otherwise
      - {id: first-copy, phase: copy, sync: {from: old, to: new, paths: ["srv/{site}/"]}}
      - id: maintenance-on
        phase: freeze
        on: old
        closes: old # old takes no writes from here on
        released_by: maintenance-off
        with: {site: "{site}"} # parameters arrive as shell variables; the shell text itself is never changed
        run:
          probe: test -e "srv/$site/maintenance.flag"
          apply: touch "srv/$site/maintenance.flag"
          verify: test -e "srv/$site/maintenance.flag"
          undo: rm -f "srv/$site/maintenance.flag"
          verify_undo: test ! -e "srv/$site/maintenance.flag"
        verify: # by another path than the act: what visitors see
          http: [{url: "https://{site}.example.org/", at: old, expect: {status: 503}}]
      - id: final-copy
        phase: sync
        sync: {from: old, to: new, paths: ["srv/{site}/"], exclude: [maintenance.flag], final: true}
      - id: maintenance-off
        phase: switch
        on: new
        opens: new
        point_of_no_return: soft
        with: {site: "{site}"}
        run:
          apply: rm -f "srv/$site/maintenance.flag"
          verify: test ! -e "srv/$site/maintenance.flag"
          undo: touch "srv/$site/maintenance.flag"
          verify_undo: test -e "srv/$site/maintenance.flag"
        verify:
          http: [{url: "https://{site}.example.org/", at: new, expect: {status: 200}}]

gates:
  - {id: go, question: "Is the first copy good?", before: {phase: freeze}, after: {phase: copy}}
"""

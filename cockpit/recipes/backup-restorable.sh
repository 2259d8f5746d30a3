# recipe: Restore a backup into an empty folder and compare every file with its checksum
# group: after
# danger: low what was restored needs the room of the whole backup
# undo: removes what was restored, and the evidence
# param: archive the archive, as `backup-take` wrote it, with FILE.sha256 and FILE.manifest beside it
# param: into the folder to restore to; it must be empty or not be there
# param: evidence where it is written down that this backup could be restored; `decommission` asks for it
# needs: sha256sum tar cmp
# shellcheck shell=sh disable=SC2154

sum_of() {
    set -- "$(sha256sum < "$1")" && printf '%s\n' "${1%% *}"
}

probe() {
    [ -f "$evidence" ] && grep -Fqx -e "archive-sha256 $(sum_of "$archive" 2> /dev/null)" "$evidence" && [ -d "$into" ]
}

capture() {
    [ -f "$archive" ] || { echo "there is no $archive here" >&2 && return 1; }
    if [ -e "$evidence" ]; then echo "$evidence is there already: name another one" >&2 && return 1; fi
    if [ ! -e "$into" ]; then echo "made=1" && return; fi
    if ! (cd -- "$into") || ! held=$(ls -A -- "$into"); then echo "$into cannot be read" >&2 && return 1; fi
    [ -z "$held" ] || { echo "$into is not empty" >&2 && return 1; }
    echo "made=0"
}

compared() {
    # The same list of checksums as when it was taken, made anew from what was restored.
    (cd -- "$into" && find . -type f -exec sha256sum -- {} + | LC_ALL=C sort) | cmp -s - "$archive.manifest"
}

emptied() {
    # From inside it: where it cannot be entered, nothing is deleted.
    if [ -d "$into" ]; then (cd -- "$into" && find . -mindepth 1 -delete); fi
}

apply() {
    if probe; then echo "$archive was restored already" && return; fi
    read -r noted _ < "$archive.sha256" || { echo "$archive has no checksum beside it" && return 1; }
    sum=$(sum_of "$archive") || return
    [ "$sum" = "$noted" ] || { echo "$archive is not what its checksum says" && return 1; }
    emptied && mkdir -p -- "$into" || return
    if ! tar -C "$into" -xpf - < "$archive" || ! compared; then
        undo
        echo "$archive does not come back as what was taken: it is no backup"
        return 1
    fi
    printf 'archive-sha256 %s\nfiles %s\nrestored-on %s\nat %s\n' "$sum" "$(($(wc -l < "$archive.manifest")))" "$(hostname)" \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$evidence.new" && mv -f -- "$evidence.new" "$evidence" || return
    echo "$(($(wc -l < "$archive.manifest"))) files were restored into $into"
}

verify() {
    [ -f "$evidence" ] || { echo "there is no evidence of a restore" && return 1; }
    probe || { echo "the evidence is of another archive" && return 1; }
    compared && echo "every file in $into is the one that was taken" && return
    echo "what is in $into is not what was taken"
    return 1
}

undo() {
    # The evidence goes first: it must not outlive what it is of.
    rm -f -- "$evidence" "$evidence.new" && emptied || return
    [ "$captured_made" = 0 ] || [ ! -d "$into" ] || rmdir -- "$into"
}

verify_undo() {
    [ ! -e "$evidence" ] && { [ ! -e "$into" ] || { held=$(ls -A -- "$into") && [ -z "$held" ]; }; } && echo "what was restored is gone"
}

# recipe: Take a backup of a folder as a tar archive with the checksum of every file
# group: after
# danger: low the folder is read twice, and an archive of its size is written
# undo: removes the archive and its checksums
# param: source the folder
# param: archive where the archive goes, a new name for each backup; FILE.sha256 and FILE.manifest go beside it
# param: tries how many times what changes meanwhile is taken again (default 10)
# needs: sha256sum tar comm sort
# shellcheck shell=sh disable=SC2154

sums() {
    # A line for each file, as sha256sum writes them, odd names escaped.
    (cd -- "$source" && find . -type f -exec sha256sum -- {} + | LC_ALL=C sort)
}

names() {
    # The names in such lines; tar reads the escapes again.
    sed 's/^\\\{0,1\}[0-9a-f]\{64\} [ *]//'
}

sum_of() {
    set -- "$(sha256sum < "$1")" && printf '%s\n' "${1%% *}"
}

left() {
    rm -f -- "$archive.part" "$archive.part.taken" "$archive.part.now" "$archive.part.names"
}

probe() {
    [ -f "$archive" ] && [ -f "$archive.manifest" ] && read -r noted _ 2> /dev/null < "$archive.sha256" &&
        [ "$noted" = "$(sum_of "$archive")" ]
}

able() {
    # Other makers' tar calls it the same whether a file changed or could not be read.
    case $(tar --version 2> /dev/null) in *"GNU tar"*) return ;; esac
    echo "this needs GNU tar, which tells a file that changed from one that cannot be read" >&2
    return 1
}

capture() {
    able || return
    [ -d "$source" ] || { echo "there is no folder $source" >&2 && return 1; }
    for one in "$archive" "$archive.sha256" "$archive.manifest" "$archive.part"; do
        [ ! -e "$one" ] || { echo "$one is there already: a backup gets a name of its own" >&2 && return 1; }
    done
    echo "new=1"
}

whole() {
    sums > "$archive.part.taken" && tar -C "$source" -cf - . > "$archive.part"
    # Status 1 of tar is a file that changed: that is found out below.
    [ $? -le 1 ] && sums > "$archive.part.now"
}

added() {
    # What differs from the last look, at the end of the archive: the last of a name counts.
    LC_ALL=C comm -13 "$archive.part.taken" "$archive.part.now" | names > "$archive.part.names"
    mv -f -- "$archive.part.now" "$archive.part.taken" && tar -C "$source" -rf "$archive.part" -T "$archive.part.names"
    [ $? -le 1 ] && sums > "$archive.part.now"
}

apply() {
    if probe; then echo "$archive is taken already" && return; fi
    case ${tries:-10} in *[!0-9]*) echo "tries: $tries is no number" && return 1 ;; esac
    able || return
    umask 077
    : > "$archive.part" && archive=$(cd -- "$(dirname -- "$archive")" && printf '%s/%s' "$PWD" "$(basename -- "$archive")") || return
    whole || { left && echo "$source cannot all be read: nothing was written" && return 1; }
    again=0
    until cmp -s "$archive.part.taken" "$archive.part.now"; do
        again=$((again + 1))
        if [ "$again" -gt "${tries:-10}" ]; then
            some=$(LC_ALL=C comm -13 "$archive.part.taken" "$archive.part.now" | names | head -n 1)
            left
            echo "$source changes all the time, as in ${some:-files that go}: freeze it first"
            return 1
        fi
        names < "$archive.part.now" | LC_ALL=C sort > "$archive.part.names"
        if names < "$archive.part.taken" | LC_ALL=C sort | LC_ALL=C comm -23 - "$archive.part.names" | grep -q .; then
            # What is gone cannot be taken out of an archive.
            whole
        else
            # What goes just now cannot be added to it: all of it anew tells that from what cannot be read.
            added || whole
        fi || { left && echo "$source cannot all be read: nothing was written" && return 1; }
    done
    printf '%s  %s\n' "$(sum_of "$archive.part")" "$(basename -- "$archive")" > "$archive.sha256" || return
    mv -f -- "$archive.part.now" "$archive.manifest" && mv -f -- "$archive.part" "$archive" && left || return
    echo "$(($(wc -l < "$archive.manifest"))) files of $source are in $archive; $again times something had changed meanwhile"
}

verify() {
    probe || { echo "there is no archive that fits its checksum" && return 1; }
    # Every file of the list must be in it, by reading it to its end.
    tar -tf - < "$archive" > /dev/null || { echo "$archive cannot be read to its end" && return 1; }
    # Further names of one file are listed as hard links.
    inside=$(tar -tvf - < "$archive" | grep -c '^[-h]')
    listed=$(($(wc -l < "$archive.manifest")))
    [ "$inside" -ge "$listed" ] && echo "$archive can be read to its end and has the $listed files of its list" && return
    echo "$archive has $inside files, its list $listed"
    return 1
}

undo() {
    left && rm -f -- "$archive" "$archive.sha256" "$archive.manifest"
}

verify_undo() {
    [ ! -e "$archive" ] && [ ! -e "$archive.manifest" ] && echo "the archive is gone"
}

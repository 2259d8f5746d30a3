# recipe: Take a backup with restic, check the repository and restore a sample
# group: after
# danger: low the folder is read and sent to the repository
# undo: forgets the snapshot and frees what only it held
# param: source the folder
# param: repository the repository, a path or what restic takes (sftp:…, rest:…, s3:…); it must exist
# param: password its password, a secret
# param: sample a file below the folder, as a path from it, that is restored and compared
# param: check how much of the repository is read back (default 5%)
# needs: restic sha256sum
# shellcheck shell=sh disable=SC2154

keep() (
    # Its own account and root can read the password in the environment, nobody else.
    export RESTIC_PASSWORD="$password" RESTIC_REPOSITORY="$repository" RESTIC_PROGRESS_FPS=0.1
    exec restic --no-cache --quiet "$@"
)

taken() {
    # The id of this run's snapshot; status 2 when the repository cannot be asked.
    said=$(keep snapshots --json --tag "cutover-$captured_token") || return 2
    printf '%s\n' "$said" | sed -n 's/.*"short_id":"\([0-9a-f]*\)".*/\1/p'
}

sane() {
    case ${check:-5%} in
        -* | *[!0-9./%KMGTkmgt]*) echo "check: $check is no share of the repository, such as 5%, 1/10 or 2G" && return 1 ;;
    esac
}

probe() {
    # A snapshot of before says nothing about now.
    return 1
}

capture() {
    [ -d "$source" ] || { echo "there is no folder $source" >&2 && return 1; }
    echo "token=$(date +%s)-$$"
}

apply() {
    sane || return
    id=$(taken) || { echo "the repository cannot be opened: is it there (restic init), and is that its password?" && return 1; }
    if [ -n "$id" ]; then echo "snapshot $id is taken already" && return; fi
    (cd -- "$source" && keep backup --tag "cutover-$captured_token" .) || { echo "the backup is not whole" && return 1; }
    echo "$source is in a snapshot tagged cutover-$captured_token"
}

verify() {
    sane || return 2
    id=$(taken) || { echo "the repository cannot be opened" && return 2; }
    [ -n "$id" ] || { echo "there is no snapshot of this run" && return 1; }
    keep check --read-data-subset="${check:-5%}" > /dev/null || { echo "the repository does not pass its check" && return 1; }
    # The sample is read out of the repository, without a copy on the disk.
    whole=$(cd -- "$source" && pwd) || return 2
    back=$(keep dump "$id" "/${sample#./}" 2> /dev/null | sha256sum)
    [ "$back" != "$(printf '' | sha256sum)" ] || back=$(keep dump "$id" "$whole/${sample#./}" 2> /dev/null | sha256sum)
    [ "$back" = "$(sha256sum < "$source/$sample")" ] && echo "snapshot $id is sound, and $sample comes back as it is" && return
    echo "$sample comes back from snapshot $id as something else"
    return 1
}

undo() {
    id=$(taken) || return
    [ -n "$id" ] || { echo "there is no snapshot to forget" && return; }
    # Only locks of processes that are gone go.
    keep unlock || return
    keep forget --prune "$id" > /dev/null && echo "snapshot $id is forgotten"
}

verify_undo() {
    id=$(taken) || return 2
    [ -z "$id" ] && echo "there is no snapshot of this run"
}

# The words in which the stories are told. The first line that fails ends a story.

set -euo pipefail

# says TEXT COMMAND…: the command succeeds and says this.
says() {
    local text=${1:?there is nothing to look for} answer
    shift
    answer=$("$@") || { echo "$answer"; echo "This failed: $*"; exit 1; }
    [[ $answer == *"$text"* ]] || { echo "$answer"; echo "This does not say: $text"; exit 1; }
}

# hides TEXT COMMAND…: the command succeeds and does not say this.
hides() {
    local text=${1:?there is nothing to look for} answer
    shift
    answer=$("$@") || { echo "$answer"; echo "This failed: $*"; exit 1; }
    [[ $answer != *"$text"* ]] || { echo "$answer"; echo "This says: $text"; exit 1; }
}

# refuses TEXT COMMAND…: the command fails and gives this reason.
refuses() {
    local text=${1:?there is nothing to look for} answer
    shift
    answer=$("$@" 2>&1) && { echo "$answer"; echo "This did not fail: $*"; exit 1; }
    [[ $answer == *"$text"* ]] || { echo "$answer"; echo "This gives another reason than: $text"; exit 1; }
}

# part NAME: the last text of this name in the JSON that is read.
part() {
    local found
    found=$(grep -o "\"$1\": \?\"[^\"]*\"" | tail -n 1 | cut -d '"' -f 4)
    [[ -n $found ]] && echo "$found"
}

# api ARGUMENT…: asks the management API by curl, as its administrator.
api() { curl -sSf -u "$LOGIN" "$@"; }

# ended HREF: waits for a task, which does what it was to do.
ended() {
    local state=
    until [[ $state =~ completed|failed|canceled ]]; do state=$(api "$URL$1?fields=state" | part state); done
    [[ $state == completed ]]
}

# made HREF: waits for a task, which makes this.
made() {
    ended "$1" && api "$URL$1" | grep -o '"created_resources":\[[^]]*\]' | grep -o '/pulp[^"]*' | tail -n 1
}

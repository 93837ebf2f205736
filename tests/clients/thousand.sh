# A repository of a thousand packages: with each policy dnf finds in a mirror what it finds upstream, word for word, and
# createrepo_c reads the same of each package.

. "$STORIES/rpms.sh"
. "$STORIES/shelf.sh"
rpm=$URL/pulp/api/v3
[[ -e $SHELF/repodata/repomd.xml ]] || fill "$SHELF"
python3 -u -m http.server --bind 127.0.0.1 --directory "$SHELF" 0 > upstream.log 2>&1 &
web=$!
trap 'kill $web' EXIT
until upstream=$(grep -o 'http://[^/]*/' upstream.log); do :; done

# All that dnf knows of a package, but for where its files come from.
fields='%{name} %{epoch} %{version} %{release} %{arch} %{sourcerpm} %{buildtime} %{size} %{installsize} %{url} %{license}'
fields+=' %{summary} %{description} %{requires} %{provides} %{conflicts} %{obsoletes} %{recommends} %{suggests}'

# look NAME URL: what dnf finds there and makes of it, each in a file.
look() {
    machine "$1"
    printf '[zoo]\nname=The Zoo\nbaseurl=%s\ngpgcheck=0\n' "$2" > "$1/repos/zoo.repo"
    dnf_on "$1" repoquery --qf "$fields" | sort > "$1/packages"
    dnf_on "$1" repoquery --list | sort > "$1/files"
    dnf_on "$1" repoquery --changelogs 'ant*' | sort > "$1/changes"
    dnf_on "$1" module list | sort > "$1/modules"
    dnf_on "$1" group list --ids | sort > "$1/groups"
    dnf_on "$1" group info ant-group zoo | sort > "$1/group"
    dnf_on "$1" install ant{1..9}-1 bear10 cat7-1:1 @fox-group > "$1/install.log"
    dnf_on "$1" module install emu:2/default >> "$1/install.log"
    dnf_on "$1" updateinfo list --all | sort > "$1/advisories"
    dnf_on "$1" updateinfo info --updates | sort > "$1/advisory"
    (cd "$1/root" && find etc/zoo usr/bin usr/share/zoo -type f -exec sha256sum {} + | sort) > "$1/installed"
}

look upstream "$upstream"
for part in packages files changes modules groups group advisories advisory installed; do wc -l "upstream/$part"; done
[[ $(dnf_on upstream repoquery --disable-modular-filtering | wc -l) == 1000 ]]
[[ $(wc -l < upstream/advisories) == 21 ]]
grep -q ZOO-ant-9 upstream/advisory
grep -q '^emu *2 ' upstream/modules
grep -q bear-group upstream/groups

for policy in immediate on_demand streamed; do
    remote=$(api "$rpm/remotes/rpm/rpm/" --json "{\"name\": \"$policy\", \"url\": \"$upstream\", \"policy\": \"$policy\"}" | part pulp_href)
    repository=$(api "$rpm/repositories/rpm/rpm/" --json "{\"name\": \"$policy\"}" | part pulp_href)
    ended "$(api "$URL${repository}sync/" --json "{\"remote\": \"$remote\"}" | part task)"
    publication=$(made "$(api "$rpm/publications/rpm/rpm/" --json "{\"repository\": \"$repository\"}" | part task)")
    ended "$(api "$rpm/distributions/rpm/rpm/" --json "{\"name\": \"$policy\", \"base_path\": \"$policy\", \"publication\":
        \"$publication\"}" | part task)"
    look "$policy" "$URL/pulp/content/$policy/"
    for part in packages files changes modules groups group advisories advisory installed; do
        diff "upstream/$part" "$policy/$part"
    done
    says '1000 packages, no difference' /usr/bin/python3 "$STORIES/primary.py" "$upstream" "$URL/pulp/content/$policy/"
done
kill "$web"
wait "$web" || true
trap - EXIT
echo the end

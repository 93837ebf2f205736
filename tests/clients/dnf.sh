# A repository of packages by dnf: built, uploaded, published, searched, installed from, copied.

. "$STORIES/rpms.sh"
rpm=$URL/pulp/api/v3

build bear 4.1
build bear 4.1^fed
build wolf 9.4 'Epoch: 1' 'Requires: bear >= 4.1' 'Recommends: owl'
build duck 0.6 'Provides: module(duck)'
ls top/RPMS/noarch

repository=$(api "$rpm/repositories/rpm/rpm/" --json '{"name": "zoo"}' | part pulp_href)
for file in top/RPMS/noarch/*.rpm; do
    ended "$(api "$rpm/content/rpm/packages/" -F "file=@$file" -F "repository=$repository" | part task)"
done

cat > advisory.json <<'END'
{
  "id": "ZOO-2024:1", "updated_date": "2024-01-02 00:00:00", "issued_date": "2024-01-01 00:00:00",
  "description": "Bears were hungry.", "fromstr": "keeper@example.test", "status": "final", "title": "Hungry bears",
  "summary": "Bears", "version": "1", "type": "security", "severity": "Important", "solution": "", "release": "",
  "rights": "", "pushcount": "1", "reboot_suggested": false,
  "references": [{"href": "https://example.test/1", "id": "CVE-2024-1", "title": "Hunger", "type": "cve"}],
  "pkglist": [{"name": "zoo", "short": "zoo", "module": null, "packages": [{
    "arch": "noarch", "epoch": "0", "filename": "bear-4.1^fed-1.noarch.rpm", "name": "bear", "version": "4.1^fed",
    "release": "1", "src": "bear-4.1^fed-1.src.rpm", "sum": "", "sum_type": "", "reboot_suggested": false,
    "relogin_suggested": false, "restart_suggested": false}]}]
}
END
ended "$(api "$rpm/content/rpm/advisories/" -F file=@advisory.json -F "repository=$repository" | part task)"

cat > comps.xml <<'END'
<comps>
  <group>
    <id>animals</id> <name>Animals</name> <default>true</default> <uservisible>true</uservisible>
    <packagelist> <packagereq type="mandatory">bear</packagereq> <packagereq>wolf</packagereq> </packagelist>
  </group>
  <environment>
    <id>zoo</id> <name>A whole zoo</name>
    <grouplist> <groupid>animals</groupid> </grouplist>
  </environment>
</comps>
END
ended "$(api "$rpm/rpm/comps/" -F file=@comps.xml -F "repository=$repository" | part task)"

cat > module.json <<'END'
{
  "name": "duck", "stream": "1.10", "version": "20240101000000", "context": "deadbeef", "arch": "x86_64",
  "static_context": false, "description": "Ducks.", "artifacts": ["duck-0:0.6-1.noarch"],
  "dependencies": [], "profiles": {"default": ["duck"]}, "packages": [],
  "snippet": "---\ndocument: modulemd\nversion: 2\ndata:\n  name: duck\n  stream: \"1.10\"\n  version: 20240101000000\n  context: deadbeef\n  arch: x86_64\n  summary: Ducks\n  description: >-\n    Ducks.\n  license:\n    module: [MIT]\n  profiles:\n    default:\n      rpms: [duck]\n  artifacts:\n    rpms:\n    - duck-0:0.6-1.noarch\n..."
}
END
module=$(made "$(api "$rpm/content/rpm/modulemds/" --json @module.json | part task)")
ended "$(api "$URL${repository}modify/" --json "{\"add_content_units\": [\"$module\"]}" | part task)"

ended "$(api "$rpm/publications/rpm/rpm/" --json "{\"repository\": \"$repository\", \"compression_type\": \"zstd\"}" | part task)"
publication=$(made "$(api "$rpm/publications/rpm/rpm/" --json "{\"repository\": \"$repository\"}" | part task)")
ended "$(api "$rpm/distributions/rpm/rpm/" --json "{\"name\": \"zoo\", \"base_path\": \"zoo\", \"publication\":
    \"$publication\", \"generate_repo_config\": true}" | part task)"

machine .
says "[zoo]" curl -sSf "$URL/pulp/content/zoo/config.repo" -o repos/zoo.repo -w '[zoo]'
sed -i "s|^baseurl=.*|baseurl=$URL/pulp/content/zoo/|" repos/zoo.repo
dnf() { dnf_on . "$@"; }
dnf makecache
says 'wolf-1:9.4-1.noarch' dnf repoquery
says 'bear-0:4.1^fed-1.noarch' dnf repoquery --latest-limit 1 bear
says 'bear >= 4.1' dnf repoquery --requires wolf
says '/usr/share/zoo/bear' dnf repoquery --list bear
says 'All about the wolf.' dnf repoquery --info wolf
says 'A Keeper' dnf repoquery --changelogs wolf
says 'duck' dnf module list
says '1.10' dnf module list
says 'Animals' dnf group list
says 'A whole zoo' dnf group list
says 'wolf' dnf group info Animals
hides 'duck' dnf repoquery --available duck

dnf install bear-4.1-1 wolf
[[ $(cat root/usr/share/zoo/bear) == 4.1 && -e root/usr/share/zoo/wolf ]]
says 'ZOO-2024:1 Important/Sec. bear-4.1^fed-1.noarch' dnf updateinfo list
says 'CVE-2024-1' dnf updateinfo info
dnf upgrade --advisory ZOO-2024:1
[[ $(cat root/usr/share/zoo/bear) == 4.1^fed ]]
dnf module install duck:1.10/default
[[ $(cat root/usr/share/zoo/duck) == 0.6 ]]

dnf download --destdir files bear
cmp files/bear-4.1^fed-1.noarch.rpm top/RPMS/noarch/bear-4.1^fed-1.noarch.rpm
dnf reposync --download-metadata --download-path copy
cmp copy/zoo/repodata/repomd.xml <(curl -sSf "$URL/pulp/content/zoo/repodata/repomd.xml")
says 'no-cache' curl -sSfI "$URL/pulp/content/zoo/repodata/repomd.xml"
# What createrepo_c makes of it is what was published.
cp -r copy/zoo again
createrepo_c --quiet --update --no-database again
dnf repoquery --repofrompath "again,$PWD/again" --repo again --qf '%{name} %{evr} %{arch} %{sourcerpm} %{installsize}' > again.txt
dnf repoquery --repo zoo --qf '%{name} %{evr} %{arch} %{sourcerpm} %{installsize}' > zoo.txt
[[ -s zoo.txt ]] && diff again.txt zoo.txt
echo the end

# A repository of a thousand packages with advisories, groups and modules, as createrepo_c makes it of what rpmbuild makes.

species=(ant bear cat duck emu fox gnu hare ibis jay)

# fill FOLDER: of ten species fifty packages each, in two versions.
fill() {
    local name version
    mkdir -p specs
    for version in 1 2; do
        for name in "${species[@]}"; do spec "$name" "$version" > "specs/$name-$version.spec"; done
    done
    # Two builds at once would both make what they find missing, and the later one would fail: the database, the folders.
    rpm --initdb
    mkdir -p top/{BUILD,BUILDROOT,RPMS/noarch,SOURCES,SPECS,SRPMS}
    printf '%s\n' specs/*.spec | xargs -P 2 -n 1 rpmbuild --quiet -bb --define "_topdir $PWD/top" \
        --define '_binary_payload w1.gzdio' --define '_build_id_links none'
    for name in "${species[@]}"; do
        mkdir -p "$1/Packages/${name:0:1}"
        mv top/RPMS/noarch/"$name"[0-9]*.rpm "$1/Packages/${name:0:1}"
    done
    comps > comps.xml
    createrepo_c --quiet --groupfile "$PWD/comps.xml" "$1"
    advisories > updateinfo.xml
    modules > modules.yaml
    modifyrepo_c --mdtype=updateinfo updateinfo.xml "$1/repodata" > modify.log 2>&1
    modifyrepo_c --mdtype=modules modules.yaml "$1/repodata" >> modify.log 2>&1
}

epoch() { (($1 % 7)) && echo 0 || echo 1; }

spec() {
    local n
    printf '%s\n' "Name: $1s" "Version: $2" 'Release: 1.zoo' "Summary: All of the $1s" 'License: MIT' 'BuildArch: noarch' \
        'Vendor: The Zoo' 'Packager: A Keeper <keeper@example.test>' "URL: https://example.test/$1?a=1&b=2" \
        '%description' "Zvíře $1." '%install' \
        'cd %{buildroot} && mkdir -p etc/zoo usr/bin usr/share/zoo' \
        "for n in \$(seq 50); do for folder in etc/zoo usr/bin usr/share/zoo; do echo $2 > \$folder/$1\$n; done; done"
    for n in {1..50}; do
        printf '%s\n' "%package -n $1$n" "Summary: The $1 <$n> & \"more\"" "Epoch: $(epoch "$n")"
        ((n % 5)) || printf '%s\n' "Requires: ${1}1 >= $2" "Requires(post): ${1}2" "Recommends: ${1}3" 'Suggests: hay > 0:1-2'
        ((n % 11)) || printf '%s\n' "Provides: zoo($1) = $n:$2-3" 'Conflicts: wolf < 1' 'Obsoletes: dodo <= 1.0'
        printf '%s\n' "%description -n $1$n" "It is number $n of the $1s." "" "  * Zvíře <&>" \
            "%files -n $1$n" "/usr/share/zoo/$1$n" "/usr/bin/$1$n" "%config /etc/zoo/$1$n" "%ghost /var/zoo/$1$n"
    done
    printf '%s\n' '%changelog' '* Wed Jan 03 2024 Zdeněk <z@example.test> - 2-1' '- Fed & <washed>' \
        '* Tue Jan 02 2024 A Keeper <keeper@example.test> - 1-1' '- Came'
}

advisories() {
    local name n
    echo '<?xml version="1.0" encoding="UTF-8"?><updates>'
    for name in "${species[@]}"; do
        for n in {1..10}; do
            cat <<END
<update from="keeper@example.test" status="final" type="$(((n % 3)) && echo bugfix || echo security)" version="1">
<id>ZOO-$name-$n</id><title>A better $name</title><issued date="2024-01-0$((n % 9 + 1)) 00:00:00"/>
<updated date="2024-02-01 00:00:00"/><severity>$(((n % 3)) && echo None || echo Important)</severity>
<summary>The $name was &lt;ill&gt;.</summary><description>It is well now.</description>
<references><reference href="https://example.test/$n" id="CVE-2024-$n" type="cve" title="CVE-2024-$n"/></references>
<pkglist><collection short="zoo"><name>The Zoo</name><package name="$name$n" version="2" release="1.zoo" epoch="$(epoch "$n")"
arch="noarch" src="${name}s-2-1.zoo.src.rpm"><filename>$name$n-2-1.zoo.noarch.rpm</filename></package></collection></pkglist>
</update>
END
        done
    done
    echo '</updates>'
}

comps() {
    local name n
    echo '<?xml version="1.0" encoding="UTF-8"?><comps>'
    for name in "${species[@]}"; do
        echo "<group><id>$name-group</id><name>All $name</name><name xml:lang=\"de\">Alle $name</name>"
        echo "<description>Every $name</description><default>false</default><uservisible>true</uservisible><packagelist>"
        for n in {1..5}; do echo "<packagereq type=\"mandatory\">$name$n</packagereq>"; done
        echo "<packagereq type=\"optional\">${name}6</packagereq></packagelist></group>"
    done
    echo '<category><id>animals</id><name>Animals</name><description>All of them</description><grouplist>'
    printf '<groupid>%s-group</groupid>' "${species[@]}"
    echo '</grouplist></category><environment><id>zoo</id><name>A whole zoo</name><description>A zoo</description>'
    echo '<grouplist><groupid>ant-group</groupid></grouplist><optionlist><groupid>bear-group</groupid></optionlist>'
    echo '</environment></comps>'
}

# Two streams each of the ducks and the emus: their versions.
modules() {
    local name stream n
    for name in duck emu; do
        for stream in 1 2; do
            printf '%s\n' --- 'document: modulemd' 'version: 2' 'data:' "  name: $name" "  stream: \"$stream\"" \
                "  version: 202401010000$stream" '  context: deadbeef' '  arch: noarch' "  summary: All ${name}s" \
                '  description: >-' "    Every $name." '  license:' '    module: [MIT]' '  profiles:' '    default:' \
                "      rpms: [${name}1, ${name}3]" '  artifacts:' '    rpms:'
            for n in {1..50}; do echo "    - $name$n-$(epoch "$n"):$stream-1.zoo.noarch"; done
            echo ...
        done
        printf '%s\n' --- 'document: modulemd-defaults' 'version: 1' 'data:' "  module: $name" '  stream: "1"' \
            '  profiles:' '    "1": [default]' ...
    done
}

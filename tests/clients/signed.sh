# Metadata that a script signs, as in Pulp, or the server itself: dnf and gpg are content with it, and dnf with nothing else.

. "$STORIES/rpms.sh"
rpm=$URL/pulp/api/v3
operator() { "$SERVER" --data-dir "$DATA" "$@"; }

export GNUPGHOME=$PWD/keys
mkdir -m 700 keys
trap 'gpgconf --kill all' EXIT
gpg --batch --quiet --passphrase '' --quick-generate-key script@example.test default default never
gpg --batch --quiet --passphrase '' --quick-generate-key server@example.test ed25519 sign never
gpg --batch --armor --export script@example.test > script.asc
gpg --batch --armor --export-secret-keys server@example.test > server.secret
cat > sign.sh <<END
#!/bin/bash
export GNUPGHOME=$GNUPGHOME
gpg --quiet --batch --yes --detach-sign --armor --default-key "\$PULP_SIGNING_KEY_FINGERPRINT" --output "\$1.asc" "\$1" &&
    echo "{\"file\": \"\$1\", \"signature\": \"\$1.asc\"}"
END
chmod +x sign.sh
says "The signing service 'script' signs with the key " operator signing-services add script --script sign.sh --key-file script.asc
says "The signing service 'server' signs with the key " operator signing-services add server --secret-key server.secret
refuses "already" operator signing-services add server --secret-key server.secret
refuses "no OpenPGP secret key" operator signing-services add other --secret-key script.asc
says "$PWD/sign.sh" operator signing-services list
hides PRIVATE operator signing-services list --json
hides PRIVATE api "$rpm/signing-services/"

# A machine of its own: whoever is not root is it in here.
mkdir -p root repos
as_root=()
[[ $EUID == 0 ]] || as_root=(unshare --map-root-user)
printf '[main]\nreposdir=%s\ncachedir=%s\nlogdir=%s\npersistdir=%s\n' "$PWD"/{repos,cache,log,persist} > dnf.conf
dnf() {
    "${as_root[@]}" env dnf --quiet --assumeyes --config "$PWD/dnf.conf" --installroot "$PWD/root" --releasever 1 \
        --disableplugin local --setopt=module_platform_id=platform:zoo1 --forcearch x86_64 "$@"
}

build bear 4.1
for service in script server; do
    href=$(api "$rpm/signing-services/?name=$service" | part pulp_href)
    repository=$(api "$rpm/repositories/rpm/rpm/" --json \
        "{\"name\": \"$service\", \"autopublish\": true, \"metadata_signing_service\": \"$href\"}" | part pulp_href)
    refuses "is in use" operator signing-services remove "$service"
    ended "$(api "$rpm/content/rpm/packages/" -F "file=@top/RPMS/noarch/bear-4.1-1.noarch.rpm" -F "repository=$repository" | part task)"
    ended "$(api "$rpm/distributions/rpm/rpm/" --json "{\"name\": \"$service\", \"base_path\": \"$service\", \"repository\":
        \"$repository\", \"generate_repo_config\": true}" | part task)"
    base=$URL/pulp/content/$service
    for file in repomd.xml repomd.xml.asc repomd.xml.key; do curl -sSf "$base/repodata/$file" -o "$file"; done
    gpg --batch --verify repomd.xml.asc repomd.xml
    says "$service@example.test" gpg --batch --show-keys repomd.xml.key
    curl -sSf "$base/config.repo" -o "repos/$service.repo"
    says repo_gpgcheck=1 cat "repos/$service.repo"
    says "gpgkey=$base/repodata/repomd.xml.key" cat "repos/$service.repo"
    dnf --repo "$service" makecache
    says 'bear-0:4.1-1.noarch' dnf repoquery --repo "$service"
done
dnf install --repo server bear
[[ $(cat root/usr/share/zoo/bear) == 4.1 ]]

# With the other's key nothing is taken: not by dnf, and not by this server.
sed "s|gpgkey=.*|gpgkey=file://$PWD/script.asc|; s|^\[server\]|[forged]|" repos/server.repo > repos/forged.repo
refuses "forged" dnf --repo forged --setopt=forged.skip_if_unavailable=0 makecache
copy=$(api "$rpm/repositories/rpm/rpm/" -d name=copy | part pulp_href)
for service in script server; do
    remote=$(api "$rpm/remotes/rpm/rpm/" -d "name=$service" -d "url=$URL/pulp/content/$service/" \
        --data-urlencode metadata_public_key@script.asc | part pulp_href)
    task=$(api "$URL${copy}sync/" -d "remote=$remote" | part task)
    if [[ $service == script ]]; then ended "$task"; else ended "$task" && exit 1; fi
done
says "repodata/repomd.xml.asc: the metadata is not proven by 'metadata_public_key' of the remote" api "$URL$task"
gpgconf --kill all
trap - EXIT
echo the end

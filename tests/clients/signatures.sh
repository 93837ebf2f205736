# Images that skopeo signs, and that nobody pulls who does not trust the key.

. "$STORIES/images.sh"
export GNUPGHOME=$PWD/keys
mkdir -m 700 keys
trap 'gpgconf --kill all' EXIT
gpg --batch --quiet --passphrase '' --quick-generate-key hand@example.test default default never
gpg --quiet --export hand@example.test > trusted.gpg
key=$(gpg --list-keys --with-colons | grep '^pub' | cut -d : -f 5)
echo "{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"docker\": {\"$host\": [{\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", \"keyPath\": \"$PWD/trusted.gpg\"}]}}}" > policy.json
trusting() { skopeo --policy policy.json copy -q --src-tls-verify=false "$@"; }

image app hello
log_in
copy --preserve-digests oci:app "docker://$host/team/app:1.0"
refuses "signature was required" trusting "docker://$host/team/app:1.0" dir:refused
copy --preserve-digests --sign-by hand@example.test oci:app "docker://$host/team/app:1.0"
trusting "docker://$host/team/app:1.0" dir:trusted
cmp trusted/manifest.json app/manifest.json

# What was signed is listed, and goes along with a sync. It is signed for that name: under another it is not trusted.
root=$URL/pulp/api/v3
says "\"key_id\":\"$key\"" api "$root/content/container/signatures/"
remote=$(api "$root/remotes/container/container/" --json "{\"name\": \"r\", \"url\": \"$URL\", \"upstream_name\": \"team/app\"}" | part pulp_href)
repository=$(api "$root/repositories/container/container/" --json "{\"name\": \"copy\", \"remote\": \"$remote\"}" | part pulp_href)
ended "$(api "$root/distributions/container/container/" --json "{\"name\": \"copy\", \"base_path\": \"copy\", \"repository\": \"$repository\"}" | part task)"
ended "$(api "$URL${repository}sync/" --json '{"signed_only": true}' | part task)"
says '"type":"atomic"' curl -sSf "$URL/extensions/v2/copy/signatures/sha256:$(digest app/manifest.json)"
refuses "is not accepted" trusting "docker://$host/copy:1.0" dir:other
gpgconf --kill all
trap - EXIT
echo the end

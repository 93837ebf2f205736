# The registry by skopeo: log in, push, look, copy, and delete; with a name and without.

host=${URL#http://}
here=docker://$host
export REGISTRY_AUTH_FILE=$PWD/auth.json
api() { curl -sSf -u "$LOGIN" "$@"; }
copy() { skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false "$@"; }
in_registry() { local verb=$1; shift; skopeo --insecure-policy "$verb" --tls-verify=false "$@"; }

# An image of one file, as a folder of the OCI's layout.
mkdir -p image/blobs/sha256
digest() { sha256sum "$1" | cut -d ' ' -f 1; }
blob() {
    cp "$2" "image/blobs/sha256/$(digest "$2")"
    echo "{\"mediaType\": \"$1\", \"digest\": \"sha256:$(digest "$2")\", \"size\": $(stat -c %s "$2")}"
}
oci=application/vnd.oci.image
echo '{"imageLayoutVersion": "1.0.0"}' > image/oci-layout
echo hello > hello.txt && tar -cf layer.tar hello.txt
echo "{\"architecture\": \"amd64\", \"os\": \"linux\", \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"sha256:$(digest layer.tar)\"]}}" > config.json
echo "{\"schemaVersion\": 2, \"mediaType\": \"$oci.manifest.v1+json\", \"config\": $(blob $oci.config.v1+json config.json), \"layers\": [$(blob $oci.layer.v1.tar layer.tar)]}" > manifest.json
echo "{\"schemaVersion\": 2, \"manifests\": [$(blob $oci.manifest.v1+json manifest.json)]}" > image/index.json

refuses "unauthorized" copy oci:image "$here/team/hello:1.0"
refuses "invalid username/password" in_registry login -u admin -p wrong "$host"
says "Login Succeeded" in_registry login -u "${LOGIN%%:*}" -p "${LOGIN#*:}" "$host"

copy --preserve-digests oci:image "$here/team/hello:1.0"
copy --preserve-digests oci:image "$here/team/hello:latest"
says '"1.0",' in_registry list-tags "$here/team/hello"
says '"latest"' in_registry list-tags "$here/team/hello"
says "sha256:$(digest manifest.json)" in_registry inspect "$here/team/hello:1.0"
[[ $(in_registry inspect --raw "$here/team/hello:1.0") == "$(cat manifest.json)" ]]
[[ $(in_registry inspect --config --raw "$here/team/hello:1.0") == "$(cat config.json)" ]]

# From repository to repository, as Docker's format, and out again.
copy --preserve-digests "$here/team/hello:1.0" "$here/other/hello:1.0"
copy --format v2s2 "$here/team/hello:1.0" "$here/other/hello:docker"
says manifest.v2+json in_registry inspect --raw "$here/other/hello:docker"
copy --preserve-digests "$here/other/hello:1.0" dir:out
says hello tar -xOf "out/$(digest layer.tar)" hello.txt

# A repository version a push.
version=$(api "$URL/pulp/api/v3/repositories/container/container/?name=other/hello" | part latest_version_href)
[[ $version == */versions/2/ ]]

in_registry delete "$here/other/hello:docker"
hides docker in_registry list-tags "$here/other/hello"

# Anybody may pull.
in_registry logout "$host"
copy "$here/team/hello:1.0" dir:anybody
refuses "unauthorized" copy dir:anybody "$here/team/hello:2.0"
echo the end

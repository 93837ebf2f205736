# Words for stories about images, which are made by hand: an image's bytes are what the story says, and nothing else.

host=${URL#http://}
export REGISTRY_AUTH_FILE=$PWD/auth.json
oci=application/vnd.oci.image

digest() { sha256sum "$1" | cut -d ' ' -f 1; }

# descriptor TYPE FILE: what stands for a file in a manifest.
descriptor() { echo "{\"mediaType\": \"$1\", \"digest\": \"sha256:$(digest "$2")\", \"size\": $(stat -c %s "$2")}"; }

# layout FOLDER FILE…: makes the folder one of the OCI's layout that holds these files as blobs.
layout() {
    local folder=$1 file
    shift
    mkdir -p "$folder/blobs/sha256"
    echo '{"imageLayoutVersion": "1.0.0"}' > "$folder/oci-layout"
    for file in "$@"; do cp "$file" "$folder/blobs/sha256/$(digest "$file")"; done
}

# image FOLDER TEXT [ARCHITECTURE]: makes the folder an image with one file in one layer.
image() {
    mkdir -p "$1"
    echo "$2" > "$1/hello.txt" && tar -C "$1" --mtime 2026-01-01 -cf "$1/layer.tar" hello.txt
    echo "{\"architecture\": \"${3:-amd64}\", \"os\": \"linux\", \"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"sha256:$(digest "$1/layer.tar")\"]}}" > "$1/config.json"
    echo "{\"schemaVersion\": 2, \"mediaType\": \"$oci.manifest.v1+json\", \"config\": $(descriptor $oci.config.v1+json "$1/config.json"), \"layers\": [$(descriptor $oci.layer.v1.tar "$1/layer.tar")]}" > "$1/manifest.json"
    layout "$1" "$1/layer.tar" "$1/config.json" "$1/manifest.json"
    echo "{\"schemaVersion\": 2, \"manifests\": [$(descriptor $oci.manifest.v1+json "$1/manifest.json")]}" > "$1/index.json"
}

# index FOLDER IMAGE…: makes the folder an index of images, one a platform.
index() {
    local folder=$1 image manifests=()
    shift
    layout "$folder"
    for image in "$@"; do
        cp "$image"/blobs/sha256/* "$folder/blobs/sha256/"
        manifests+=("$(descriptor $oci.manifest.v1+json "$image/manifest.json" | sed "s/}$/, \"platform\": {\"architecture\": \"$(part architecture < "$image/config.json")\", \"os\": \"linux\"}}/")")
    done
    echo "{\"schemaVersion\": 2, \"mediaType\": \"$oci.index.v1+json\", \"manifests\": [$(IFS=,; echo "${manifests[*]}")]}" > "$folder/list.json"
    layout "$folder" "$folder/list.json"
    echo "{\"schemaVersion\": 2, \"manifests\": [$(descriptor $oci.index.v1+json "$folder/list.json")]}" > "$folder/index.json"
}

copy() { skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false "$@"; }
in_registry() { local verb=$1; shift; skopeo --insecure-policy "$verb" --tls-verify=false "$@"; }
log_in() { in_registry login -u "${LOGIN%%:*}" -p "${LOGIN#*:}" "$host"; }

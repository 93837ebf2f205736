# The registry by podman: build, push, run through two repositories, as an index, and what is private.

. "$STORIES/images.sh"
# Everything that it keeps is in this folder, whoever runs it; nothing is run, so that no privilege is needed.
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
podman() { command podman --root "$PWD/store" --runroot "$PWD/run" --storage-driver vfs --events-backend none "$@"; }
policy=(--signature-policy "$PWD/policy.json" --tls-verify=false)

mkdir context && echo hello > context/hello.txt
printf 'FROM scratch\nCOPY hello.txt /\nLABEL made-by=hand\n' > context/Containerfile
podman build -q --signature-policy policy.json -t hello context

says "Login Succeeded" podman login --tls-verify=false -u "${LOGIN%%:*}" -p "${LOGIN#*:}" "$host"
podman push -q "${policy[@]}" localhost/hello "$host/team/hello:oci"
podman push -q "${policy[@]}" --format v2s2 localhost/hello "$host/team/hello:docker"
says docker podman search --tls-verify=false --list-tags "$host/team/hello"
podman rmi -f localhost/hello
podman pull -q "${policy[@]}" "$host/team/hello:oci"
says hand podman inspect --format '{{index .Labels "made-by"}}' "$host/team/hello:oci"

podman manifest create many
podman manifest add --tls-verify=false many "docker://$host/team/hello:oci"
podman manifest push -q --all --tls-verify=false many "docker://$host/team/many:latest"
says oci.image.index.v1+json curl -sSf "$URL/v2/team/many/manifests/latest"

# What is private is pulled by those who have logged in.
hello=$(api "$URL/pulp/api/v3/distributions/container/container/?base_path=team/hello" | part pulp_href)
ended "$(api -X PATCH "$URL$hello" --json '{"private": true}' | part task)"
podman pull -q "${policy[@]}" "$host/team/hello:docker"
podman logout "$host"
refuses unauthorized podman pull -q "${policy[@]}" "$host/team/hello:docker"
podman pull -q "${policy[@]}" "$host/team/many:latest"
echo the end

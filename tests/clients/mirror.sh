# A mirror of Docker's registry, as Debian has it, by each policy: every digest is the same, and a second sync downloads
# nothing.

. "$STORIES/images.sh"
root=$URL/pulp/api/v3

# Docker's registry, with one log a run of it. A log is whole once its run has ended.
address=127.0.0.1:0
begin() {
    : > registry.log
    cat > registry.yml <<END
version: 0.1
log: {fields: {service: registry}}
storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: $PWD/registry}}
http: {addr: "$address", draintimeout: 5s}
END
    # It takes what the environment says of REGISTRY_… for settings of its own.
    env -u REGISTRY_AUTH_FILE docker-registry serve registry.yml > registry.log 2>&1 &
    registry=$!
    until grep -q 'listening on' registry.log; do kill -0 $registry; done
    address=$(grep -o 'listening on [0-9.:]*' registry.log | cut -d ' ' -f 3)
}
finish() {
    kill $registry && wait $registry
}
trap 'kill $registry' EXIT
# Of manifests and blobs, those that the registry sent.
sent() { grep -c '"GET /v2/[^ ]*/\(manifests\|blobs\)/[^ ]* HTTP/[0-9.]*" 200' registry.log || true; }

begin
log_in
for policy in immediate on_demand streamed; do
    image "$policy/amd64" "$policy on amd64" amd64
    image "$policy/arm64" "$policy on arm64" arm64
    image "$policy/other" "$policy alone"
    index "$policy/many" "$policy/amd64" "$policy/arm64"
    upstream=docker://$address/team/$policy here=docker://$host/$policy
    copy --all --preserve-digests "oci:$policy/many" "$upstream:many"
    copy --preserve-digests "oci:$policy/other" "$upstream:1.0"
    copy --format v2s2 "oci:$policy/other" "$upstream:docker"

    fields="\"name\": \"$policy\", \"upstream_name\": \"team/$policy\", \"url\": \"http://$address\", \"policy\": \"$policy\""
    remote=$(api "$root/remotes/container/container/" --json "{$fields}" | part pulp_href)
    repository=$(api "$root/repositories/container/container/" --json "{\"name\": \"$policy\", \"remote\": \"$remote\"}" | part pulp_href)
    fields="\"name\": \"$policy\", \"base_path\": \"$policy\", \"repository\": \"$repository\""
    ended "$(api "$root/distributions/container/container/" --json "{$fields}" | part task)"
    finish && begin
    ended "$(api -X POST "$URL${repository}sync/" | part task)"
    finish
    # Five manifests, a configuration for each of the four images, and the three layers; those wait if they are not wanted.
    [[ $(sent) == $([[ $policy == immediate ]] && echo 11 || echo 8) ]]

    begin
    ended "$(api -X POST "$URL${repository}sync/" -d mirror=true | part task)"
    finish
    [[ $(sent) == 0 ]]
    says '"number":1,' api "$URL${repository}versions/?limit=1"

    begin
    for tag in many 1.0 docker; do
        cmp <(in_registry inspect --raw "$upstream:$tag") <(in_registry inspect --raw "$here:$tag")
        copy --all --preserve-digests "$here:$tag" "dir:pulled-$policy-$tag"
        for file in "pulled-$policy-$tag"/*; do
            # Blobs are named by their digests.
            [[ ! ${file##*/} =~ ^[0-9a-f]{64}$ || ${file##*/} == $(digest "$file") ]]
        done
    done
    cmp "pulled-$policy-many/manifest.json" "$policy/many/list.json"

    # What was pulled once is here, unless the policy is to keep nothing.
    finish
    case $policy in
        streamed) refuses "blob" copy --all "$here:many" "dir:again-$policy" ;;
        *) copy --all "$here:many" "dir:again-$policy" ;;
    esac
    begin
done
finish
trap - EXIT
echo the end

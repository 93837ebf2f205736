# The registry by skopeo: log in, push, look, copy, and delete; with a name and without.

. "$STORIES/images.sh"
here=docker://$host
image image hello

refuses "unauthorized" copy oci:image "$here/team/hello:1.0"
refuses "invalid username/password" in_registry login -u admin -p wrong "$host"
says "Login Succeeded" log_in

copy --preserve-digests oci:image "$here/team/hello:1.0"
copy --preserve-digests oci:image "$here/team/hello:latest"
says '"1.0",' in_registry list-tags "$here/team/hello"
says '"latest"' in_registry list-tags "$here/team/hello"
says "sha256:$(digest image/manifest.json)" in_registry inspect "$here/team/hello:1.0"
[[ $(in_registry inspect --raw "$here/team/hello:1.0") == "$(cat image/manifest.json)" ]]
[[ $(in_registry inspect --config --raw "$here/team/hello:1.0") == "$(cat image/config.json)" ]]

# From repository to repository, as Docker's format, and out again.
copy --preserve-digests "$here/team/hello:1.0" "$here/other/hello:1.0"
copy --format v2s2 "$here/team/hello:1.0" "$here/other/hello:docker"
says manifest.v2+json in_registry inspect --raw "$here/other/hello:docker"
copy --preserve-digests "$here/other/hello:1.0" dir:out
says hello tar -xOf "out/$(digest image/layer.tar)" hello.txt

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

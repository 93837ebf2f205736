# Images by pulp: synced from a registry (this one), tagged, copied, taken out, and offered under another name.

. "$STORIES/images.sh"
repository() { pulp container repository "$@"; }
image one "the first" amd64
image two "the second" arm64
index both one two
log_in
copy --preserve-digests oci:one "docker://$host/team/app:1.0"
copy --preserve-digests oci:two "docker://$host/team/app:2.0"
copy --all --preserve-digests oci:both "docker://$host/team/app:latest"
one=sha256:$(digest one/manifest.json) two=sha256:$(digest two/manifest.json) both=sha256:$(digest both/list.json)

# A push has made a repository, a distribution, and a namespace.
says '"name": "team/app"' repository list
says '"private": false' pulp container distribution show --name team/app
says '"name": "team"' pulp container namespace list
says "$host/team/app" pulp container distribution show --name team/app

# A remote, and syncs.
says '"includes": ["1.*", "latest"]' pulp container remote create --name upstream --url "$URL" --upstream-name team/app \
    --include-tags '["1.*", "latest"]' --policy on_demand
says '{"name": "include_tags", "is_set": false}' pulp container remote show --name upstream
pulp container remote update --name upstream --include-tags '["1.*"]'
says '"includes": ["1.*"]' pulp container remote show --name upstream
pulp container remote label set --remote upstream --key city --value Brno
says '"city": "Brno"' pulp container remote list --name upstream
says '"description": "Copies"' repository create --name mirror --description Copies --remote upstream
repository sync --name mirror
says '[{"name": "1.0"}]' pulp container content --type tag list --repository-version "$(repository show --name mirror | part latest_version_href)" --field name
says "$one" pulp container content --type manifest list --digest "$one"
hides "$two" repository content --type manifest list --repository mirror
pulp container remote update --name upstream --include-tags '["1.*", "latest"]'
repository sync --name mirror --remote upstream
says "$two" repository content --type manifest list --repository mirror

# Tags.
repository tag --name mirror --tag stable --digest "$one"
says '"name": "stable"' repository content list --repository mirror
refuses "does not exist" repository tag --name mirror --tag stable --digest "sha256:$(digest one/config.json)"
repository untag --name mirror --tag stable
hides '"name": "stable"' repository content list --repository mirror
refuses "does not exist" repository untag --name mirror --tag stable

# Copies bring what they refer to.
repository create --name tags
repository copy-tag --name tags --source mirror --tag latest
for part in "$one" "$two" "$both"; do says "$part" repository content --type manifest list --repository tags; done
says "sha256:$(digest two/layer.tar)" repository content --type blob list --repository tags
repository create --name manifests
repository copy-manifest --name manifests --source mirror --media-type application/vnd.oci.image.manifest.v1+json
says "$two" repository content --type manifest list --repository manifests
hides "$both" repository content --type manifest list --repository manifests

# Units added and taken out, with what belongs to them.
repository create --name parts
latest=$(pulp container content --type tag list --name latest | part pulp_href)
says '"name": "latest"' pulp container content --type tag show --href "$latest"
repository content --type tag add --repository parts --href "$latest"
says "$two" repository content --type manifest list --repository parts
repository content --type tag remove --repository parts --href "$latest"
says '[]' repository content list --repository parts --all-types
says '{"number": 2}, {"number": 1}' repository version list --repository parts --field number
repository version destroy --repository parts --version 1
says '"state": "completed"' repository version repair --repository mirror

# Under another name, by a version, and for those who log in.
pulp container distribution create --name shelf --base-path shelf/app --repository tags --private
copy --all --preserve-digests "docker://$host/shelf/app:latest" dir:latest
in_registry logout "$host"
refuses unauthorized copy "docker://$host/shelf/app:latest" dir:refused
pulp container distribution update --name shelf --public
copy "docker://$host/shelf/app:latest" dir:anybody
pulp container distribution update --name shelf --repository mirror --version 1
refuses "manifest unknown" copy "docker://$host/shelf/app:latest" dir:gone
pulp container distribution label set --distribution shelf --key k --value v
says '"base_path": "shelf/app"' pulp container distribution list --label-select k=v
pulp container distribution destroy --name shelf
refuses "name unknown" copy "docker://$host/shelf/app:1.0" dir:gone

says '[]' repository --type push list
repository destroy --name mirror
pulp container remote destroy --name upstream
hides '"name": "mirror"' repository list
echo the end

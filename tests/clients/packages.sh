# Packages by pulp: uploaded, published, mirrored to the byte from a registry of packages (this one), copied, pruned.

. "$STORIES/rpms.sh"
build bear 4.1
build bear 4.2
build wolf 9.4 'Requires: bear >= 4.1'
latest() { pulp rpm repository show --name "$1" | part latest_version_href; }
packages() { pulp rpm content list --repository-version "$(latest "$1")" --field name --field version; }

says '"autopublish": true' pulp rpm repository create --name zoo --autopublish
for file in top/RPMS/noarch/*.rpm; do
    pulp rpm content upload --repository zoo --file "$file" --relative-path "${file##*/}" --no-publish
done
says '{"name": "bear", "version": "4.2"}' packages zoo
says '"generate_repo_config": true' pulp rpm distribution create --name zoo --base-path zoo --repository zoo \
    --generate-repo-config

# A mirror of it, to the byte, whose packages come when somebody asks for them.
says '"policy": "on_demand"' pulp rpm remote create --name zoo --url "$URL/pulp/content/zoo/" --policy on_demand
pulp rpm repository create --name mirror --remote zoo
pulp rpm repository sync --name mirror --sync-policy mirror_complete
publication=$(pulp rpm publication list --repository mirror | part pulp_href)
pulp rpm distribution create --name mirror --base-path mirror --publication "$publication"
for file in repodata/repomd.xml Packages/w/wolf-9.4-1.noarch.rpm; do
    cmp <(curl -sSf "$URL/pulp/content/zoo/$file") <(curl -sSf "$URL/pulp/content/mirror/$file")
done
pulp rpm repository sync --name mirror --sync-policy mirror_complete
says /versions/1/ latest mirror

# What is copied brings along what it requires.
pulp rpm repository create --name few
wolf=$(pulp rpm content list --repository-version "$(latest zoo)" --name wolf | part pulp_href)
few=$(pulp rpm repository show --name few | part pulp_href)
pulp rpm copy --dependency-solving --config "[{\"source_repo_version\": \"$(latest zoo)\", \"dest_repo\": \"$few\", \"content\": [\"$wolf\"]}]"
says '{"name": "bear", "version": "4.2"}' packages few
says '{"name": "wolf", "version": "9.4"}' packages few

# Versions that newer ones have replaced go.
pulp rpm prune-packages --repository zoo --keep-days 0
hides '"4.1"' packages zoo
echo the end

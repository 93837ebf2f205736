# Repositories and remotes: made, described, labelled, found, changed, destroyed.

says '"connected": true' pulp status
says '"manifest": "INDEX"' pulp file repository create --name books --description "All of them" --manifest INDEX
refuses '{"name":["This field must be unique."]}' pulp file repository create --name books
says '"description": "All of them"' pulp file repository show --name books
refuses "Could not find file repository" pulp file repository show --name songs

pulp file repository update --name books --description "Some of them" --retain-repo-versions 3 --autopublish
says '"retain_repo_versions": 3' pulp file repository show --name books
says '"autopublish": true' pulp file repository show --name books
pulp file repository update --name books --description "" --retain-repo-versions ""
says '"description": null' pulp file repository show --name books
says '"retain_repo_versions": null' pulp file repository show --name books

pulp file repository label set --repository books --key shelf --value 7
says 7 pulp file repository label show --repository books --key shelf
says '"name": "books"' pulp file repository list --label-select shelf=7
says '[]' pulp file repository list --label-select '!shelf'
pulp file repository label unset --repository books --key shelf
says '[]' pulp file repository list --label-select shelf

pulp file repository create --name maps --labels '{"shelf": "8"}'
says '[{"name": "maps"}, {"name": "books"}]' pulp file repository list --ordering -name --field name
says '[{"name": "maps"}]' pulp file repository list --name-startswith m --field name
says '"name": "books"' pulp repository list --limit 1 --offset 1 --ordering -name

says '"policy": "on_demand"' pulp file remote create --name shop --url "${REMOTE}PULP_MANIFEST" --policy on_demand \
    --username reader --password hunter2 --connect-timeout 1.5 --max-retries 1 --rate-limit 9 --download-concurrency 2
hides hunter2 pulp file remote show --name shop
says '{"name": "password", "is_set": true}' pulp file remote show --name shop
refuses '"url"' pulp file remote create --name paper --url http://reader:hunter2@127.0.0.1/
pulp file remote update --name shop --rate-limit 5
says '"rate_limit": 5' pulp remote list --name shop
pulp file remote label set --remote shop --key city --value Brno
says '"city": "Brno"' pulp file remote show --name shop

refuses "does not have a default remote" pulp file repository sync --name books
pulp file repository update --name books --remote shop
says "$(pulp file remote show --name shop | part pulp_href)" pulp file repository show --name books
pulp file repository update --name books --remote ""
says '"remote": null' pulp file repository show --name books

pulp file remote destroy --name shop
pulp file repository destroy --name books
says '[{"name": "maps"}]' pulp file repository list --field name
echo the end

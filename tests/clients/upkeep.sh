# Looking after the server: its tasks, workers, users and its description of itself.

pulp file repository create --name books
pulp file remote create --name gone --url "${REMOTE}nothing/PULP_MANIFEST" --max-retries 0
refuses 404 pulp file repository sync --name books --remote gone
echo one > one.txt
pulp file content upload --relative-path one.txt --file one.txt --repository books

says synchroniz pulp task list --state failed --field name
failed=$(pulp task list --state failed | part pulp_href)
says 404 pulp task show --href "$failed"
says "$failed" pulp task list --name-contains sync --started-after 2020-01-01 --finished-before 2999-01-01 --limit 1
says "$failed" pulp task list --state-in failed --state-in canceled
books=$(pulp file repository show --name books | part pulp_href)
says "$failed" pulp task list --reserved-resource "$books"
says one.txt pulp show --href "$(pulp file content list | part pulp_href)"
says '"state": "completed"' pulp task list --created-resource "${books}versions/1/"
refuses "cannot be canceled" pulp task cancel --href "$failed"
pulp task cancel --all
says '"failed": 1' pulp task summary
pulp task purge --finished-before 2999-01-01 --state failed
says '"failed": 0' pulp task summary
pulp task destroy --href "$(pulp task list --state completed --limit 1 | part pulp_href)"

says '"name"' pulp worker list --online
says '"username": "admin"' pulp user show --username admin
pulp user create --username ann --password "correct horse"
says '"username": "ann"' pulp --username ann --password "correct horse" user list
refuses "Authentication failed" pulp --username ann --password "wrong horse" user list
refuses "not authorized" pulp --username ann --password "correct horse" user create --username eve
pulp user update --username ann --first-name Ann
says '"first_name": "Ann"' pulp user show --username ann
pulp user destroy --username ann
says '"storage_class"' pulp domain show --name default

pulp debug has-plugin --name file --specifier ">=3.0"
refuses false pulp debug has-plugin --name nonsense
says '"repositories_file_file_sync"' pulp debug openapi operation-ids
says '"method": "post"' pulp debug openapi operation --id repositories_file_file_sync
says '"manifest"' pulp debug openapi schema --name file.FileRepository
says '"3.0.3"' pulp debug openapi spec
says '"count"' pulp debug openapi call --id repositories_file_file_list --parameter name=books
says 'name: books' pulp --format yaml file repository show --name books
refuses "safe mode" pulp --dry-run file repository create --name maps
echo the end

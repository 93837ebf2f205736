# Content: uploaded whole and in chunks, found, labelled, added to repositories and taken out again.

echo one > one.txt
echo two > two.txt
two=$(sha256sum two.txt | cut -c 1-64)
pulp file repository create --name books

says '"relative_path": "a/one.txt"' pulp file content upload --relative-path a/one.txt --file one.txt --repository books
says "$two" pulp file content upload --relative-path two.txt --file two.txt --chunk-size 2
says '"relative_path": "again.txt"' pulp file content create --relative-path again.txt --sha256 "$two"
refuses canonical pulp file content create --relative-path /etc/passwd --sha256 "$two"

says '[{"relative_path": "two.txt"}]' pulp file content list --relative-path two.txt --field relative_path
says "$two" pulp file content show --relative-path two.txt --sha256 "$two"
href=$(pulp file content list --relative-path two.txt | part pulp_href)
says "$two" pulp show --href "$href"
pulp file content label set --href "$href" --key read --value yes
says "$href" pulp file content list --label-select read=yes
pulp file content label unset --href "$href" --key read
says '"two.txt": "/pulp/api/v3/artifacts/' pulp content list

pulp file repository content add --repository books --relative-path two.txt --sha256 "$two"
says "$href" pulp file repository content list --repository books
hides "$href" pulp file repository content list --repository books --version 1
says '"a/one.txt"' pulp file repository content list --repository books --all-types
pulp file repository content remove --repository books --relative-path two.txt --sha256 "$two"
hides "$href" pulp file repository content list --repository books
pulp file repository content modify --repository books --add-content "[{\"relative_path\":\"two.txt\",\"sha256\":\"$two\"}]"
says "$href" pulp file repository content list --repository books

says '{"number": 4}, {"number": 3}' pulp file repository version list --repository books --field number
third=$(pulp file repository version show --repository books --version 3 | part pulp_href)
says '[]' pulp file content list --repository-version-added "$third"
says "$href" pulp file content list --repository-version-removed "$third"
says '"state": "completed"' pulp file repository version repair --repository books --version 4
pulp file repository version destroy --repository books --version 3
refuses "Could not find" pulp file repository version show --repository books --version 3

says '"size": 4' pulp artifact show --sha256 "$two"
seq 1 1000 > numbers
numbers=$(sha256sum numbers | cut -c 1-64)
says "$numbers" pulp artifact upload --file numbers --chunk-size 1000
says "$numbers" pulp artifact upload --file numbers
says "$numbers" pulp artifact list --sha256 "$numbers"
says '[]' pulp upload list

# Nothing holds these two any longer, and the repository holds the others.
says '"state": "completed"' pulp orphan cleanup --protection-time 0
says '[]' pulp artifact list --sha256 "$numbers"
says '[]' pulp file content list --relative-path again.txt
says "$two" pulp file repository content list --repository books
echo the end

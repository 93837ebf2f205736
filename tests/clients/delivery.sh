# From a remote to a reader: synced, published, distributed, fetched.

pulp file repository create --name books
pulp file remote create --name shop --url "${REMOTE}PULP_MANIFEST"
pulp file repository sync --name books --remote shop
says '"count": 3' pulp file repository version show --repository books --version 1
pulp file repository sync --name books --remote shop --mirror
refuses "Could not find" pulp file repository version show --repository books --version 2

pulp file remote create --name closed --url "${REMOTE}nothing/PULP_MANIFEST" --max-retries 0
refuses 404 pulp file repository sync --name books --remote closed

first=$(pulp file publication create --repository books | part pulp_href)
says '"manifest": "INDEX"' pulp file publication create --repository books --version 1 --manifest INDEX
says "$first" pulp file publication show --href "$first"
says "$first" pulp file publication list --repository books
says "$first" pulp publication list

says "$URL/pulp/content/shelf/books/" pulp file distribution create --name d --base-path shelf/books --publication "$first"
refuses "Overlaps with an existing distribution." pulp file distribution create --name e --base-path shelf
refuses "This field must be unique." pulp file distribution create --name d --base-path elsewhere
says f1.txt, curl -sSf "$URL/pulp/content/shelf/books/PULP_MANIFEST"
cmp <(curl -sf "${REMOTE}f1.txt") <(curl -sf "$URL/pulp/content/shelf/books/f1.txt")
says "[\"$(pulp file distribution show --name d | part pulp_href)\"]" pulp file publication show --href "$first"

pulp file distribution update --name d --base-path desk
refuses 404 curl -sSf "$URL/pulp/content/shelf/books/f1.txt"
says f2.txt curl -sSf "$URL/pulp/content/desk/"
pulp file distribution update --name d --publication ""
pulp file distribution update --name d --repository books
says '"publication": null' pulp file distribution show --name d
says INDEX curl -sSf "$URL/pulp/content/desk/"
pulp file distribution label set --distribution d --key k --value v
says '"base_path": "desk"' pulp file distribution list --label-select k=v
says '"name": "d"' pulp distribution list

pulp file distribution create --name fixed --base-path fixed --repository books --version 1
refuses "currently being used to distribute content" pulp file repository version destroy --repository books --version 1
pulp file publication destroy --href "$first"
hides "$first" pulp file publication list
pulp file distribution destroy --name d
pulp file distribution destroy --name fixed
refuses 404 curl -sSf "$URL/pulp/content/desk/"
echo the end
